//! The shared access policies with their keys, for tools on this machine.

use std::path::PathBuf;

use ringhub_control_plane::directory::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::banner::ConnectionStrings;
use super::files::{self, NotWritten, Readable};
use super::prepare::Prepared;

/// Policy whose connection strings are shown: it may do everything.
const OWNER_POLICY: &str = "iothubowner";

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
    /// A policy as the resource provider lists it.
    pub(crate) fn of_provider(rule: &Value) -> Option<Self> {
        let text = |name: &str| rule[name].as_str().map(ToOwned::to_owned);
        Some(Self {
            name: text("keyName")?,
            rights: text("rights")?,
            primary_key: text("primaryKey")?,
            secondary_key: text("secondaryKey")?,
        })
    }

    fn of(policy: &Policy) -> Self {
        Self {
            name: policy.name.clone(),
            rights: policy.permissions.to_string(),
            primary_key: policy.keys.primary_text(),
            secondary_key: policy.keys.secondary_text(),
        }
    }
}

/// The files of a data directory that hold the keys of its hub, for tools and people on this
/// machine. Written at the start and whenever keys change, where they hold something else.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    data_directory: PathBuf,
    host_name: String,
    event_hub: String,
}

impl KeyFiles {
    /// The files of the hub that was prepared; `event_hub` is the name of its entity.
    #[must_use]
    pub fn of(prepared: &Prepared, event_hub: &str) -> Self {
        Self {
            data_directory: prepared.data_directory.path().to_owned(),
            host_name: prepared.config.hub.host_name.clone(),
            event_hub: event_hub.to_owned(),
        }
    }

    /// Connection strings of the owner.
    #[must_use]
    pub fn connection_strings(&self, policies: &[Policy]) -> ConnectionStrings {
        let owner = policies.iter().find(|policy| policy.name == OWNER_POLICY);
        let key = owner.map(|policy| policy.keys.primary_text()).unwrap_or_default();
        ConnectionStrings::new(&self.host_name, OWNER_POLICY, &key, &self.event_hub)
    }

    /// Writes all of them, readable by the owner alone.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, policies: &[Policy]) -> Result<(), NotWritten> {
        self.connection_strings(policies).write(&self.data_directory)?;
        let records: Vec<_> = policies.iter().map(PolicyRecord::of).collect();
        let text = format!("{:#}\n", json!({ "policies": records }));
        files::write(&self.data_directory.join(POLICIES_FILE), &text, Readable::ByOwner)
    }
}
