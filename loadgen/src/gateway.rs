//! The devices of one AMQP connection: their tokens and links, then their telemetry, without IO.
//!
//! ```text
//!  open ─▶ $cbs ─▶ a token of each device ─▶ a link of each ─▶ connected: segments, one device after the other
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ringhub_core::codec::amqp::performative::{AmqpError, DeliveryState, Source};
use ringhub_core::codec::amqp::section::{MessageId, write_data};
use ringhub_core::number_map::NumberMap;
use ringhub_core::session::amqp::cbs::PutToken;
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, CbsAnswer, ClientSasl, DeliveryId, LinkId, Outgoing,
    SendBlocked, SessionId,
};
use ringhub_core::time::Timestamp;

use crate::device::{Message, Who};
use crate::failure::Failure;
use crate::fleet::{Login, percent_encode};
use crate::numbering;

/// Address of the node that takes tokens.
const CBS: &str = "$cbs";
const TOKEN_TYPE: &str = "servicebus.windows.net:sastoken";

/// A connection and its devices.
pub(crate) struct Gateway {
    machine: AmqpConnection,
    config: Arc<AmqpConfig>,
    session: Option<SessionId>,
    /// Where tokens are put, and where the answers come.
    cbs: Option<(LinkId, LinkId)>,
    /// Devices whose token was put.
    tokens_put: u32,
    /// Devices that have no credit yet.
    unready: usize,
    members: Vec<Member>,
    numbers: NumberMap<LinkId, u32>,
    /// Devices with room for a segment, in turn.
    ready: VecDeque<u32>,
    /// What the machine does not take yet: for want of credit or room in the session window.
    unsent: VecDeque<Unsent>,
    /// Scratch for a message.
    sections: BytesMut,
    in_flight: usize,
    /// Messages of a device that may await their outcome, and those of a segment.
    window: usize,
    per_segment: usize,
}

/// One device.
#[derive(Debug, Default)]
struct Member {
    /// Where it sends; empty once it was asked for.
    address: Box<str>,
    link: Option<LinkId>,
    has_credit: bool,
    is_ready: bool,
    /// Messages so far.
    sent: u64,
    /// Deliveries without an outcome, oldest first, with the tags of their messages.
    awaiting: VecDeque<(DeliveryId, u64)>,
    unsent: usize,
}

#[derive(Debug)]
struct Unsent {
    number: u32,
    tag: u64,
    sections: Bytes,
}

impl Gateway {
    /// Begins a connection for so many devices, each of which has a window of messages and sends so
    /// many at once.
    pub(crate) fn new(
        config: &Arc<AmqpConfig>,
        devices: u32,
        (window, per_segment): (usize, usize),
        now: Timestamp,
    ) -> Self {
        let members: Vec<Member> = (0..devices).map(|_| Member::default()).collect();
        Self {
            machine: AmqpConnection::client(Arc::clone(config), ClientSasl::Skip, now),
            config: Arc::clone(config),
            session: None,
            cbs: None,
            tokens_put: 0,
            unready: members.len(),
            members,
            numbers: NumberMap::default(),
            sections: BytesMut::new(),
            ready: VecDeque::new(),
            unsent: VecDeque::new(),
            in_flight: 0,
            window,
            per_segment,
        }
    }

    /// Whether all devices may send.
    pub(crate) const fn is_connected(&self) -> bool {
        self.unready == 0
    }

    /// Messages without an outcome.
    pub(crate) const fn inflight(&self) -> usize {
        self.in_flight
    }

    /// Messages that the device whose turn it is may send now; none while others wait for credit
    /// or for the session window.
    pub(crate) fn room(&self) -> usize {
        let next = self.ready.front().filter(|_| self.unsent.is_empty());
        next.map_or(0, |number| self.window - self.members[*number as usize].under_way())
    }

    /// Handles what has come and appends the tags of accepted messages to `acknowledged`; returns
    /// how many bytes were used, the rest is the beginning of a frame.
    pub(crate) fn handle_bytes(
        &mut self,
        bytes: &[u8],
        who: &Who<'_>,
        acknowledged: &mut Vec<u64>,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let mut used = 0;
        loop {
            let step = self.machine.handle_bytes(&bytes[used..], now);
            let (length, event) = step.map_err(Failure::of_protocol)?;
            used += length;
            match event {
                Some(event) => self.handle(&event, acknowledged)?,
                None if length == 0 => break,
                None => {}
            }
        }
        self.put_tokens(who);
        self.send_unsent()?;
        Ok(used)
    }

    fn handle(
        &mut self,
        event: &AmqpEvent<'_>,
        acknowledged: &mut Vec<u64>,
    ) -> Result<(), Failure> {
        match event {
            AmqpEvent::Opened { .. } => self.session = self.machine.begin_session(),
            AmqpEvent::SessionBegun(session) => {
                let requests = self.machine.attach_sender(*session, CBS, CBS);
                let answers = self.machine.attach_receiver(*session, CBS, Source::new(CBS));
                self.cbs = requests.zip(answers);
            }
            AmqpEvent::LinkAttached { link, .. } => {
                if let Some((_, answers)) = self.cbs.filter(|(_, answers)| answers == link) {
                    let count = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
                    self.machine.grant_credit(answers, count);
                }
            }
            AmqpEvent::Credit { link, credit: 1.., .. } => self.on_credit(*link),
            AmqpEvent::Message { delivery, settled, payload, .. } => {
                if !settled {
                    self.machine.settle(*delivery, DeliveryState::Accepted);
                }
                self.on_answer(payload)?;
            }
            AmqpEvent::Settled { delivery, state, .. } => {
                acknowledged.push(self.on_settled(*delivery, *state)?);
            }
            AmqpEvent::LinkDetached { error, .. } => {
                return Err(Failure::Detached(text_of(error.as_ref())));
            }
            AmqpEvent::Closed(error) => return Err(Failure::Ended(text_of(error.as_ref()))),
            _ => {}
        }
        Ok(())
    }

    /// Puts as many tokens as there is credit for.
    fn put_tokens(&mut self, who: &Who<'_>) {
        let Some((requests, _)) = self.cbs else { return };
        while (self.tokens_put as usize) < self.members.len()
            && self.machine.can_send(requests).is_ok()
        {
            let Login { client_id, token, .. } = (who.login)(self.tokens_put);
            let host = self.config.hostname.as_deref().unwrap_or_default();
            let put_token = PutToken {
                token_type: TOKEN_TYPE,
                audience: &percent_encode(&format!("{host}/devices/{client_id}")),
                expiration: None,
                token: token.as_deref().unwrap_or_default(),
            };
            let mut request = BytesMut::new();
            put_token.encode(MessageId::Ulong(self.tokens_put.into()), &mut request);
            // There is credit and room, as was just checked.
            let _ = self.machine.send(requests, &[&request], Outgoing::SETTLED);
            let address = format!("/devices/{}/messages/events", percent_encode(&client_id));
            self.members[self.tokens_put as usize].address = address.into();
            self.tokens_put += 1;
        }
    }

    /// A token was judged: a good one opens the link of its device.
    fn on_answer(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let broken = || Failure::Protocol("an answer of $cbs cannot be read".to_owned());
        let answer = CbsAnswer::decode(payload).ok_or_else(broken)?;
        let MessageId::Ulong(number) = answer.correlation_id else { return Err(broken()) };
        let member = usize::try_from(number).ok().and_then(|place| self.members.get_mut(place));
        let member = member.ok_or_else(broken)?;
        if answer.status != 200 {
            return Err(Failure::Token(format!("{} {}", answer.status, answer.description)));
        }
        let address = std::mem::take(&mut member.address);
        let link = self
            .session
            .and_then(|session| self.machine.attach_sender(session, &address, &address));
        member.link = link;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.numbers.extend(link.map(|link| (link, number)));
        Ok(())
    }

    fn on_credit(&mut self, link: LinkId) {
        let Some(number) = self.numbers.get(&link).copied() else { return };
        let member = &mut self.members[number as usize];
        if !std::mem::replace(&mut member.has_credit, true) {
            self.unready -= 1;
            self.queue(number);
        }
    }

    /// The tag of a message that was accepted.
    fn on_settled(
        &mut self,
        delivery: DeliveryId,
        state: Option<DeliveryState<'_>>,
    ) -> Result<u64, Failure> {
        match state {
            Some(DeliveryState::Accepted) => {}
            Some(DeliveryState::Rejected(error)) => {
                return Err(Failure::Rejected(text_of(error.as_ref())));
            }
            other => return Err(Failure::Rejected(format!("{other:?}"))),
        }
        let number = self.numbers.get(&delivery.link).copied().ok_or(Failure::Disordered)?;
        let awaiting = &mut self.members[number as usize].awaiting;
        let first = awaiting.pop_front_if(|(oldest, _)| *oldest == delivery);
        let (_, tag) = first.ok_or(Failure::Disordered)?;
        self.in_flight -= 1;
        self.queue(number);
        Ok(tag)
    }

    /// Lets a device have its turn, if it has room for a segment and does not wait already.
    fn queue(&mut self, number: u32) {
        let member = &mut self.members[number as usize];
        if !member.is_ready && member.under_way() + self.per_segment <= self.window {
            member.is_ready = true;
            self.ready.push_back(number);
        }
    }

    /// Publishes `count` messages of the device whose turn it is; there must be
    /// [`room`](Self::room). `tag` comes back with each outcome.
    pub(crate) fn publish(
        &mut self,
        message: Message<'_>,
        (count, tag): (u32, u64),
        payload: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let Some(number) = self.ready.pop_front() else { return Ok(()) };
        for _ in 0..count {
            let member = &mut self.members[number as usize];
            member.is_ready = false;
            let body = match message.first_number {
                Some(_) => numbering::write(payload, message.payload, member.sent),
                None => message.payload,
            };
            self.sections.clear();
            write_data(&mut self.sections, body);
            member.sent += 1;
            self.in_flight += 1;
            // Behind others it must wait for its turn.
            let is_next = self.unsent.is_empty();
            if !is_next || !send(&mut self.machine, member, tag, &self.sections)? {
                member.unsent += 1;
                let sections = Bytes::copy_from_slice(&self.sections);
                self.unsent.push_back(Unsent { number, tag, sections });
            }
        }
        self.queue(number);
        Ok(())
    }

    fn send_unsent(&mut self) -> Result<(), Failure> {
        while let Some(Unsent { number, tag, sections }) = self.unsent.front() {
            let member = &mut self.members[*number as usize];
            if !send(&mut self.machine, member, *tag, sections)? {
                return Ok(());
            }
            member.unsent -= 1;
            self.unsent.pop_front();
        }
        Ok(())
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        self.machine.close(None);
    }

    /// Appends what is to be sent; whether there was anything.
    pub(crate) fn poll_transmit(&mut self, out: &mut BytesMut) -> Result<bool, Failure> {
        let mut has_some = false;
        while self.machine.poll_transmit(out) {
            has_some = true;
            self.send_unsent()?;
        }
        Ok(has_some)
    }

    /// The clock spoke; the error is that the server has been silent for too long.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Result<(), Failure> {
        if self.machine.poll_timeout().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        self.machine.handle_timeout(now).map_err(|_| Failure::Silent)
    }
}

/// Sends a message of a device; `false` if the machine takes it later.
fn send(
    machine: &mut AmqpConnection,
    member: &mut Member,
    tag: u64,
    sections: &[u8],
) -> Result<bool, Failure> {
    let Some(link) = member.link else { return Ok(false) };
    match machine.send(link, &[sections], Outgoing::default()) {
        Ok(delivery) => {
            member.awaiting.push_back((delivery, tag));
            Ok(true)
        }
        Err(never @ (SendBlocked::NotSending | SendBlocked::Size)) => {
            Err(Failure::of_protocol(never))
        }
        Err(_) => Ok(false),
    }
}

impl Member {
    fn under_way(&self) -> usize {
        self.awaiting.len() + self.unsent
    }
}

/// What the server gave as reason.
fn text_of(error: Option<&AmqpError<'_>>) -> String {
    let Some(error) = error else { return "no reason given".to_owned() };
    format!("{} {}", error.condition, error.description.unwrap_or_default())
}
