//! One link on which a back end receives notices: messages out, verdicts in.

use std::sync::Arc;

use bytes::BytesMut;
use ringhub_control_plane::ControlPlane;
use ringhub_control_plane::c2d::{C2d, C2dDone, Notice, NoticeKind};
use ringhub_core::c2d::{LockToken, Verdict, verdict_of};
use ringhub_core::codec::amqp::performative::{DeliveryState, DeliveryTag};
use ringhub_core::id::{ConnectionId, HubId};
use ringhub_core::limits::NOTICES_HELD_MAX;
use ringhub_core::session::amqp::{AmqpConnection, DeliveryId, LinkId, Outgoing};

use super::{notice_message, repeated};
use crate::reader::Refusal;

/// A verdict whose durability the back end waits for.
#[derive(Debug)]
struct Settling {
    token: u64,
    delivery: DeliveryId,
    state: DeliveryState<'static>,
}

/// Notices that the back end holds, and what it waits for.
#[derive(Debug)]
pub(crate) struct NoticeLink {
    link: LinkId,
    kind: NoticeKind,
    hub: HubId,
    control: Arc<ControlPlane>,
    connection: ConnectionId,
    /// Whether the back end wants no say: a notice is done when it is sent.
    is_settled: bool,
    held: Vec<(DeliveryId, LockToken)>,
    settling: Vec<Settling>,
    /// Nothing was there; mail tells when there is.
    is_waiting: bool,
    is_draining: bool,
}

impl NoticeLink {
    pub(crate) fn new(
        (link, kind): (LinkId, NoticeKind),
        hub: HubId,
        control: &Arc<ControlPlane>,
        connection: ConnectionId,
        is_settled: bool,
    ) -> Self {
        Self {
            link,
            kind,
            hub,
            control: Arc::clone(control),
            connection,
            is_settled,
            held: Vec::new(),
            settling: Vec::new(),
            is_waiting: false,
            is_draining: false,
        }
    }

    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    pub(crate) fn kind(&self) -> NoticeKind {
        self.kind
    }

    pub(crate) fn hub(&self) -> HubId {
        self.hub
    }

    pub(crate) fn handle_credit(&mut self, drain: bool) {
        self.is_draining = drain;
    }

    pub(crate) fn handle_ready(&mut self) {
        self.is_waiting = false;
    }

    /// Sends the notices that can go.
    pub(crate) fn pump(&mut self, connection: &mut AmqpConnection) {
        let control = Arc::clone(&self.control);
        let Some(c2d) = control.c2d(self.hub) else { return };
        while !self.is_waiting
            && self.held.len() < NOTICES_HELD_MAX
            && connection.can_send(self.link).is_ok()
        {
            match c2d.lock_notice(self.kind, self.connection) {
                Some(notice) => self.send(&notice, &c2d, connection),
                None => self.is_waiting = true,
            }
        }
        if self.is_waiting && std::mem::take(&mut self.is_draining) {
            connection.drain_done(self.link);
        }
    }

    fn send(&mut self, notice: &Notice, c2d: &C2d<'_>, connection: &mut AmqpConnection) {
        let directory = self.control.directory();
        let Some(hub) = directory.hub(self.hub) else { return };
        let mut message = BytesMut::new();
        notice_message::write(&mut message, notice, &hub.host_name);
        let tag = DeliveryTag::new(&notice.token.0.to_ne_bytes());
        let how = Outgoing { settled: self.is_settled, format: 0, tag };
        match connection.send(self.link, &[&message], how) {
            Ok(_) if self.is_settled => {
                // Whoever wants no say hears nothing of a failure either.
                c2d.settle_notice(self.kind, notice.token, Verdict::Complete, Box::new(drop));
            }
            Ok(delivery) => self.held.push((delivery, notice.token)),
            Err(_) => {
                c2d.unlock_notice(self.kind, notice.token);
                self.is_waiting = true;
            }
        }
    }

    /// Takes a verdict; with `answer`, the back end waits to hear that it is durable.
    pub(crate) fn handle_settled(
        &mut self,
        delivery: DeliveryId,
        state: Option<DeliveryState<'_>>,
        answer: Option<u64>,
        done: C2dDone,
    ) {
        let Some(place) = self.held.iter().position(|(held, _)| *held == delivery) else { return };
        let (_, token) = self.held.swap_remove(place);
        let verdict = verdict_of(state.as_ref()).unwrap_or(Verdict::Abandon);
        let state = repeated(state);
        self.settling.extend(answer.map(|token| Settling { token, delivery, state }));
        if let Some(c2d) = self.control.c2d(self.hub) {
            c2d.settle_notice(self.kind, token, verdict, done);
        }
    }

    /// Answers a verdict; nothing happens if `token` is not of this link.
    pub(crate) fn answer(
        &mut self,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) {
        let Some(place) = self.settling.iter().position(|s| s.token == token) else { return };
        let Settling { delivery, state, .. } = self.settling.swap_remove(place);
        let state = match outcome {
            Ok(()) => state,
            Err(refusal) => DeliveryState::Rejected(Some(refusal.error())),
        };
        connection.settle(delivery, state);
    }

    /// Gives back what the back end holds, without counting.
    pub(crate) fn close(self) {
        let Some(c2d) = self.control.c2d(self.hub) else { return };
        self.held.iter().for_each(|(_, token)| c2d.unlock_notice(self.kind, *token));
    }
}
