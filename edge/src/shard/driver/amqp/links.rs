//! Who handles which link.

use ringhub_core::number_map::NumberMap;
use ringhub_core::session::amqp::{DeviceLink, LinkId};

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkRole {
    /// Requests to `$cbs` or `$management`, or the answers.
    Requests,
    /// Events of a partition, or those to come when its executor has answered: the number of the
    /// reader.
    Reader(u64),
    /// A back end sends messages to devices.
    C2dSender,
    /// A back end receives feedback or file notifications.
    Notices,
    /// A device or module uses it, on the seat of this number.
    Device(u32, DeviceLink),
}

/// The links of one connection by their ids. Bounded by the links that the machine permits.
#[derive(Debug, Default)]
pub(super) struct LinkRoles(NumberMap<LinkId, LinkRole>);

impl LinkRoles {
    pub(super) fn set(&mut self, link: LinkId, role: LinkRole) {
        self.0.insert(link, role);
    }

    pub(super) fn role(&self, link: LinkId) -> Option<LinkRole> {
        self.0.get(&link).copied()
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<LinkRole> {
        self.0.remove(&link)
    }

    /// True without any link, answered or not.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
