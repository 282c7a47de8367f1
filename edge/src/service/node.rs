//! The nodes that back ends attach to.

/// One of the hub's own nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceNode {
    /// Messages to devices.
    DeviceBound,
    /// Feedback on them.
    Feedback,
}

impl ServiceNode {
    /// The path below the host, for scope checks.
    pub(crate) const fn path(self) -> &'static [&'static str] {
        match self {
            Self::DeviceBound => &["messages", "devicebound"],
            Self::Feedback => &["messages", "servicebound", "feedback"],
        }
    }

    /// What clients call the right to use it.
    pub(crate) const fn right(self) -> &'static str {
        match self {
            Self::DeviceBound => "Send",
            Self::Feedback => "Listen",
        }
    }
}
