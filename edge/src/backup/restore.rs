//! Makes a data directory from a backup.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::BackupError;
use super::create::Progress;
use super::file::{self, make_empty_directory, require_room, sync_directories};
use super::manifest::FileRecord;
use super::verify::{Verified, verify};
use crate::startup::FORMAT_FILE;

/// Verifies the backup `from` and copies it into the new or empty folder `to`, which a hub can be
/// started on then.
///
/// The format file comes last: a folder without it is refused by every start, so that half a
/// restore never passes for a hub. On failure nothing is left in `to`.
///
/// # Errors
/// [`BackupError`], before anything is written when the backup is no good.
pub fn restore(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, BackupError> {
    let verified = verify(from, progress)?;
    make_empty_directory(to)?;
    let files = &verified.manifest.files;
    let copied = require_room(to, files.iter().map(|file| file.bytes).sum())
        .and_then(|()| copy_all(from, to, files, progress));
    match copied {
        Ok(()) => Ok(verified),
        Err(error) => {
            // The failure itself is what matters.
            let _ = fs::remove_dir_all(to);
            Err(error)
        }
    }
}

fn copy_all(
    from: &Path,
    to: &Path,
    files: &[FileRecord],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let (format, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.path == FORMAT_FILE);
    let mut bytes = 0;
    for record in others {
        copy(from, to, record)?;
        bytes += record.bytes;
        progress(Progress { step: "files are restored", bytes });
    }
    sync_directories(to)?;
    for record in format {
        copy(from, to, record)?;
    }
    sync_directories(to)
}

/// Copies one file, checking once more what is read.
fn copy(from: &Path, to: &Path, record: &FileRecord) -> Result<(), BackupError> {
    let (source, target) = (from.join(&record.path), to.join(&record.path));
    let mut copy = file::create_file(&target)?;
    let (_, sha256) = file::digest(&source, |piece| copy.write_all(piece))?;
    if sha256 != record.sha256 {
        let reason = "it has changed since it was verified".to_owned();
        return Err(BackupError::Damaged { path: source, reason });
    }
    copy.sync_all().map_err(BackupError::io("sync", &target))
}
