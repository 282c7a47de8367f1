//! All service links of one connection.

use std::collections::HashMap;

use ringhub_core::session::amqp::{AmqpConnection, LinkId};

use super::{FeedbackLink, SenderLink, ServiceNode};
use crate::reader::Refusal;

/// Links that send messages to devices, and links that receive feedback.
#[derive(Debug, Default)]
pub(crate) struct ServiceLinks {
    senders: HashMap<LinkId, SenderLink>,
    feedback: HashMap<LinkId, FeedbackLink>,
}

impl ServiceLinks {
    pub(crate) fn len(&self) -> usize {
        self.senders.len() + self.feedback.len()
    }

    pub(crate) fn has_feedback(&self) -> bool {
        !self.feedback.is_empty()
    }

    pub(crate) fn add_sender(&mut self, sender: SenderLink) {
        self.senders.insert(sender.link(), sender);
    }

    pub(crate) fn add_feedback(&mut self, feedback: FeedbackLink) {
        self.feedback.insert(feedback.link(), feedback);
    }

    pub(crate) fn sender_mut(&mut self, link: LinkId) -> Option<&mut SenderLink> {
        self.senders.get_mut(&link)
    }

    pub(crate) fn feedback_mut(&mut self, link: LinkId) -> Option<&mut FeedbackLink> {
        self.feedback.get_mut(&link)
    }

    /// All links.
    pub(crate) fn links(&self) -> Vec<LinkId> {
        self.senders.keys().chain(self.feedback.keys()).copied().collect()
    }

    /// The node that a link is attached to.
    pub(crate) fn node_of(&self, link: LinkId) -> Option<ServiceNode> {
        if self.senders.contains_key(&link) {
            return Some(ServiceNode::DeviceBound);
        }
        self.feedback.contains_key(&link).then_some(ServiceNode::Feedback)
    }

    /// Forgets a link; messages of a sender that are under way stay so, and nobody is told. Returns
    /// a link for feedback, which is to be closed.
    pub(crate) fn remove(&mut self, link: LinkId) -> Option<FeedbackLink> {
        self.senders.remove(&link);
        self.feedback.remove(&link)
    }

    pub(crate) fn handle_credit(&mut self, link: LinkId, drain: bool) {
        if let Some(feedback) = self.feedback_mut(link) {
            feedback.handle_credit(drain);
        }
    }

    pub(crate) fn handle_feedback_ready(&mut self) {
        self.feedback.values_mut().for_each(FeedbackLink::handle_ready);
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
    pub(crate) fn handle_feedback_done(
        &mut self,
        link: LinkId,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) {
        if let Some(feedback) = self.feedback_mut(link) {
            feedback.answer(token, outcome, connection);
        }
    }

    /// Sends what can go.
    pub(crate) fn pump(&mut self, connection: &mut AmqpConnection) {
        for feedback in self.feedback.values_mut() {
            feedback.pump(connection);
        }
    }
}
