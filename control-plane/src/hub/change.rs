//! Changes of a hub as requests ask for them.

use ringhub_core::id::ConsumerGroup;

use crate::registry::KeyChoice;

/// One write to a hub.
#[derive(Clone, Debug)]
pub(crate) enum HubChange {
    /// Gives the policy of this name new keys.
    RegenerateKeys(String, KeyChoice),
    PutConsumerGroup(ConsumerGroup),
    DeleteConsumerGroup(ConsumerGroup),
}
