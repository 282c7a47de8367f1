//! What the store is asked to write, and what memory learns after the commit.

use std::time::Instant;

use ringhub_core::c2d::{
    DeviceMessage, FeedbackRecord, FileNotification, LockToken, Outcome, QueuedMessage,
};
use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::NoticeKind;

/// A message whose place in its queue is kept.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) message: DeviceMessage,
    pub(crate) enqueued: UnixMillis,
    /// The same on the clock that is measured with.
    pub(crate) accepted: Instant,
}

/// The end of one message.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) identity: Identity,
    pub(crate) sequence_number: u64,
    pub(crate) outcome: Outcome,
    /// Id of the message, if its sender wants to hear of this outcome.
    pub(crate) feedback: Option<Box<str>>,
    pub(crate) time: UnixMillis,
}

/// One write to the queues of a hub.
#[derive(Clone, Debug)]
pub(crate) enum C2dChange {
    Enqueue(HubId, Box<NewMessage>),
    End(HubId, Vec<Ended>),
    Abandon {
        hub: HubId,
        identity: Identity,
        number: u64,
        token: LockToken,
        count: u32,
    },
    /// Ends what waits for a device and is in nobody's hands.
    Purge(HubId, DeviceId),
    ForgetNotices(HubId, NoticeKind, Vec<u64>),
}

impl C2dChange {
    /// Whose queues they are.
    pub(crate) const fn hub(&self) -> HubId {
        match self {
            Self::Enqueue(hub, _)
            | Self::End(hub, _)
            | Self::Abandon { hub, .. }
            | Self::Purge(hub, _)
            | Self::ForgetNotices(hub, ..) => *hub,
        }
    }

    /// How many rows it touches, about.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::End(_, ended) => ended.len(),
            Self::ForgetNotices(_, _, ids) => ids.len(),
            Self::Enqueue(..) | Self::Abandon { .. } | Self::Purge(..) => 1,
        }
    }
}

/// What the queues must learn once a change is committed.
#[derive(Clone, Debug)]
pub(crate) enum C2dEffect {
    Enqueued {
        hub: HubId,
        identity: Identity,
        message: QueuedMessage,
        accepted: Instant,
    },
    Ended {
        hub: HubId,
        identity: Identity,
        number: u64,
        feedback: Option<FeedbackRecord>,
    },
    Abandoned {
        hub: HubId,
        identity: Identity,
        number: u64,
        token: LockToken,
        count: u32,
    },
    /// A file was uploaded.
    FileReported(HubId, FileNotification),
    NoticesForgotten(HubId, NoticeKind, Vec<u64>),
}
