//! What is in a backup.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BackupError;
use super::file::write_file;

/// File in the backup; a backup without it was cut off.
pub const MANIFEST_FILE: &str = "backup.json";

/// Version of the manifest and of what it describes.
const FORMAT_VERSION: u32 = 1;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest and of what it describes.
    pub format: u32,
    /// Version of ringhub that made the backup.
    pub ringhub: String,
    /// When it was begun (RFC 3339): everything that was acknowledged before is in it.
    pub begun: String,
    /// When it was complete (RFC 3339).
    pub completed: String,
    /// Every file but the manifest.
    pub files: Vec<FileRecord>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Where it is, relative to the backup.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(begun: String, completed: String, files: Vec<FileRecord>) -> Self {
        let ringhub = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT_VERSION, ringhub, begun, completed, files }
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(MANIFEST_FILE);
        let text = serde_json::to_string_pretty(self).map_err(|error| BackupError::Manifest {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        write_file(&path, format!("{text}\n").as_bytes())
    }

    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// [`BackupError`]: there is none, it is damaged or of a version that is unknown.
    pub(super) fn read(backup: &Path) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let path = backup.join(MANIFEST_FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(BackupError::Incomplete {
                    dir: backup.to_owned(),
                    file: MANIFEST_FILE,
                });
            }
            other => other.map_err(BackupError::io("read", &path))?,
        };
        let damaged = |error: serde_json::Error| BackupError::Manifest {
            path: path.clone(),
            reason: format!("the manifest is damaged ({error}); use another backup"),
        };
        let Version { format } = serde_json::from_str(&text).map_err(damaged)?;
        if format != FORMAT_VERSION {
            let reason = format!(
                "format version {format} is unknown, this program reads {FORMAT_VERSION}: use the version that wrote it"
            );
            return Err(BackupError::Manifest { path, reason });
        }
        serde_json::from_str(&text).map_err(damaged)
    }
}
