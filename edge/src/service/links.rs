//! All service links of one connection.

use ringhub_core::session::amqp::{AmqpConnection, LinkId};

use super::{FeedbackLink, SenderLink, ServiceNode};
use crate::reader::Refusal;

/// Links that send messages to devices, and links that receive feedback.
#[derive(Debug, Default)]
pub(crate) struct ServiceLinks {
    senders: Vec<SenderLink>,
    feedback: Vec<FeedbackLink>,
}

impl ServiceLinks {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.senders.len() + self.feedback.len()
    }

    pub(crate) fn has_feedback(&self) -> bool {
        !self.feedback.is_empty()
    }

    pub(crate) fn add_sender(&mut self, sender: SenderLink) {
        self.senders.push(sender);
    }

    pub(crate) fn add_feedback(&mut self, feedback: FeedbackLink) {
        self.feedback.push(feedback);
    }

    pub(crate) fn is_sender(&self, link: LinkId) -> bool {
        self.senders.iter().any(|sender| sender.link() == link)
    }

    pub(crate) fn sender_mut(&mut self, link: LinkId) -> Option<&mut SenderLink> {
        self.senders.iter_mut().find(|sender| sender.link() == link)
    }

    pub(crate) fn feedback_mut(&mut self, link: LinkId) -> Option<&mut FeedbackLink> {
        self.feedback.iter_mut().find(|feedback| feedback.link() == link)
    }

    /// All links.
    pub(crate) fn links(&self) -> Vec<LinkId> {
        let senders = self.senders.iter().map(SenderLink::link);
        senders.chain(self.feedback.iter().map(FeedbackLink::link)).collect()
    }

    /// The node that a link is attached to.
    pub(crate) fn node_of(&self, link: LinkId) -> Option<ServiceNode> {
        if self.is_sender(link) {
            return Some(ServiceNode::DeviceBound);
        }
        let is_feedback = self.feedback.iter().any(|feedback| feedback.link() == link);
        is_feedback.then_some(ServiceNode::Feedback)
    }

    /// Forgets a link; messages of a sender that are under way stay so, and nobody is told. Returns
    /// a link for feedback, which is to be closed.
    pub(crate) fn remove(&mut self, link: LinkId) -> Option<FeedbackLink> {
        self.senders.retain(|sender| sender.link() != link);
        let place = self.feedback.iter().position(|feedback| feedback.link() == link)?;
        Some(self.feedback.swap_remove(place))
    }

    pub(crate) fn handle_credit(&mut self, link: LinkId, drain: bool) {
        if let Some(feedback) = self.feedback_mut(link) {
            feedback.handle_credit(drain);
        }
    }

    pub(crate) fn handle_feedback_ready(&mut self) {
        self.feedback.iter_mut().for_each(FeedbackLink::handle_ready);
    }

    /// Answers the message that `token` stands for; false if it stands for none.
    pub(crate) fn handle_sent(
        &mut self,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) -> bool {
        self.senders.iter_mut().any(|sender| sender.answer(token, outcome, connection))
    }

    /// Answers the verdict that `token` stands for.
    pub(crate) fn handle_feedback_done(
        &mut self,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) {
        for feedback in &mut self.feedback {
            feedback.answer(token, outcome, connection);
        }
    }

    /// Sends what can go.
    pub(crate) fn pump(&mut self, connection: &mut AmqpConnection) {
        for feedback in &mut self.feedback {
            feedback.pump(connection);
        }
    }
}
