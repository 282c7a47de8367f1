//! The nodes that back ends attach to.

use ringhub_control_plane::c2d::NoticeKind;

/// One of the hub's own nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceNode {
    /// Messages to devices.
    DeviceBound,
    /// Feedback on them, or news of files.
    Notices(NoticeKind),
}

impl ServiceNode {
    /// The path below the host, for scope checks.
    pub(crate) const fn path(self) -> &'static [&'static str] {
        match self {
            Self::DeviceBound => &["messages", "devicebound"],
            Self::Notices(NoticeKind::Feedback) => &["messages", "servicebound", "feedback"],
            Self::Notices(NoticeKind::File) => &["messages", "servicebound", "filenotifications"],
        }
    }

    /// What clients call the right to use it.
    pub(crate) const fn right(self) -> &'static str {
        match self {
            Self::DeviceBound => "Send",
            Self::Notices(_) => "Listen",
        }
    }
}
