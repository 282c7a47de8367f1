//! Flow control: windows and credit, in both directions.

use super::connection::AmqpConnection;
use super::link::{LinkCredit, LinkId, LinkState};
use super::signal::AmqpEvent;
use crate::codec::amqp::performative::{Flow, LinkFlow, Role};

impl AmqpConnection {
    pub(super) fn on_flow<'i>(&mut self, channel: u16, flow: &Flow) -> Option<AmqpEvent<'i>> {
        let opened = self.session_mut(channel)?.on_peer_window(flow);
        self.window_opened |= opened;
        self.flush_unsent(channel);
        let Some(link_flow) = flow.link else {
            if flow.echo {
                self.send_session_flow(channel);
            }
            return None;
        };
        let bound = self.session_mut(channel)?.remote_handles.get(&link_flow.handle).copied();
        let Some(id) = bound else {
            self.end_for_unattached_handle(channel);
            return None;
        };
        let link = self.links.link(id)?;
        let event = match (link.state, link.role) {
            (LinkState::Attached | LinkState::AwaitingAnswer, Role::Sender) => {
                self.on_credit(id, &link_flow)
            }
            (LinkState::Attached, Role::Receiver) => self.on_sender_state(id, &link_flow),
            _ => return None,
        };
        if flow.echo && self.links.link(id)?.state == LinkState::Attached {
            self.send_link_flow(id);
        }
        event
    }

    fn on_credit<'i>(&mut self, id: LinkId, flow: &LinkFlow) -> Option<AmqpEvent<'i>> {
        let link = self.links.link_mut(id)?;
        if let Some(granted) = flow.link_credit {
            let in_flight = link.delivery_count.wrapping_sub(flow.delivery_count.unwrap_or(0));
            link.credit = granted.saturating_sub(in_flight);
        }
        link.drain = flow.drain;
        // The driver has not heard of credit on a link that it has not answered for.
        (link.state == LinkState::Attached).then_some(AmqpEvent::Credit {
            link: id,
            credit: link.credit,
            drain: link.drain,
        })
    }

    fn on_sender_state<'i>(&mut self, id: LinkId, flow: &LinkFlow) -> Option<AmqpEvent<'i>> {
        let link = self.links.link_mut(id)?;
        let skipped = flow.delivery_count?.wrapping_sub(link.delivery_count);
        if skipped > link.credit {
            return None;
        }
        link.delivery_count = link.delivery_count.wrapping_add(skipped);
        link.credit -= skipped;
        let drained = link.drain && link.credit == 0;
        link.drain &= !drained;
        drained.then_some(AmqpEvent::Drained(id))
    }

    /// The deliveries that may follow on a link, whichever end sends; `None` once it is gone.
    #[must_use]
    pub fn credit_of(&self, id: LinkId) -> Option<LinkCredit> {
        let link = self.links.link(id)?;
        Some(LinkCredit { left: link.credit, drain: link.drain })
    }

    /// Lets the peer make `more` deliveries in addition; one flow frame. When to do so is the
    /// driver's decision, see [`credit_of`](Self::credit_of).
    pub fn grant_credit(&mut self, id: LinkId, more: u32) {
        let Some(link) = self.attached_mut(id, Role::Receiver) else { return };
        link.credit = link.credit.saturating_add(more);
        self.send_link_flow(id);
    }

    /// Asks the peer to use up what credit it has, by deliveries or without; `Drained` follows.
    pub fn drain(&mut self, id: LinkId) {
        let Some(link) = self.attached_mut(id, Role::Receiver) else { return };
        link.drain = true;
        self.send_link_flow(id);
    }

    /// Gives up the credit that is left, after the peer asked to drain and there is nothing more to
    /// send.
    pub fn drain_done(&mut self, id: LinkId) {
        let Some(link) = self.attached_mut(id, Role::Sender) else { return };
        link.delivery_count = link.delivery_count.wrapping_add(link.credit);
        link.credit = 0;
        self.send_link_flow(id);
        if let Some(link) = self.links.link_mut(id) {
            link.drain = false;
        }
    }

    fn attached_mut(&mut self, id: LinkId, role: Role) -> Option<&mut super::link::Link> {
        let link = self.links.link_mut(id)?;
        (link.state == LinkState::Attached && link.role == role).then_some(link)
    }

    fn send_link_flow(&mut self, id: LinkId) {
        let Some(link) = self.links.link(id) else { return };
        let channel = link.session;
        let state = LinkFlow {
            handle: link.handle,
            delivery_count: Some(link.delivery_count),
            link_credit: Some(link.credit),
            available: 0,
            drain: link.drain,
        };
        self.send_flow(channel, Some(state));
    }

    pub(super) fn send_session_flow(&mut self, channel: u16) {
        self.send_flow(channel, None);
    }

    fn send_flow(&mut self, channel: u16, link: Option<LinkFlow>) {
        let window = self.config.session_window;
        let Some(session) = self.session_mut(channel) else { return };
        let flow = session.flow(window, link);
        self.write(channel, |out| flow.encode(out));
    }
}
