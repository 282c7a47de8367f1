//! What the resource provider keeps of a hub besides what the hub lives by.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::description::etag_text;
use super::name::HubName;
use super::sku::Sku;
use crate::directory::Hub;
use crate::registry::RegistryError;

/// Subscription in which the hub of the configuration file is found.
pub(super) const CONFIGURED_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// Resource group in which the hub of the configuration file is found.
pub(super) const CONFIGURED_GROUP: &str = "ringhub";

/// Name of the hub of the configuration file if its host name does not begin with one.
const CONFIGURED_NAME: &str = "ringhub";

/// Location of hubs that are nowhere in particular.
const CONFIGURED_LOCATION: &str = "local";

/// Where a hub is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) name: String,
}

impl fmt::Display for ResourcePath {
    /// The id of the resource, which is also the path at which it is found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, group, name } = self;
        write!(
            f,
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Devices/IotHubs/{name}"
        )
    }
}

/// What is kept of a hub, in the database as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) subscription: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) location: String,
    pub(super) sku: Sku,
    pub(super) tags: BTreeMap<String, String>,
    /// Version; rises with every change.
    pub(super) etag: u64,
    /// Properties that are given back as they came: those that nothing else in the hub keeps.
    pub(super) properties: Map<String, Value>,
    #[serde(default)]
    pub(super) identity: Value,
}

impl Resource {
    /// The resource of the hub of the configuration file that nobody has changed through the
    /// provider yet.
    fn of_configuration(hub: &Hub) -> Self {
        let first = hub.host_name.split('.').next().unwrap_or_default();
        let name = HubName::parse(first).map_or(CONFIGURED_NAME, |_| first);
        Self {
            subscription: CONFIGURED_SUBSCRIPTION.to_owned(),
            group: CONFIGURED_GROUP.to_owned(),
            name: name.to_owned(),
            location: CONFIGURED_LOCATION.to_owned(),
            sku: Sku::default(),
            tags: BTreeMap::new(),
            etag: 1,
            properties: Map::new(),
            identity: Value::Null,
        }
    }

    /// The resource of a hub; `None` for one that no provider knows, which nobody can have made.
    pub(super) fn of(hub: &Hub) -> Option<Self> {
        let text = &hub.properties().resource;
        match serde_json::from_str(text) {
            Ok(resource) => Some(resource),
            Err(_) if hub.is_configured => Some(Self::of_configuration(hub)),
            Err(error) => {
                tracing::warn!(hub = hub.host_name, %error, "a hub has no resource");
                None
            }
        }
    }

    /// The text that is kept of it.
    pub(super) fn text(&self) -> Result<String, RegistryError> {
        serde_json::to_string(self).map_err(|_| RegistryError::Storage)
    }

    /// Its version, without quotes.
    pub(super) fn etag_text(&self) -> String {
        etag_text(self.etag)
    }

    /// Where it is found.
    pub(super) fn path(&self) -> ResourcePath {
        let Self { subscription, group, name, .. } = self;
        let [subscription, group, name] = [subscription, group, name].map(Clone::clone);
        ResourcePath { subscription, group, name }
    }

    /// Whether a path leads here; names compare without case.
    pub(super) fn is_at(&self, path: &ResourcePath) -> bool {
        self.is_in(&path.subscription, Some(&path.group))
            && self.name.eq_ignore_ascii_case(&path.name)
    }

    /// Whether it is in a subscription, and in a group if one is named.
    pub(super) fn is_in(&self, subscription: &str, group: Option<&str>) -> bool {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        self.subscription.eq_ignore_ascii_case(subscription)
            && group.is_none_or(|group| same(&self.group, group))
    }
}
