//! Why there is no backup, or why one is of no use.

use std::io;
use std::path::{Path, PathBuf};

use ringhub_control_plane::OpenError;
use ringhub_core::log::LogError;

use crate::startup::DataDirectoryError;

/// A backup or restore that failed; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The filesystem refuses something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing to back up.
    #[error("{} holds no hub: name the data directory of one with --data-dir", .0.display())]
    NoHub(PathBuf),
    /// Something is there that would be overwritten.
    #[error("{} is not empty: name a folder that does not exist yet", .0.display())]
    NotEmpty(PathBuf),
    /// The disk is too small.
    #[error(
        "{} has {} MiB free, but about {} MiB are needed: make room, or name a folder on another disk",
        path.display(),
        free_bytes >> 20,
        (needed_bytes >> 20) + 1
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// What is needed.
        needed_bytes: u64,
        /// What is free for this user.
        free_bytes: u64,
    },
    /// There is no manifest.
    #[error("{} is no backup, or one that was cut off: it has no {file}", .dir.display())]
    Incomplete {
        /// The folder.
        dir: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// The manifest is of another version, or damaged.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is not what the manifest says.
    #[error("{} is damaged: {reason}; use another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A segment of a commit log cannot be read.
    #[error("{}: {source}", path.display())]
    Log {
        /// The segment.
        path: PathBuf,
        /// What is wrong with it.
        source: LogError,
    },
    /// Retention gave up every segment while it was copied.
    #[error("{}: all events expired while they were copied; try again", .0.display())]
    Outrun(PathBuf),
    /// The registry database cannot be copied or read.
    #[error(transparent)]
    Registry(#[from] OpenError),
    /// The format file cannot be used.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
}

impl BackupError {
    /// Names action and file of an error of the system.
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
