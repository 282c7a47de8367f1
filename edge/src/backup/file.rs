//! Files and folders of a backup: for the owner alone, synced, with a checksum.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::BackupError;

/// Bytes that are read at a time.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;

/// Makes a folder with all above it that are missing, and makes sure that nothing is in it.
pub(super) fn make_empty_directory(path: &Path) -> Result<(), BackupError> {
    make_directory(path)?;
    let mut entries = fs::read_dir(path).map_err(BackupError::io("read", path))?;
    match entries.next() {
        Some(_) => Err(BackupError::NotEmpty(path.to_owned())),
        None => Ok(()),
    }
}

/// Makes a folder with all above it that are missing, for the owner alone.
pub(super) fn make_directory(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(BackupError::io("create", path))
}

/// Makes a new file for the owner alone, with the folders above it.
pub(super) fn create_file(path: &Path) -> Result<File, BackupError> {
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    file.map_err(BackupError::io("create", path))
}

/// Writes a small file and syncs it.
pub(super) fn write_file(path: &Path, contents: &[u8]) -> Result<(), BackupError> {
    let mut file = create_file(path)?;
    let written = io::Write::write_all(&mut file, contents).and_then(|()| file.sync_all());
    written.map_err(BackupError::io("write", path))
}

/// Makes sure that the filesystem of the folder `path` has room for about `needed_bytes`, before
/// anything is written that would have to be taken back.
pub(super) fn require_room(path: &Path, needed_bytes: u64) -> Result<(), BackupError> {
    let status = rustix::fs::statvfs(path).map_err(io::Error::from);
    let status = status.map_err(BackupError::io("look at", path))?;
    let free_bytes = status.f_bavail.saturating_mul(status.f_frsize);
    if needed_bytes <= free_bytes {
        return Ok(());
    }
    Err(BackupError::NoRoom { path: path.to_owned(), needed_bytes, free_bytes })
}

/// Makes the names in all folders below `path` durable.
pub(super) fn sync_directories(path: &Path) -> Result<(), BackupError> {
    let sync = |path: &Path| File::open(path).and_then(|directory| directory.sync_all());
    for entry in entries(path)? {
        if entry.is_dir() {
            sync_directories(&entry)?;
        }
    }
    sync(path).map_err(BackupError::io("sync", path))
}

/// Everything in a folder, by name.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let read = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut entries = read.map_err(BackupError::io("read", path))?;
    entries.sort();
    Ok(entries)
}

/// Length and SHA-256 of a file; `seen` is told of every piece.
pub(super) fn digest(
    path: &Path,
    mut seen: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(u64, String), BackupError> {
    let failed = |source| BackupError::Io { action: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    let mut len = 0;
    loop {
        let count = file.read(&mut piece).map_err(failed)?;
        if count == 0 {
            return Ok((len, hex(context.finish().as_ref())));
        }
        context.update(&piece[..count]);
        seen(&piece[..count]).map_err(BackupError::io("write a copy of", path))?;
        len += count as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::startup::TestDirectory;

    #[test]
    fn room_is_asked_for_beforehand() {
        let directory = TestDirectory::new();
        require_room(directory.path(), 1).unwrap();
        let refused = require_room(directory.path(), u64::MAX).unwrap_err().to_string();
        for part in [directory.path().to_str().unwrap(), "free", "on another disk"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
