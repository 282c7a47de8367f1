//! Changes of a hub as requests ask for them.

use ringhub_core::id::ConsumerGroup;

/// Which keys of a policy are to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyKeys {
    Primary,
    Secondary,
    Both,
}

/// One write to a hub.
#[derive(Clone, Debug)]
pub(crate) enum HubChange {
    /// Gives the policy of this name new keys.
    RegenerateKeys(String, PolicyKeys),
    PutConsumerGroup(ConsumerGroup),
    DeleteConsumerGroup(ConsumerGroup),
}
