//! The shared access policies with their keys, for tools on this machine.

use std::io;
use std::path::{Path, PathBuf};

use ringhub_control_plane::directory::Policy;
use ringhub_core::auth::Permissions;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files::{self, Readable};

/// File in the data directory.
pub const POLICIES_FILE: &str = "policies.json";

/// One policy as it stands in the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRecord {
    /// Its name.
    pub name: String,
    /// What its holders may do, joined by commas, such as `RegistryRead, ServiceConnect`.
    #[serde(default)]
    pub rights: String,
    /// First key in base64.
    pub primary_key: String,
    /// Second key in base64; either one counts.
    pub secondary_key: String,
}

impl PolicyRecord {
    fn of(policy: &Policy) -> Self {
        Self {
            name: policy.name.clone(),
            rights: rights(policy.permissions),
            primary_key: policy.keys.primary_text(),
            secondary_key: policy.keys.secondary_text(),
        }
    }
}

/// Source: service-endpoints reference, "Shared access policies".
fn rights(permissions: Permissions) -> String {
    let names = [
        (Permissions::REGISTRY_READ, "RegistryRead"),
        (Permissions::REGISTRY_WRITE, "RegistryWrite"),
        (Permissions::SERVICE_CONNECT, "ServiceConnect"),
        (Permissions::DEVICE_CONNECT, "DeviceConnect"),
    ];
    let allowed = names.iter().filter(|(right, _)| permissions.allow(*right));
    allowed.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

/// Writes all policies with their keys into the data directory, readable by the owner alone;
/// returns the file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_policies(data_directory: &Path, policies: &[Policy]) -> io::Result<PathBuf> {
    let policies: Vec<_> = policies.iter().map(PolicyRecord::of).collect();
    let path = data_directory.join(POLICIES_FILE);
    files::write(&path, &format!("{:#}\n", json!({ "policies": policies })), Readable::ByOwner)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_have_the_names_of_the_service() {
        assert_eq!(rights(Permissions::NONE), "");
        let owner = Permissions::REGISTRY_WRITE
            | Permissions::SERVICE_CONNECT
            | Permissions::DEVICE_CONNECT;
        assert_eq!(rights(owner), "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect");
    }
}
