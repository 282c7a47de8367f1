//! All service links of one connection.

use std::collections::HashMap;

use ringhub_control_plane::c2d::NoticeKind;
use ringhub_core::session::amqp::{AmqpConnection, LinkId};

use super::{NoticeLink, SenderLink, ServiceNode};
use crate::reader::Refusal;

/// Links that send messages to devices, and links that receive notices.
#[derive(Debug, Default)]
pub(crate) struct ServiceLinks {
    senders: HashMap<LinkId, SenderLink>,
    notices: HashMap<LinkId, NoticeLink>,
}

impl ServiceLinks {
    pub(crate) fn len(&self) -> usize {
        self.senders.len() + self.notices.len()
    }

    /// Whether a link receives notices of this kind.
    pub(crate) fn receives(&self, kind: NoticeKind) -> bool {
        self.notices.values().any(|link| link.kind() == kind)
    }

    pub(crate) fn add_sender(&mut self, sender: SenderLink) {
        self.senders.insert(sender.link(), sender);
    }

    pub(crate) fn add_notices(&mut self, notices: NoticeLink) {
        self.notices.insert(notices.link(), notices);
    }

    pub(crate) fn sender_mut(&mut self, link: LinkId) -> Option<&mut SenderLink> {
        self.senders.get_mut(&link)
    }

    pub(crate) fn notices_mut(&mut self, link: LinkId) -> Option<&mut NoticeLink> {
        self.notices.get_mut(&link)
    }

    /// All links.
    pub(crate) fn links(&self) -> Vec<LinkId> {
        self.senders.keys().chain(self.notices.keys()).copied().collect()
    }

    /// The node that a link is attached to.
    pub(crate) fn node_of(&self, link: LinkId) -> Option<ServiceNode> {
        if self.senders.contains_key(&link) {
            return Some(ServiceNode::DeviceBound);
        }
        self.notices.get(&link).map(|link| ServiceNode::Notices(link.kind()))
    }

    /// Forgets a link; messages of a sender that are under way stay so, and nobody is told. Returns
    /// a link for notices, which is to be closed.
    pub(crate) fn remove(&mut self, link: LinkId) -> Option<NoticeLink> {
        self.senders.remove(&link);
        self.notices.remove(&link)
    }

    pub(crate) fn handle_credit(&mut self, link: LinkId, drain: bool) {
        if let Some(notices) = self.notices_mut(link) {
            notices.handle_credit(drain);
        }
    }

    pub(crate) fn handle_notices_ready(&mut self) {
        self.notices.values_mut().for_each(NoticeLink::handle_ready);
    }

    /// Answers the message on `link` that `token` stands for.
    pub(crate) fn handle_sent(
        &mut self,
        link: LinkId,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) {
        if let Some(sender) = self.sender_mut(link) {
            sender.answer(token, outcome, connection);
        }
    }

    /// Answers the verdict on `link` that `token` stands for.
    pub(crate) fn handle_notice_done(
        &mut self,
        link: LinkId,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) {
        if let Some(notices) = self.notices_mut(link) {
            notices.answer(token, outcome, connection);
        }
    }

    /// Sends what can go.
    pub(crate) fn pump(&mut self, connection: &mut AmqpConnection) {
        for notices in self.notices.values_mut() {
            notices.pump(connection);
        }
    }
}
