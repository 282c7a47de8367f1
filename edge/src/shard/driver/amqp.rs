//! Drives one AMQP connection: core's machine on one side, claims, partition readers and request
//! nodes on the other.
//!
//! Events are sent in [`poll_transmit`](Protocol::poll_transmit), as much at a time as the shard
//! takes: a client that does not read makes its links ask the log for nothing.

mod attach;
mod login;
mod request;
mod service;

use std::sync::Arc;

use bytes::BytesMut;
use ringhub_control_plane::directory::Hub;
use ringhub_core::codec::amqp::performative::Condition;
use ringhub_core::id::{HubId, SeatId};
use ringhub_core::limits::{AMQP_FIRST_LINK_TIMEOUT, AMQP_NO_LINK_TIMEOUT, READER_TURN_BYTES_MAX};
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::session::amqp::{AmqpConnection, AmqpEvent, LinkId, SessionError};
use ringhub_core::time::Timestamp;
use tracing::{debug, info};

use self::attach::OpeningReader;
use crate::partition::{PartitionReply, ReplyBody};
use crate::reader::{Claims, OpenedLink, PartitionLink, Refusal, RequestLinks};
use crate::service::ServiceLinks;
use crate::shard::mailbox::Mail;
use crate::shard::{Close, HubServices, Protocol, ShardContext};

type Context<'a> = ShardContext<'a, HubServices>;

/// One AMQP connection.
#[derive(Debug)]
pub(crate) struct AmqpDriver {
    connection: AmqpConnection,
    claims: Claims,
    /// When the first claim ends.
    claims_end: Option<Timestamp>,
    requests: RequestLinks,
    readers: Vec<PartitionLink>,
    service: ServiceLinks,
    /// The reader that goes first next time.
    first_reader: usize,
    /// The reader that its executor has not answered for; the connection reads nothing meanwhile.
    opening: Option<OpeningReader>,
    next_token: u64,
    /// When the connection is closed for having no link.
    unused_until: Option<Timestamp>,
    /// Scratch for the heads of events.
    head: BytesMut,
}

impl AmqpDriver {
    pub(crate) fn new(services: &HubServices, now: Timestamp) -> Self {
        Self {
            connection: AmqpConnection::hub(Arc::clone(&services.hub.amqp), now),
            claims: Claims::default(),
            claims_end: None,
            requests: RequestLinks::default(),
            readers: Vec::new(),
            service: ServiceLinks::default(),
            first_reader: 0,
            opening: None,
            next_token: 0,
            unused_until: Some(now + AMQP_FIRST_LINK_TIMEOUT),
            head: BytesMut::new(),
        }
    }

    fn take_token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn on_event(&mut self, event: AmqpEvent<'_>, cx: &mut Context<'_>) {
        match event {
            AmqpEvent::Sasl(step) => self.on_sasl(&step, cx),
            AmqpEvent::LinkRequested { link, attach } => self.on_attach(link, &attach, cx),
            AmqpEvent::LinkDetached { link, .. } => self.forget_link(link, cx),
            AmqpEvent::Message { delivery, settled, format, payload, .. } => {
                if self.service.is_sender(delivery.link) {
                    self.on_c2d_message(delivery, settled, (format, &payload), cx);
                } else {
                    self.on_request(delivery, settled, &payload, cx);
                }
            }
            AmqpEvent::Settled { delivery, state, settled } => {
                self.on_feedback_settled(delivery, state, settled, cx);
            }
            AmqpEvent::Credit { link, drain, .. } => {
                if let Some(reader) = self.reader_mut(link) {
                    reader.handle_credit(drain);
                } else {
                    self.service.handle_credit(link, drain);
                }
            }
            // What is blocked is tried again with every transmission; closed connections end below.
            AmqpEvent::WindowOpened
            | AmqpEvent::Opened { .. }
            | AmqpEvent::SessionBegun(_)
            | AmqpEvent::LinkAttached { .. }
            | AmqpEvent::Drained(_)
            | AmqpEvent::Closed(_) => {}
        }
    }

    fn reader_mut(&mut self, link: LinkId) -> Option<&mut PartitionLink> {
        self.readers.iter_mut().find(|reader| reader.link() == link)
    }

    fn forget_link(&mut self, link: LinkId, cx: &Context<'_>) {
        self.requests.remove(link);
        self.forget_service_link(link, cx);
        if let Some(place) = self.readers.iter().position(|reader| reader.link() == link) {
            self.readers.swap_remove(place).close();
        }
    }

    fn detach_reader(&mut self, place: usize, refusal: &Refusal) {
        let reader = self.readers.swap_remove(place);
        let (place, connection, reason) = (reader.place(), reader.connection(), &refusal.text);
        debug!(hub = place.host_name, %place, %connection, %reason, "reader detached");
        self.connection.detach(reader.link(), Some(refusal.error()));
        reader.close();
    }

    fn on_partition_reply(&mut self, reply: PartitionReply, cx: &mut Context<'_>) {
        let PartitionReply { token, body, .. } = reply;
        if let Some(opening) = self.opening.take_if(|opening| opening.token() == token) {
            return self.on_opened(opening, body, cx);
        }
        let Some(place) = self.readers.iter().position(|reader| reader.token() == token) else {
            return self.on_answer(token, body, cx);
        };
        let reader = &mut self.readers[place];
        match body {
            ReplyBody::Records { records, partition, answered } => {
                reader.handle_records(records, &partition, (answered, cx.wall));
            }
            ReplyBody::AtEnd => reader.handle_at_end(),
            ReplyBody::Stolen { epoch, by, .. } => {
                let refusal = reader.stolen(by.as_deref(), epoch);
                self.detach_reader(place, &refusal);
            }
            ReplyBody::Refused(refused) => {
                let refusal = reader.refused(&refused);
                self.detach_reader(place, &refusal);
            }
            ReplyBody::Described(_) | ReplyBody::Opened(_) => {}
        }
    }

    /// An answer for `$management`, or for a reader that is gone.
    fn on_answer(&mut self, token: u64, body: ReplyBody, cx: &Context<'_>) {
        match body {
            ReplyBody::Described(partition) => self.requests.handle_described(token, &partition),
            ReplyBody::Refused(refused) => self.requests.handle_refused(token, &refused),
            ReplyBody::Opened(reader) => cx.services.pipeline.close_reader(reader, cx.connection),
            ReplyBody::Records { .. } | ReplyBody::AtEnd | ReplyBody::Stolen { .. } => {}
        }
    }

    fn on_opened(&mut self, opening: OpeningReader, body: ReplyBody, cx: &Context<'_>) {
        let OpeningReader(opened) = opening;
        match body {
            ReplyBody::Opened(reader) => {
                attach::accept_reader(&mut self.connection, opened.link);
                let (place, connection) = (&opened.place, cx.connection);
                debug!(hub = place.host_name, %place, %connection, epoch = opened.epoch, "reader attached");
                self.readers.push(PartitionLink::new(opened, reader));
            }
            ReplyBody::Refused(refused) => {
                let refusal = Refusal::of_read(&refused, opened.epoch);
                cx.counters().amqp_links_refused.add(1);
                let (place, reason, connection) = (&opened.place, &refusal.text, cx.connection);
                info!(hub = place.host_name, %place, %connection, %reason, "reader refused");
                self.connection.refuse_link(opened.link, &refusal.error());
            }
            ReplyBody::Described(_)
            | ReplyBody::Records { .. }
            | ReplyBody::AtEnd
            | ReplyBody::Stolen { .. } => {
                let OpenedLink { link, connection, .. } = opened;
                debug_assert_eq!(connection, cx.connection, "mail is for its connection");
                let refusal = Refusal::internal("the log has given no answer");
                self.connection.refuse_link(link, &refusal.error());
            }
        }
    }

    /// Moves events from the readers' batches into the output, a bounded number of bytes, each
    /// reader first in turn.
    fn pump_readers(&mut self) {
        let count = self.readers.len();
        if count == 0 {
            return;
        }
        let mut budget = READER_TURN_BYTES_MAX;
        let mut failed = None;
        self.first_reader = (self.first_reader + 1) % count;
        for turn in 0..count {
            let place = (self.first_reader + turn) % count;
            let reader = &mut self.readers[place];
            let pumped = reader.pump(&mut self.connection, &mut self.head, &mut budget);
            if let Err(refusal) = pumped {
                failed = Some((place, refusal));
                break;
            }
        }
        if let Some((place, refusal)) = failed {
            self.detach_reader(place, &refusal);
        }
    }

    /// The log that failed refuses its readers, and the others wait for the restart too.
    fn detach_all_readers(&mut self, refusal: &Refusal) {
        while let Some(last) = self.readers.len().checked_sub(1) {
            self.detach_reader(last, refusal);
        }
        if let Some(OpeningReader(opened)) = self.opening.take() {
            self.connection.refuse_link(opened.link, &refusal.error());
        }
    }

    /// A connection is of use while it has claims and links.
    fn watch_use(&mut self, now: Timestamp) {
        let has_links =
            !self.readers.is_empty() || self.opening.is_some() || !self.service.is_empty();
        let is_used = !self.claims.is_empty() && (has_links || !self.requests.is_empty());
        if is_used {
            self.unused_until = None;
        } else if self.unused_until.is_none() {
            self.unused_until = Some(now + AMQP_NO_LINK_TIMEOUT);
        }
    }

    fn close_if_unused(&mut self, now: Timestamp) {
        if self.unused_until.is_none_or(|until| until > now) {
            return;
        }
        self.unused_until = Some(now + AMQP_NO_LINK_TIMEOUT);
        let text = "The connection was inactive for more than the allowed time without a link \
                    that is authorized, and is closed by container 'ringhub'.";
        let refusal = Refusal::new(Condition::ConnectionForced, text);
        self.connection.close(Some(refusal.error()));
    }

    /// Ends the driver once the machine has said its last word.
    fn settle(&mut self, now: Timestamp) -> Result<(), Close> {
        self.watch_use(now);
        if self.connection.is_closed() { Err(Close::Finished) } else { Ok(()) }
    }
}

impl Protocol for AmqpDriver {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut consumed = 0;
        loop {
            let step = self.connection.handle_bytes(&input[consumed..], cx.now);
            let (used, event) = step.map_err(|error| close_of(error, cx))?;
            consumed += used;
            match event {
                Some(event) => self.on_event(event, cx),
                None if used == 0 => break,
                None => {}
            }
        }
        self.settle(cx.now)?;
        Ok(consumed)
    }

    fn handle_committed(
        &mut self,
        _: SeatId,
        _: Committed<Ticket>,
        _: &mut Context<'_>,
    ) -> Result<(), Close> {
        Ok(())
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        match mail {
            Mail::Partition(reply) => self.on_partition_reply(reply, cx),
            Mail::FeedbackReady { .. } => self.service.handle_feedback_ready(),
            Mail::C2dDone { token, outcome, .. } => self.on_c2d_done(token, outcome),
            _ => {}
        }
        self.settle(cx.now)
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        self.connection.handle_timeout(cx.now).map_err(|error| close_of(error, cx))?;
        self.expire_claims(cx);
        self.close_if_unused(cx.now);
        self.settle(cx.now)
    }

    fn handle_log_failed(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let reason = cx.services.pipeline.failed().unwrap_or("the commit log has failed");
        self.detach_all_readers(&Refusal::internal(reason));
        self.settle(cx.now)
    }

    fn handle_closed(&mut self, why: Close, cx: &mut Context<'_>) {
        let (hub, connection) = (cx.services.any_hub_name(), cx.connection);
        debug!(hub, %connection, reason = ?why, "AMQP connection ended");
        for reader in self.readers.drain(..) {
            reader.close();
        }
        self.close_service_links(cx);
        if why == Close::Shutdown {
            let refusal = Refusal::new(Condition::ConnectionForced, "The hub is stopping.");
            self.connection.close(Some(refusal.error()));
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let machine = self.connection.poll_timeout();
        [machine, self.claims_end, self.unused_until].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        self.requests.pump(&mut self.connection);
        self.pump_readers();
        self.service.pump(&mut self.connection);
        self.connection.poll_transmit(out)
    }

    fn can_read(&self, _: &HubServices) -> bool {
        self.connection.can_read()
    }
}

fn close_of(error: SessionError, cx: &Context<'_>) -> Close {
    let (hub, connection) = (cx.services.any_hub_name(), cx.connection);
    info!(hub, %connection, reason = %error, "AMQP connection closed");
    match error {
        SessionError::IdleTimeout | SessionError::HandshakeTimeout => Close::Idle,
        SessionError::CloseTimeout => Close::Finished,
        _ => Close::Violation("AMQP"),
    }
}

fn hub_of<'c>(cx: &'c Context<'_>, hub: HubId) -> Option<&'c Hub> {
    cx.services.control.directory().hub(hub)
}
