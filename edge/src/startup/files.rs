//! Small files that are there as a whole or not at all.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    /// Everybody: mode 0644.
    ByAll,
    /// The owner alone: mode 0600.
    ByOwner,
}

impl Readable {
    const fn mode(self) -> u32 {
        match self {
            Self::ByAll => 0o644,
            Self::ByOwner => 0o600,
        }
    }
}

/// A file that could not be written; what was there before is there still.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}{}", path.display(), Room(source))]
pub struct NotWritten {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl NotWritten {
    /// Whether it can be written once there is room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        is_disk_full(&self.source)
    }
}

/// Whether the disk, a quota or the limit of file sizes has no room.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    kinds.contains(&error.kind())
}

/// What to do on a full disk.
pub(super) struct Room<'a>(pub(super) &'a io::Error);

impl fmt::Display for Room<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_disk_full(self.0) {
            f.write_str("; make room in the filesystem of this file, a megabyte is enough")?;
        }
        Ok(())
    }
}

/// Writes `contents` beside `path`, syncs it and renames it over `path`. Writes nothing where they
/// are there already, so that a start needs no room.
pub(super) fn write(path: &Path, contents: &str, readable: Readable) -> Result<(), NotWritten> {
    let is_same = |mode: u32| mode & 0o777 == readable.mode();
    let is_there = fs::metadata(path).is_ok_and(|file| is_same(file.permissions().mode()))
        && fs::read(path).is_ok_and(|found| found == contents.as_bytes());
    if is_there {
        // A process that was killed may have left it.
        let _ = fs::remove_file(beside(path));
        return Ok(());
    }
    Staged::new(path, contents, readable)?.publish()
}

/// A file that is on disk beside the one whose place it will take. It goes if it takes none.
#[derive(Debug)]
pub(super) struct Staged(PathBuf);

impl Staged {
    /// Writes and syncs it.
    pub(super) fn new(path: &Path, contents: &str, readable: Readable) -> Result<Self, NotWritten> {
        let not_written = |source| NotWritten { path: path.to_owned(), source };
        let beside = beside(path);
        // A file left by a crash could have another mode: it is not written into.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(not_written(error)),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(readable.mode());
        let mut file = options.open(&beside).map_err(not_written)?;
        let staged = Self(path.to_owned());
        let written = file.write_all(contents.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(not_written)?;
        Ok(staged)
    }

    /// Puts it in its place.
    pub(super) fn publish(self) -> Result<(), NotWritten> {
        let path = &self.0;
        let sync = |directory: &Path| File::open(directory)?.sync_all();
        let renamed = fs::rename(beside(path), path);
        let durable = renamed.and_then(|()| path.parent().map_or(Ok(()), sync));
        durable.map_err(|source| NotWritten { path: path.clone(), source })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After the renaming there is none.
        let _ = fs::remove_file(beside(&self.0));
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::test_directory::TestDirectory;
    use super::*;

    #[test]
    fn what_is_there_already_is_not_written() {
        let directory = TestDirectory::new();
        let path = directory.path().join("keys.json");
        let inode = || fs::metadata(&path).unwrap().ino();
        write(&path, "one", Readable::ByOwner).unwrap();
        let first = inode();
        fs::write(beside(&path), "").unwrap();
        write(&path, "one", Readable::ByOwner).unwrap();
        assert_eq!(inode(), first, "the same file");
        assert!(!beside(&path).exists(), "what a killed process left is gone");

        write(&path, "two", Readable::ByOwner).unwrap();
        assert_ne!(inode(), first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let second = inode();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "two", Readable::ByOwner).unwrap();
        assert_ne!(inode(), second, "others could read it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_takes_no_place_leaves_nothing() {
        let directory = TestDirectory::new();
        let path = directory.path().join("server.pem");
        drop(Staged::new(&path, "one", Readable::ByAll).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        fs::create_dir(&path).unwrap();
        let refused = write(&path, "one", Readable::ByAll).unwrap_err();
        assert_eq!(refused.path, path);
        assert!(!refused.is_disk_full() && !beside(&path).exists(), "{refused}");
    }

    #[test]
    fn a_full_disk_is_named_with_the_remedy() {
        let error = |kind: ErrorKind| {
            let path = "/data/connection-strings.txt".into();
            NotWritten { path, source: kind.into() }
        };
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
            let error = error(kind);
            assert!(error.is_disk_full());
            let said = error.to_string();
            assert!(
                said.contains("connection-strings.txt") && said.contains("make room"),
                "{said}"
            );
        }
        let other = error(ErrorKind::PermissionDenied);
        assert!(!other.is_disk_full() && !other.to_string().contains("room"), "{other}");
    }
}
