//! What became of a message to a device.

use super::Outcome;
use super::batch::BatchRecord;
use crate::id::Identity;
use crate::time::UnixMillis;

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackRecord {
    /// Number of the record in the store.
    pub id: u64,
    /// Whom the message was for.
    pub identity: Identity,
    /// Which of the identities that ever had this name.
    pub generation: u64,
    /// Id that the sender gave the message; empty if it gave none.
    pub message_id: Box<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub time: UnixMillis,
}

impl BatchRecord for FeedbackRecord {
    fn id(&self) -> u64 {
        self.id
    }

    fn time(&self) -> UnixMillis {
        self.time
    }

    fn goes_with(&self, deleted: &Identity) -> bool {
        let of_device = self.identity.device == deleted.device;
        of_device && (deleted.module.is_none() || self.identity.module == deleted.module)
    }
}
