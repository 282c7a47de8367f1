//! The folder that holds everything a hub keeps: created, locked, and known to be readable by this
//! version.
//!
//! ```text
//! FORMAT     version of the layout, and what was fixed when the directory was created
//! lock       locked while a process uses the directory; holds its process id
//! tls/       development CA and server certificate
//! ```
//!
//! The commit logs and the store add their own files.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::admin_token::ADMIN_TOKEN_FILE;
use super::files::{self, NotWritten, Readable, Room, is_disk_full};

/// Version of the layout that is written and read.
const FORMAT_VERSION: u32 = 1;

/// First word of the format file.
const FORMAT_MAGIC: &str = "ringhub-data-directory";

/// File with the version of the layout and what was fixed.
pub(crate) const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "lock";

/// What is fixed when a data directory is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Partitions of the hub.
    pub partitions: u16,
    /// Executors, and so commit logs.
    pub executors: u16,
}

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    layout: Option<Layout>,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// The file system refuses something.
    #[error("cannot {action} {}: {source}{}", path.display(), Room(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process uses it.
    #[error(
        "the data directory {} is in use by process {pid}; stop that one, or choose another with --data-dir",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Process id as it stands in the lock file.
        pid: String,
    },
    /// The directory holds something else.
    #[error("{} is not empty and no data directory of ringhub; choose another with --data-dir", .0.display())]
    Foreign(PathBuf),
    /// Written by a newer version of ringhub.
    #[error(
        "{} says format {found}, and this version of ringhub knows {FORMAT_VERSION}: start the version that wrote it, \
         or choose another directory with --data-dir and restore a backup of this version there (`ringhub restore`)",
        path.display()
    )]
    NewerFormat {
        /// The format file.
        path: PathBuf,
        /// Version that it names.
        found: u32,
    },
    /// No version of ringhub writes this.
    #[error(
        "{} is damaged: it begins with `{found}` and not with `{FORMAT_MAGIC} {FORMAT_VERSION}` and the numbers of \
         partitions and executors; restore a backup into another directory (`ringhub restore`)",
        path.display()
    )]
    DamagedFormat {
        /// The format file.
        path: PathBuf,
        /// What it begins with.
        found: String,
    },
    /// The configuration wants something that was fixed otherwise.
    #[error(
        "{what} is {wanted} in the configuration, but {} was created with {fixed}, and that cannot be changed",
        path.display()
    )]
    Fixed {
        /// The directory.
        path: PathBuf,
        /// Key of the configuration.
        what: &'static str,
        /// What the configuration says.
        wanted: u16,
        /// What the directory was created with.
        fixed: u16,
    },
}

impl DataDirectory {
    /// Opens `path`, creating it with mode 0700 when it is not there, and locks it for this
    /// process.
    ///
    /// # Errors
    /// [`DataDirectoryError`]; the text says what to do.
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        let build = DirBuilder::new().recursive(true).mode(0o700).create(path);
        build.map_err(|source| io_error("create", path, source))?;
        let layout = read_format(path)?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), layout, _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was fixed when the directory was created; `None` in a new one.
    #[must_use]
    pub const fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// Fixes `wanted` in a new directory; in an existing one it has to agree.
    ///
    /// # Errors
    /// [`DataDirectoryError::Fixed`] when it does not, or when the format file cannot be written.
    pub fn fix(&mut self, wanted: Layout) -> Result<(), DataDirectoryError> {
        let Some(fixed) = self.layout else {
            let text = format!(
                "{FORMAT_MAGIC} {FORMAT_VERSION}\npartitions {}\nexecutors {}\n",
                wanted.partitions, wanted.executors
            );
            let file = self.path.join(FORMAT_FILE);
            files::write(&file, &text, Readable::ByOwner)
                .map_err(|NotWritten { path, source }| io_error("write", &path, source))?;
            self.layout = Some(wanted);
            return Ok(());
        };
        self.agree("format.partitions", wanted.partitions, fixed.partitions)?;
        self.agree("executors.count", wanted.executors, fixed.executors)
    }

    fn agree(&self, what: &'static str, wanted: u16, fixed: u16) -> Result<(), DataDirectoryError> {
        if wanted == fixed {
            return Ok(());
        }
        Err(DataDirectoryError::Fixed { path: self.path.clone(), what, wanted, fixed })
    }
}

/// Names the data directory where no argument does.
const VARIABLE: &str = "RINGHUB_DATA_DIR";

/// The data directory when no argument names one: that of `RINGHUB_DATA_DIR`, else
/// `/var/lib/ringhub` for root, else below the user's state directory.
///
/// `None` when neither `XDG_STATE_HOME` nor `HOME` is set: the caller asks for `--data-dir`.
#[must_use]
pub fn default_data_directory() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let is_root = rustix::process::geteuid().is_root();
    choose(is_root, std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
}

fn choose(is_root: bool, state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/ringhub"));
    }
    // The XDG specification has relative paths ignored.
    let state = state.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| home.map(|home| home.join(".local/state")))?;
    Some(state.join("ringhub"))
}

/// What was fixed when the data directory was created, without taking it; `None` where there is
/// none yet.
///
/// # Errors
/// [`DataDirectoryError`]: unknown format, or a folder of something else.
pub fn layout_of(directory: &Path) -> Result<Option<Layout>, DataDirectoryError> {
    read_format(directory)
}

fn read_format(directory: &Path) -> Result<Option<Layout>, DataDirectoryError> {
    let path = directory.join(FORMAT_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match (parse_format(&text), parse_version(&text)) {
            (Some(layout), _) => Ok(Some(layout)),
            (None, Some(found)) if found > FORMAT_VERSION => {
                Err(DataDirectoryError::NewerFormat { path, found })
            }
            _ => {
                let found = text.lines().next().unwrap_or_default().chars().take(80).collect();
                Err(DataDirectoryError::DamagedFormat { path, found })
            }
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(DataDirectoryError::DamagedFormat { path, found: error.to_string() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_empty(directory).map(|()| None)
        }
        Err(source) => Err(io_error("read", &path, source)),
    }
}

fn parse_version(text: &str) -> Option<u32> {
    text.lines().next()?.strip_prefix(FORMAT_MAGIC)?.trim().parse().ok()
}

fn parse_format(text: &str) -> Option<Layout> {
    if parse_version(text)? != FORMAT_VERSION {
        return None;
    }
    let mut lines = text.lines().skip(1);
    let mut number = |key: &str| -> Option<u16> {
        let (name, value) = lines.next()?.split_once(' ')?;
        value.parse().ok().filter(|number| name == key && *number > 0)
    };
    let partitions = number("partitions")?;
    let executors = number("executors")?;
    Some(Layout { partitions, executors })
}

/// A new directory holds nothing but what an earlier start left before it fixed the layout.
fn check_empty(directory: &Path) -> Result<(), DataDirectoryError> {
    let entries = fs::read_dir(directory).map_err(|source| io_error("read", directory, source))?;
    let ours = [LOCK_FILE, "tls", "FORMAT.new", ADMIN_TOKEN_FILE, "admin-token.new"];
    let foreign =
        entries.flatten().any(|entry| !ours.iter().any(|name| entry.file_name() == *name));
    if foreign { Err(DataDirectoryError::Foreign(directory.to_owned())) } else { Ok(()) }
}

fn lock(directory: &Path) -> Result<File, DataDirectoryError> {
    let path = directory.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.read_to_string(&mut pid);
            let pid = read.map_or_else(|_| "?".to_owned(), |_| pid.trim().to_owned());
            return Err(DataDirectoryError::InUse { path: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path, source)),
    }
    let pid = format!("{}\n", std::process::id());
    // What stands there is overwritten before it is cut, which needs no room.
    let len = pid.len() as u64;
    match file.write_all(pid.as_bytes()).and_then(|()| file.set_len(len)) {
        Ok(()) => {}
        // The lock holds without it: only whom it names may be another process.
        Err(source) if is_disk_full(&source) => {
            let error = io_error("write", &path, source);
            tracing::warn!("{error}; the process id in it is an old one");
        }
        Err(source) => return Err(io_error("write", &path, source)),
    }
    Ok(file)
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> DataDirectoryError {
    DataDirectoryError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::super::test_directory::{TestDirectory, reopen};
    use super::*;

    const LAYOUT: Layout = Layout { partitions: 4, executors: 1 };

    #[test]
    fn a_new_directory_is_private_and_remembers_its_layout() {
        let parent = TestDirectory::new();
        let path = parent.path().join("a/b");
        let mut directory = DataDirectory::open(&path).unwrap();
        assert_eq!(directory.layout(), None);
        directory.fix(LAYOUT).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(directory);
        let mut directory = reopen(|| DataDirectory::open(&path)).unwrap();
        assert_eq!(directory.layout(), Some(LAYOUT));
        directory.fix(LAYOUT).unwrap();
        let error = directory.fix(Layout { partitions: 8, executors: 1 }).unwrap_err().to_string();
        assert!(error.contains("format.partitions is 8") && error.contains("with 4"), "{error}");
    }

    #[test]
    fn unknown_formats_and_foreign_folders_are_refused() {
        for (text, says) in [
            (
                "ringhub-data-directory 2\nshards 4\n",
                "format 2, and this version of ringhub knows 1",
            ),
            ("ringhub-data-directory 1\npartitions 4\n", "is damaged"),
            ("ringhub-data-directory 1\npartitions 0\nexecutors 1\n", "is damaged"),
            ("ringhub-data-directory 0\npartitions 4\nexecutors 1\n", "is damaged"),
            ("", "is damaged"),
            ("\u{0}\u{0}", "is damaged"),
        ] {
            let parent = TestDirectory::new();
            let file = parent.path().join(FORMAT_FILE);
            fs::write(&file, text).unwrap();
            let error = DataDirectory::open(parent.path()).unwrap_err().to_string();
            for part in [says, &file.display().to_string(), "`ringhub restore`"] {
                assert!(error.contains(part), "{text:?}: {error}");
            }
        }
        let parent = TestDirectory::new();
        fs::write(parent.path().join(FORMAT_FILE), [0xff, 0xfe]).unwrap();
        let error = DataDirectory::open(parent.path()).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
        let parent = TestDirectory::new();
        fs::write(parent.path().join("thesis.txt"), "mine").unwrap();
        let result = DataDirectory::open(parent.path());
        assert!(matches!(result, Err(DataDirectoryError::Foreign(_))), "{result:?}");
    }

    /// Goal: the lock holds between processes. Method: the test starts itself again as the second
    /// process.
    #[test]
    fn a_second_process_is_told_who_holds_the_directory() {
        const VARIABLE: &str = "RINGHUB_TEST_LOCKED_DIRECTORY";
        if let Some(path) = std::env::var_os(VARIABLE) {
            let error = DataDirectory::open(Path::new(&path)).unwrap_err();
            println!("second process: {error}");
            return;
        }
        let parent = TestDirectory::new();
        let directory = DataDirectory::open(parent.path()).unwrap();
        let name =
            "startup::data_directory::tests::a_second_process_is_told_who_holds_the_directory";
        let second = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(VARIABLE, parent.path())
            .output()
            .unwrap();
        let said = String::from_utf8(second.stdout).unwrap();
        let expected = format!(
            "second process: the data directory {} is in use by process {};",
            parent.path().display(),
            std::process::id()
        );
        assert!(said.contains(&expected), "{said}");
        drop(directory);
        assert!(reopen(|| DataDirectory::open(parent.path())).is_ok(), "free again");
    }

    #[test]
    fn the_default_follows_user_and_environment() {
        let dir = |path: &str| Some(OsString::from(path));
        let cases = [
            (true, dir("/s"), dir("/h"), Some("/var/lib/ringhub")),
            (false, dir("/s"), dir("/h"), Some("/s/ringhub")),
            (false, None, dir("/h"), Some("/h/.local/state/ringhub")),
            (false, dir("relative"), dir("/h"), Some("/h/.local/state/ringhub")),
            (false, None, None, None),
        ];
        for (is_root, state, home, expected) in cases {
            assert_eq!(choose(is_root, state, home), expected.map(PathBuf::from));
        }
    }
}
