//! What a hub tells its back ends, of which there are two kinds with one life.

use ringhub_core::c2d::LockToken;
use ringhub_core::time::UnixMillis;

use super::feedback_json::FEEDBACK_CONTENT_TYPE;
use super::file_notification_json::FILE_NOTIFICATION_CONTENT_TYPE;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// What became of messages to devices.
    Feedback,
    /// Files that devices have uploaded.
    File,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Feedback, Self::File];

    /// Content type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Feedback => FEEDBACK_CONTENT_TYPE,
            Self::File => FILE_NOTIFICATION_CONTENT_TYPE,
        }
    }

    /// The node where back ends receive it.
    #[must_use]
    pub const fn node(self) -> &'static str {
        match self {
            Self::Feedback => "/messages/serviceBound/feedback",
            Self::File => "/messages/serviceBound/filenotifications",
        }
    }
}

/// One message to a back end, handed out under a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// What settles it.
    pub token: LockToken,
    /// How often it was abandoned before.
    pub delivery_count: u32,
    /// When the newest of its records was made.
    pub enqueued: UnixMillis,
    /// The records as JSON.
    pub body: String,
}
