//! A hub machine and a client machine in one process, joined by byte queues.

use core::time::Duration;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use ringhub_core::codec::amqp::performative::{
    AmqpError, Condition, DeliveryState, Role, SaslCode, SenderSettleMode,
};
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, LinkAccept, LinkId, SessionError,
};
use ringhub_core::time::Timestamp;

/// An event without its borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Sasl,
    Plain(String, String),
    Opened,
    SessionBegun,
    Requested,
    Attached,
    Detached(Option<String>),
    Credit(u32, bool),
    Drained,
    WindowOpened,
    Settled(Option<&'static str>, bool),
    Closed(Option<String>),
}

/// Both machines, what they said, and how the driver of each answers.
pub(crate) struct Pair {
    pub(crate) hub: AmqpConnection,
    pub(crate) client: AmqpConnection,
    pub(crate) hub_facts: Vec<Fact>,
    pub(crate) client_facts: Vec<Fact>,
    pub(crate) hub_messages: Vec<Vec<u8>>,
    pub(crate) client_messages: Vec<Vec<u8>>,
    pub(crate) hub_error: Option<SessionError>,
    pub(crate) client_error: Option<SessionError>,
    pub(crate) now: Timestamp,
    /// Refuse links as not found.
    pub(crate) refuse: bool,
    pub(crate) max_message_size: u64,
    /// What the client says to unsettled deliveries.
    pub(crate) client_outcome: Option<DeliveryState<'static>>,
    pub(crate) attach_answer: Option<(Role, SenderSettleMode)>,
    /// Leave links without answer.
    pub(crate) later: bool,
    /// Links that were left without answer.
    pub(crate) waiting: Vec<LinkId>,
    /// Links that the hub accepted.
    pub(crate) hub_links: Vec<LinkId>,
    to_hub: BytesMut,
    to_client: BytesMut,
    wire_bytes: usize,
    random: u64,
}

impl Pair {
    pub(crate) fn new(
        seed: u64,
        hub: AmqpConfig,
        client: AmqpConfig,
        sasl: ClientSasl<'_>,
    ) -> Self {
        println!("seed {seed}");
        Self {
            hub: AmqpConnection::hub(Arc::new(hub), Timestamp::ZERO),
            client: AmqpConnection::client(Arc::new(client), sasl, Timestamp::ZERO),
            hub_facts: Vec::new(),
            client_facts: Vec::new(),
            hub_messages: Vec::new(),
            client_messages: Vec::new(),
            hub_error: None,
            client_error: None,
            now: Timestamp::ZERO,
            refuse: false,
            max_message_size: 1 << 20,
            client_outcome: None,
            attach_answer: None,
            later: false,
            waiting: Vec::new(),
            hub_links: Vec::new(),
            to_hub: BytesMut::new(),
            to_client: BytesMut::new(),
            wire_bytes: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    pub(crate) fn hub_link(&self) -> LinkId {
        *self.hub_links.last().expect("a link was accepted")
    }

    /// The hub accepts a link.
    pub(crate) fn accept(&mut self, link: LinkId) {
        let accept = LinkAccept {
            credit: 100,
            max_message_size: self.max_message_size,
            snd_settle_mode: Some(SenderSettleMode::Settled),
        };
        self.hub.accept_link(link, accept);
        self.hub_links.push(link);
    }

    pub(crate) fn wire_bytes_since_mark(&mut self) -> usize {
        core::mem::take(&mut self.wire_bytes)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
        if let Err(error) = self.hub.handle_timeout(self.now) {
            self.hub_error = Some(error);
        }
        if let Err(error) = self.client.handle_timeout(self.now) {
            self.client_error = Some(error);
        }
    }

    /// Carries bytes until both sides are silent.
    pub(crate) fn run(&mut self) {
        loop {
            let mut wrote = self.hub.poll_transmit(&mut self.to_client);
            wrote |= self.client.poll_transmit(&mut self.to_hub);
            if !wrote && !self.deliver_some() {
                return;
            }
            self.deliver_some();
        }
    }

    /// A random length, often tiny, at most `max`.
    fn cut(&mut self, max: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let bound = if self.random & 3 == 0 { 16 } else { 4096 };
        1 + usize::try_from((self.random >> 8) % bound).unwrap().min(max.saturating_sub(1))
    }

    /// Gives each side what the other wrote, in pieces; `false` once nothing is consumed any more.
    fn deliver_some(&mut self) -> bool {
        let before = (self.to_hub.len(), self.to_client.len());
        self.wire_bytes += before.0 + before.1;
        let mut seen = 0;
        while seen < self.to_hub.len() && self.hub_error.is_none() {
            seen = (seen + self.cut(self.to_hub.len() - seen)).min(self.to_hub.len());
            let used = self.feed_hub(seen);
            self.to_hub.advance(used);
            seen -= used;
        }
        let mut seen = 0;
        while seen < self.to_client.len() && self.client_error.is_none() {
            seen = (seen + self.cut(self.to_client.len() - seen)).min(self.to_client.len());
            let used = self.feed_client(seen);
            self.to_client.advance(used);
            seen -= used;
        }
        (self.to_hub.len(), self.to_client.len()) != before
    }

    fn feed_hub(&mut self, len: usize) -> usize {
        let mut used = 0;
        loop {
            let (consumed, event) = match self.hub.handle_bytes(&self.to_hub[used..len], self.now) {
                Ok(step) => step,
                Err(error) => {
                    self.hub_error = Some(error);
                    return used;
                }
            };
            used += consumed;
            let Some(event) = event else {
                if consumed == 0 {
                    return used;
                }
                continue;
            };
            if let Some(fact) = fact_of(&event) {
                self.hub_facts.push(fact);
            }
            match event {
                AmqpEvent::Sasl(step) => {
                    let wrong = step.plain().is_some_and(|(_, password)| password == "wrong");
                    self.hub.sasl_outcome(if wrong { SaslCode::Auth } else { SaslCode::Ok });
                }
                AmqpEvent::LinkRequested { link, .. } if self.refuse => {
                    let error = AmqpError::new(Condition::NotFound, "no such node");
                    self.hub.refuse_link(link, &error);
                }
                AmqpEvent::LinkRequested { link, .. } if self.later => self.waiting.push(link),
                AmqpEvent::LinkRequested { link, .. } => self.accept(link),
                AmqpEvent::Message { delivery, settled, payload, .. } => {
                    self.hub_messages.push(payload.to_vec());
                    if !settled {
                        self.hub.settle(delivery, DeliveryState::Accepted);
                    }
                }
                _ => {}
            }
        }
    }

    fn feed_client(&mut self, len: usize) -> usize {
        let mut used = 0;
        loop {
            let (consumed, event) =
                match self.client.handle_bytes(&self.to_client[used..len], self.now) {
                    Ok(step) => step,
                    Err(error) => {
                        self.client_error = Some(error);
                        return used;
                    }
                };
            used += consumed;
            let Some(event) = event else {
                if consumed == 0 {
                    return used;
                }
                continue;
            };
            if let Some(fact) = fact_of(&event) {
                self.client_facts.push(fact);
            }
            match event {
                AmqpEvent::LinkAttached { attach, .. } => {
                    self.attach_answer = Some((attach.role, attach.snd_settle_mode));
                }
                AmqpEvent::Message { delivery, settled, payload, .. } => {
                    self.client_messages.push(payload.to_vec());
                    if let (false, Some(outcome)) = (settled, self.client_outcome) {
                        self.client.settle(delivery, outcome);
                    }
                }
                _ => {}
            }
        }
    }
}

fn fact_of(event: &AmqpEvent<'_>) -> Option<Fact> {
    let name = |error: &Option<AmqpError<'_>>| error.map(|error| error.condition.to_owned());
    Some(match event {
        AmqpEvent::Sasl(step) => match step.plain() {
            Some((user, password)) => Fact::Plain(user.into(), password.into()),
            None => Fact::Sasl,
        },
        AmqpEvent::Opened { .. } => Fact::Opened,
        AmqpEvent::SessionBegun(_) => Fact::SessionBegun,
        AmqpEvent::LinkRequested { .. } => Fact::Requested,
        AmqpEvent::LinkAttached { .. } => Fact::Attached,
        AmqpEvent::LinkDetached { error, .. } => Fact::Detached(name(error)),
        AmqpEvent::Message { .. } | AmqpEvent::Aborted(_) => return None,
        AmqpEvent::Credit { credit, drain, .. } => Fact::Credit(*credit, *drain),
        AmqpEvent::Drained(_) => Fact::Drained,
        AmqpEvent::WindowOpened => Fact::WindowOpened,
        AmqpEvent::Settled { state, settled, .. } => {
            let state = state.map(|state| match state {
                DeliveryState::Accepted => "accepted",
                DeliveryState::Rejected(_) => "rejected",
                DeliveryState::Released => "released",
                DeliveryState::Modified { .. } => "modified",
                DeliveryState::Other => "other",
            });
            Fact::Settled(state, *settled)
        }
        AmqpEvent::Closed(error) => Fact::Closed(name(error)),
    })
}
