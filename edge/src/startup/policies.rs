//! The shared access policies with their keys, for tools on this machine.

use std::io;
use std::path::{Path, PathBuf};

use ringhub_control_plane::directory::Policy;
use serde_json::json;

use super::files::{self, Readable};

/// File in the data directory.
const FILE: &str = "policies.json";

/// Writes all policies with their keys into the data directory, readable by the owner alone;
/// returns the file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_policies(data_directory: &Path, policies: &[Policy]) -> io::Result<PathBuf> {
    let policies: Vec<_> = policies
        .iter()
        .map(|policy| {
            json!({
                "name": policy.name,
                "primaryKey": policy.keys.primary_text(),
                "secondaryKey": policy.keys.secondary_text(),
            })
        })
        .collect();
    let path = data_directory.join(FILE);
    files::write(&path, &format!("{:#}\n", json!({ "policies": policies })), Readable::ByOwner)?;
    Ok(path)
}
