//! Changes of a hub as requests ask for them.

use ringhub_core::id::ConsumerGroup;
use ringhub_core::time::UnixMillis;

use super::NewPolicy;
use crate::directory::{HubProperties, Policy};
use crate::registry::KeyChoice;

/// One write to a hub.
#[derive(Clone, Debug)]
pub(crate) enum HubChange {
    /// Gives the policy of this name new keys.
    RegenerateKeys(String, KeyChoice),
    PutPolicy(NewPolicy),
    DeletePolicy(String),
    PutConsumerGroup(ConsumerGroup),
    DeleteConsumerGroup(ConsumerGroup),
    /// Lets these properties count, and these policies and no others.
    Update(Box<HubProperties>, Option<Vec<NewPolicy>>),
    /// Nobody finds it any more, and its removal begins.
    Delete,
    /// As that, for a hub that clients have never found.
    TakeBack,
    /// Removes rows of a hub that is being deleted, some with each step.
    RemoveRows,
    /// Removes the last that is left of it.
    Forget,
}

/// A consumer group that is there. Nothing of it ever changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MadeGroup {
    pub(crate) group: ConsumerGroup,
    pub(crate) created: UnixMillis,
}

/// A hub that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct HubRow {
    pub(crate) host_name: String,
    pub(crate) partition_count: u16,
    pub(crate) properties: HubProperties,
    pub(crate) policies: Vec<Policy>,
    pub(crate) consumer_groups: Vec<ConsumerGroup>,
}
