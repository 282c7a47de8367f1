//! Drives one AMQP connection: core's machine on one side, claims, partition readers and request
//! nodes on the other.
//!
//! Events are sent in [`poll_transmit`](Protocol::poll_transmit), as much at a time as the shard
//! takes: a client that does not read makes its links ask the log for nothing.

mod attach;
mod device;
mod hub_choice;
mod links;
mod login;
mod readers;
mod request;
mod service;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use ringhub_control_plane::directory::Hub;
use ringhub_core::auth::CertificateChain;
use ringhub_core::codec::amqp::performative::{Condition, DeliveryState};
use ringhub_core::id::{HubId, SeatId};
use ringhub_core::limits::{AMQP_FIRST_LINK_TIMEOUT, AMQP_NO_LINK_TIMEOUT};
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::session::amqp::{
    AmqpConnection, AmqpEvent, DeliveryId, DeviceLink, LinkId, SessionError,
};
use ringhub_core::time::Timestamp;
use tracing::{debug, info};

use self::device::{DeviceCredentials, Devices, Received};
use self::hub_choice::HubChoice;
use self::links::{LinkRole, LinkRoles};
use crate::reader::{Claims, PartitionLinks, Refusal, RequestLinks};
use crate::service::ServiceLinks;
use crate::shard::mailbox::Mail;
use crate::shard::{Close, HubServices, Protocol, ShardContext};

type Context<'a> = ShardContext<'a, HubServices>;

/// One AMQP connection.
#[derive(Debug)]
pub(crate) struct AmqpDriver {
    connection: AmqpConnection,
    hub: HubChoice,
    claims: Claims,
    /// When the first claim ends.
    claims_end: Option<Timestamp>,
    links: LinkRoles,
    requests: RequestLinks,
    readers: PartitionLinks,
    service: ServiceLinks,
    credentials: DeviceCredentials,
    devices: Devices,
    /// Links for which the store was asked something, by the token of its answer.
    asked: HashMap<u64, LinkId>,
    next_token: u64,
    /// When the connection is closed for having no link.
    unused_until: Option<Timestamp>,
    /// Scratch for the heads of events.
    head: BytesMut,
}

impl AmqpDriver {
    pub(crate) fn new(
        services: &HubServices,
        certificate: Option<Box<CertificateChain>>,
        now: Timestamp,
    ) -> Self {
        Self {
            connection: AmqpConnection::hub(Arc::clone(&services.hub.amqp), now),
            hub: HubChoice::default(),
            claims: Claims::default(),
            claims_end: None,
            links: LinkRoles::default(),
            requests: RequestLinks::default(),
            readers: PartitionLinks::default(),
            service: ServiceLinks::default(),
            credentials: DeviceCredentials::new(certificate),
            devices: Devices::default(),
            asked: HashMap::new(),
            next_token: 0,
            unused_until: Some(now + AMQP_FIRST_LINK_TIMEOUT),
            head: BytesMut::new(),
        }
    }

    /// The hub of the connection, as log lines and refusals name it.
    fn hub_name<'c>(&'c self, cx: &'c Context<'_>) -> &'c str {
        self.hub.named().map_or_else(|| cx.services.any_hub_name(), |hub| &hub.host_name)
    }

    /// Makes the connection one for the hub of a credential.
    ///
    /// # Errors
    /// The [`Refusal`] of what is for another hub.
    fn choose_hub(&mut self, hub: HubId, host: &str, cx: &Context<'_>) -> Result<(), Refusal> {
        match hub_of(cx, hub) {
            Some(hub) if self.hub.claim(&hub) => Ok(()),
            _ => Err(Refusal::not_found(host, "")),
        }
    }

    /// Nothing of a hub that is gone goes on, and nobody has two hubs on a connection.
    fn on_hub_deleted(&mut self, deleted: HubId) -> Result<(), Close> {
        let is_own = |hub: &&Arc<Hub>| hub.id == deleted;
        let Some(hub) = self.hub.named().filter(is_own) else { return Ok(()) };
        let text = format!("The hub '{}' was deleted.", hub.host_name);
        let refusal = Refusal::new(Condition::NotFound, text);
        self.connection.close(Some(refusal.error()));
        Err(Close::Cut)
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
                self.on_message(Received { delivery, settled, format }, &payload, cx);
            }
            AmqpEvent::Aborted(link) => self.on_aborted(link),
            AmqpEvent::Settled { delivery, state, settled } => {
                self.on_settled(delivery, state, settled, cx);
            }
            AmqpEvent::Credit { link, drain, .. } => self.on_credit(link, drain, cx),
            // What back ends wait for is tried again with every transmission.
            AmqpEvent::WindowOpened => self.on_window_opened(cx),
            AmqpEvent::Opened { hostname, .. } => {
                self.hub.dial(hostname, cx.services.control.directory());
            }
            // Closed connections end below.
            AmqpEvent::SessionBegun(_)
            | AmqpEvent::LinkAttached { .. }
            | AmqpEvent::Drained(_)
            | AmqpEvent::Closed(_) => {}
        }
    }

    fn on_message(&mut self, received: Received, payload: &[u8], cx: &mut Context<'_>) {
        let Received { delivery, settled, format } = received;
        match self.links.role(delivery.link) {
            Some(LinkRole::Requests) => self.on_request(delivery, settled, payload, cx),
            Some(LinkRole::C2dSender) => {
                self.on_c2d_message(delivery, settled, (format, payload), cx);
            }
            Some(LinkRole::Device(number, function)) => match function {
                DeviceLink::Telemetry => self.on_telemetry(number, received, payload, cx),
                DeviceLink::TwinRequests => self.on_twin_request(number, received, payload, cx),
                DeviceLink::MethodAnswers => self.on_method_answer(number, received, payload, cx),
                DeviceLink::C2d
                | DeviceLink::ModuleInputs
                | DeviceLink::MethodCalls
                | DeviceLink::TwinReplies => {}
            },
            Some(LinkRole::Reader(_) | LinkRole::Notices) | None => {}
        }
    }

    /// The client has taken a message back, which gives its credit back.
    fn on_aborted(&mut self, link: LinkId) {
        match self.links.role(link) {
            Some(LinkRole::Requests) => self.requests.count_request(link, &mut self.connection),
            Some(LinkRole::C2dSender) => {
                if let Some(sender) = self.service.sender_mut(link) {
                    sender.count_done(&mut self.connection);
                }
            }
            Some(LinkRole::Device(number, function)) => {
                self.devices.count_aborted(number, (function, link));
            }
            Some(LinkRole::Reader(_) | LinkRole::Notices) | None => {}
        }
    }

    fn on_settled(
        &mut self,
        delivery: DeliveryId,
        state: Option<DeliveryState<'_>>,
        settled: bool,
        cx: &mut Context<'_>,
    ) {
        match self.links.role(delivery.link) {
            Some(LinkRole::Notices) => self.on_notice_settled(delivery, state, settled, cx),
            Some(LinkRole::Device(number, DeviceLink::C2d)) => {
                self.on_device_settled(number, (delivery, settled), state, cx);
            }
            _ => {}
        }
    }

    fn on_credit(&mut self, link: LinkId, drain: bool, cx: &mut Context<'_>) {
        match self.links.role(link) {
            Some(LinkRole::Reader(token)) => {
                if let Some(reader) = self.readers.get_mut(token) {
                    reader.handle_credit(drain);
                }
            }
            Some(LinkRole::Notices) => self.service.handle_credit(link, drain),
            Some(LinkRole::Device(number, function)) => {
                self.on_device_credit((number, function), drain, cx);
            }
            Some(LinkRole::Requests | LinkRole::C2dSender) | None => {}
        }
    }

    fn forget_link(&mut self, link: LinkId, cx: &Context<'_>) {
        match self.links.remove(link) {
            Some(LinkRole::Requests) => self.requests.remove(link),
            Some(LinkRole::Reader(token)) => self.forget_reader(token),
            Some(LinkRole::C2dSender | LinkRole::Notices) => self.forget_service_link(link, cx),
            Some(LinkRole::Device(number, function)) => {
                self.forget_device_link(link, (number, function), cx);
            }
            None => {}
        }
    }

    /// Detaches a link for good, and forgets it.
    fn detach(&mut self, link: LinkId, refusal: &Refusal, cx: &Context<'_>) {
        self.connection.detach(link, Some(refusal.error()));
        self.forget_link(link, cx);
    }

    /// A connection is of use while it has claims and links.
    fn watch_use(&mut self, now: Timestamp) {
        let has_proof = !self.claims.is_empty() || !self.credentials.is_empty();
        if has_proof && !self.links.is_empty() {
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
        while self.devices.can_read() {
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
        seat: SeatId,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.on_seat_committed(seat, upto, cx);
        Ok(())
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        match mail {
            Mail::Partition(reply) => self.on_partition_reply(reply, cx),
            Mail::NoticesReady { .. } => self.service.handle_notices_ready(),
            Mail::C2dDone { token, outcome, .. } => self.on_c2d_done(token, outcome),
            Mail::PredecessorsGone { seat } => self.on_predecessors_gone(seat, cx),
            Mail::InvokeMethod { seat, call } => self.on_method_call(seat, &call, cx),
            Mail::TwinReply { seat, rid, reply } => self.on_twin_reply(seat, &rid, &reply, cx),
            Mail::DesiredChanged { seat, identity, change } => {
                self.on_desired_changed(seat, &identity, &change, cx);
            }
            Mail::Evict { seat } => self.on_evicted(seat, cx),
            Mail::HubDeleted { hub } => return self.on_hub_deleted(hub),
            Mail::Cut { seat, identity, reason } => self.on_cut(seat, &identity, reason, cx),
            Mail::DeviceBound { seat, stored } => {
                if self.deliver_waiting(seat.number, cx)
                    && let Some(stored) = stored
                {
                    cx.note_delivered(stored);
                }
            }
            _ => {}
        }
        self.settle(cx.now)
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        if !self.devices.can_read() {
            // What the peer says meanwhile waits in the socket.
            self.connection.excuse_silence(cx.now);
        }
        self.connection.handle_timeout(cx.now).map_err(|error| close_of(error, cx))?;
        self.expire_claims(cx);
        self.expire_seats(cx);
        self.close_if_unused(cx.now);
        self.settle(cx.now)
    }

    fn handle_log_failed(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let reason = cx.services.pipeline.failed().unwrap_or("the commit log has failed");
        let refusal = Refusal::internal(reason);
        self.detach_all_readers(&refusal);
        self.end_all_seats(&refusal, cx);
        self.settle(cx.now)
    }

    fn handle_closed(&mut self, why: Close, cx: &mut Context<'_>) {
        let (hub, connection) = (self.hub_name(cx), cx.connection);
        debug!(hub, %connection, reason = ?why, "AMQP connection ended");
        self.close_readers();
        self.close_service_links(cx);
        self.leave_all_seats(cx);
        if why == Close::Shutdown {
            let refusal = Refusal::new(Condition::ConnectionForced, "The hub is stopping.");
            self.connection.close(Some(refusal.error()));
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let machine = self.connection.poll_timeout();
        let devices = self.devices.poll_timeout();
        [machine, devices, self.claims_end, self.unused_until].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        self.requests.pump(&mut self.connection);
        self.pump_readers();
        self.service.pump(&mut self.connection);
        self.connection.poll_transmit(out)
    }

    fn can_read(&self, _: &HubServices) -> bool {
        self.connection.can_read() && self.devices.can_read()
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

fn hub_of(cx: &Context<'_>, hub: HubId) -> Option<Arc<Hub>> {
    cx.services.control.directory().hub(hub)
}
