//! Reads a whole backup and says whether a hub can be restored from it.

use std::path::{Component, Path};

use ringhub_control_plane::{REGISTRY_FILE, RegistryContents, check_registry};

use super::create::{Progress, files_below, relative, require_layout};
use super::manifest::{MANIFEST_FILE, Manifest};
use super::{BackupError, file, log};
use crate::hub::REGISTRY_DIRECTORY;
use crate::startup::Layout;

/// A backup that was read through and found good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What is in it.
    pub manifest: Manifest,
    /// Partitions and executors.
    pub layout: Layout,
    /// Contents of the registry.
    pub registry: RegistryContents,
    /// Events that were ever taken in up to the backup; those that had expired are not in it.
    pub events: u64,
}

/// Checks every file against its checksum, every commit of the logs, the registry database, and
/// that nothing is there that the manifest does not know.
///
/// # Errors
/// [`BackupError`], naming the file.
pub fn verify(backup: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Verified, BackupError> {
    let manifest = Manifest::read(backup)?;
    check_files(backup, &manifest, progress)?;
    let layout = require_layout(backup)?;
    let registry = check_registry(&backup.join(REGISTRY_DIRECTORY).join(REGISTRY_FILE))?;
    let (mut bytes, mut events) = (0, 0);
    for directory in log::log_directories(backup)? {
        events += log::verify(&backup.join(directory), layout, &mut |len| {
            bytes += len;
            progress(Progress { step: "events are read", bytes });
        })?;
    }
    Ok(Verified { manifest, layout, registry, events })
}

fn check_files(
    backup: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let damaged =
        |path: &str, reason: String| Err(BackupError::Damaged { path: backup.join(path), reason });
    for file in &manifest.files {
        let mut parts = Path::new(&file.path).components();
        if !parts.all(|part| matches!(part, Component::Normal(_))) {
            let reason = format!("it names `{}`, which is outside of the backup", file.path);
            return damaged(MANIFEST_FILE, reason);
        }
    }
    for found in files_below(backup)? {
        let found = relative(&found, backup);
        let known = found == MANIFEST_FILE || manifest.files.iter().any(|file| file.path == found);
        if !known {
            return damaged(&found, "it does not belong to the backup".to_owned());
        }
    }
    let mut bytes = 0;
    for file in &manifest.files {
        let (len, sha256) = file::digest(&backup.join(&file.path), |_| Ok(()))?;
        if len != file.bytes {
            return damaged(&file.path, format!("it has {len} bytes instead of {}", file.bytes));
        }
        if sha256 != file.sha256 {
            return damaged(&file.path, "its checksum is another one".to_owned());
        }
        bytes += len;
        progress(Progress { step: "checksums are checked", bytes });
    }
    Ok(())
}
