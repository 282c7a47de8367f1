//! What configurations have done with one identity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ConfigurationId;
use super::overlay::Setting;
use super::path::DesiredPath;

/// How far a configuration has come with an identity.
///
/// Source: control-plane reference, "Behaviour" of configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// Its condition takes the identity, but others cover all that it sets, or it cannot be set.
    Targeted,
    /// Its settings are among the desired properties.
    Applied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    status: Status,
}

/// The member `configurations` of a twin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Statuses(BTreeMap<String, Entry>);

/// What deployments want of a module of an edge device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(super) statuses: Statuses,
    pub(super) settings: Vec<Setting>,
}

/// What is kept for an identity that a configuration takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TargetState {
    pub(crate) statuses: Statuses,
    /// Places of the desired properties that configurations have set.
    pub(crate) written: Vec<DesiredPath>,
    /// Of a module that deployments are for.
    pub(crate) layer: Option<Layer>,
}

impl Statuses {
    pub(super) fn set(&mut self, id: &ConfigurationId, status: Status) {
        self.0.insert(id.as_str().to_owned(), Entry { status });
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// As JSON.
    pub(crate) fn encode(&self) -> String {
        // Names are text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl TargetState {
    /// Whether there is nothing to be kept.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
