//! What an error of SQLite says about the disk.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};
use rustix::process::{Resource, getrlimit};

use super::StoreError;

/// What is wrong with the disk, or with the database on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no room. What was to be written is not there, and nothing else is lost.
    DiskFull,
    /// An I/O error. What the file holds is unknown from then on: the kernel may forget what it
    /// could not write, and say of the next sync that it succeeded.
    Disk,
    /// The database contradicts itself.
    Damage,
}

impl Fault {
    /// What `error` means for the database at `path`; `None` for what is no fault of the disk.
    ///
    /// A full disk is one that refused a write. One that refuses what it had taken before, at the
    /// sync, has failed, whatever it gives as the reason.
    ///
    /// Source: SQLite documentation, "Result and Error Codes".
    pub(super) fn of(error: &StoreError, path: &Path) -> Option<Self> {
        let StoreError::Sqlite(error) = error else { return None };
        let error = error.sqlite_error()?;
        match (error.code, error.extended_code) {
            (ErrorCode::DiskFull, _) => Some(Self::DiskFull),
            // The index of the log is made anew by every start; to grow it is all that it needs.
            (_, ffi::SQLITE_IOERR_SHMSIZE) => Some(Self::DiskFull),
            // SQLite knows no limit of file sizes.
            (_, ffi::SQLITE_IOERR_WRITE) if is_at_limit(path) => Some(Self::DiskFull),
            (ErrorCode::SystemIoFailure, _) => Some(Self::Disk),
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => Some(Self::Damage),
            _ => None,
        }
    }
}

/// The write-ahead log of the database at `path`.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Whether a file of the database has grown to the limit of file sizes (`RLIMIT_FSIZE`): a write
/// that crosses it is cut there first.
fn is_at_limit(path: &Path) -> bool {
    let Some(limit) = getrlimit(Resource::Fsize).current else { return false };
    let reaches = |file: &Path| fs::metadata(file).is_ok_and(|file| file.len() >= limit);
    reaches(path) || reaches(&log_of(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_sqlite_are_told_apart_by_their_extended_code() {
        let path = Path::new("there/is/no/such.db");
        let fault = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            Fault::of(&error.into(), path)
        };
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            assert_eq!(fault(code), Some(Fault::DiskFull), "{code}");
        }
        for code in [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_TRUNCATE,
        ] {
            assert_eq!(fault(code), Some(Fault::Disk), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CORRUPT_INDEX, ffi::SQLITE_NOTADB] {
            assert_eq!(fault(code), Some(Fault::Damage), "{code}");
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_ERROR, ffi::SQLITE_CONSTRAINT] {
            assert_eq!(fault(code), None, "{code}");
        }
        assert_eq!(Fault::of(&StoreError::Column("etag"), path), None);
    }
}
