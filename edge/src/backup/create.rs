//! Makes a backup beside a hub that may be running.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ringhub_control_plane::{REGISTRY_FILE, back_up_registry};
use ringhub_core::log::segment::segment_file_name;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::file::{self, make_empty_directory, require_room, sync_directories};
use super::manifest::{FileRecord, Manifest};
use super::{BackupError, log};
use crate::hub::REGISTRY_DIRECTORY;
use crate::startup::{DEVELOPMENT_FILES, FORMAT_FILE, Layout, layout_of};

/// Folder with certificates, in data directory and backup.
pub(super) const TLS_DIRECTORY: &str = "tls";

/// How far a backup or restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Bytes that it is done for.
    pub bytes: u64,
}

/// Copies the data directory `from` into the new or empty folder `to`.
///
/// The hub may be running: it is neither asked nor held up. The backup holds everything that was
/// acknowledged before the call, and of what came meanwhile a prefix per commit log and per
/// registry. Registry and logs are not of the same instant: the registry is the later one, so that
/// it knows every hub that has events in the logs. Those of hubs that it does not know are removed
/// by the first start.
///
/// - **Logs.** A commit never changes once it is durable, and is acknowledged only then. Each
///   segment is read from its beginning, commit by commit as recovery does, and cut at the first
///   commit that is not whole, so nothing that was durable before is behind the cut. Expired
///   segments are removed, or get another name before they are written again: the name is checked
///   after the copy.
/// - **Registry.** One read transaction of SQLite.
/// - **Everything else** is written once, under another name, and renamed.
///
/// Blocks; reads past the page cache where the filesystem has direct IO. On failure nothing is left
/// in `to`.
///
/// # Errors
/// [`BackupError`]; the text says what to do.
pub fn create(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    if layout_of(from)?.is_none() {
        return Err(BackupError::NoHub(from.to_owned()));
    }
    make_empty_directory(to)?;
    let made = require_room(to, needed_bytes(from)?).and_then(|()| fill(from, to, progress));
    if made.is_err() {
        // The failure itself is what matters; without a manifest the rest is no backup.
        let _ = fs::remove_dir_all(to);
    }
    made
}

/// About what the copy takes: the registry, and of each log all segments but the newest, of which
/// nobody knows yet how far it is written.
fn needed_bytes(from: &Path) -> Result<u64, BackupError> {
    let mut needed = file_bytes(&from.join(REGISTRY_DIRECTORY).join(REGISTRY_FILE))?;
    for log in log::log_directories(from)? {
        let log = from.join(log);
        let numbers = log::segments(&log)?;
        for number in numbers.iter().rev().skip(1) {
            needed += file_bytes(&log.join(segment_file_name(*number)))?;
        }
    }
    Ok(needed)
}

/// Length of a file; nothing for one that retention has just removed.
fn file_bytes(path: &Path) -> Result<u64, BackupError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(BackupError::io("look at", path)(error)),
    }
}

fn fill(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let begun = now();
    copy_small(from, to, FORMAT_FILE)?;
    copy_tls(from, to)?;
    let mut bytes = 0;
    for log in log::log_directories(from)? {
        log::copy(&from.join(&log), &to.join(&log), &mut |end| {
            bytes += end.0;
            progress(Progress { step: "events are copied", bytes });
        })?;
    }
    // After the logs, so that it knows every hub that has events in them: a number that a restored
    // registry gave out again would bring a new hub the events of an old one.
    progress(Progress { step: "the registry is copied", bytes });
    let registry = to.join(REGISTRY_DIRECTORY);
    file::make_directory(&registry)?;
    copy_registry(&from.join(REGISTRY_DIRECTORY), &registry.join(REGISTRY_FILE))?;
    let files = record_all(to, progress)?;
    sync_directories(to)?;
    let manifest = Manifest::new(begun, now(), files);
    manifest.write(to)?;
    sync_directories(to)?;
    Ok(manifest)
}

fn copy_small(from: &Path, to: &Path, name: &str) -> Result<(), BackupError> {
    let path = from.join(name);
    let contents = fs::read(&path).map_err(BackupError::io("read", &path))?;
    file::write_file(&to.join(name), &contents)
}

fn copy_tls(from: &Path, to: &Path) -> Result<(), BackupError> {
    let directory = from.join(TLS_DIRECTORY);
    if !directory.is_dir() {
        return Ok(());
    }
    for path in file::entries(&directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if DEVELOPMENT_FILES.contains(&&*name) {
            copy_small(from, to, &format!("{TLS_DIRECTORY}/{name}"))?;
        }
    }
    Ok(())
}

fn copy_registry(from: &Path, to: &Path) -> Result<(), BackupError> {
    // SQLite would make it readable by all.
    drop(file::create_file(to)?);
    back_up_registry(from, to)?;
    let synced = fs::File::open(to).and_then(|file| file.sync_all());
    synced.map_err(BackupError::io("sync", to))
}

/// Length and checksum of every file below `backup`.
fn record_all(
    backup: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FileRecord>, BackupError> {
    let mut bytes = 0;
    let mut record = |path: PathBuf| {
        let (len, sha256) = file::digest(&path, |_| Ok(()))?;
        bytes += len;
        progress(Progress { step: "checksums are made", bytes });
        Ok(FileRecord { path: relative(&path, backup), bytes: len, sha256 })
    };
    files_below(backup)?.into_iter().map(&mut record).collect()
}

/// Every file below `directory`.
pub(super) fn files_below(directory: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut files = Vec::new();
    for entry in file::entries(directory)? {
        if entry.is_dir() {
            files.extend(files_below(&entry)?);
        } else {
            files.push(entry);
        }
    }
    Ok(files)
}

/// The place of a file in the backup, as the manifest has it.
pub(super) fn relative(path: &Path, backup: &Path) -> String {
    path.strip_prefix(backup).unwrap_or(path).to_string_lossy().into_owned()
}

/// Partitions and executors of a backup or data directory.
pub(super) fn require_layout(directory: &Path) -> Result<Layout, BackupError> {
    layout_of(directory)?
        .ok_or_else(|| BackupError::Incomplete { dir: directory.to_owned(), file: FORMAT_FILE })
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
