//! Drives the MQTT session of one device: directory, ring and control plane on one side, packets on
//! the other.

mod c2d;
mod connect;
mod method;
mod telemetry;
mod throttle;
mod twin;

use bytes::BytesMut;
use ringhub_core::auth::CertificateChain;
use ringhub_core::codec::amqp::section::MessageIdBuf;
use ringhub_core::codec::mqtt::{ConnackCode, decode_within};
use ringhub_core::id::SeatId;
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::session::mqtt::{
    Acceptance, CloseReason, Handled, MqttSession, SessionError, SubscriptionChange,
};
use ringhub_core::time::Timestamp;
use tracing::{debug, info};

use self::throttle::Throttle;
use crate::shard::mailbox::Mail;
use crate::shard::recorder::Part;
use crate::shard::seat::Seat;
use crate::shard::{Close, HubServices, Protocol, ShardContext, ShardCounters};

type Context<'a> = ShardContext<'a, HubServices>;

/// One MQTT connection. About 300 bytes, and as much again for the seat of its device.
#[derive(Debug)]
pub(crate) struct MqttDriver {
    session: MqttSession,
    /// What the handshake proved; until CONNECT.
    certificate: Option<Box<CertificateChain>>,
    seat: Option<Box<Seat>>,
    /// What CONNACK will say, while it is owed.
    acceptance: Option<Box<Acceptance>>,
    /// Length of the record that found its ring full; nothing is read before it has room.
    blocked_bytes: Option<usize>,
    /// When a delivery is tried again to a client that does not take its bytes.
    deliver_at: Option<Box<Timestamp>>,
    /// What it waits for because of the limits of its hub.
    throttle: Option<Box<Throttle>>,
    /// CONNACK 0 was sent.
    was_accepted: bool,
    /// The reason to close, while the shard only knows its kind.
    reason: Option<CloseReason>,
}

/// What becomes of the packet that was just handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Consume,
    /// The ring had no room: the same packet is handed in again.
    Keep,
}

impl MqttDriver {
    pub(crate) fn new(certificate: Option<Box<CertificateChain>>, now: Timestamp) -> Self {
        Self {
            session: MqttSession::new(now),
            certificate,
            seat: None,
            acceptance: None,
            blocked_bytes: None,
            deliver_at: None,
            throttle: None,
            was_accepted: false,
            reason: None,
        }
    }

    fn may_read(&self, services: &HubServices) -> bool {
        let is_open = self.seat.as_ref().is_none_or(|seat| seat.is_open());
        let has_room = match (self.blocked_bytes, &self.seat) {
            (Some(record_bytes), Some(seat)) => seat.has_room(record_bytes, services),
            _ => true,
        };
        is_open && has_room && !self.is_throttled() && self.session.can_read()
    }

    /// The hub of the device, as log lines name it.
    fn hub_name<'c>(&'c self, cx: &'c Context<'_>) -> &'c str {
        let hub = self.seat.as_ref().map(|seat| seat.hub_name());
        hub.unwrap_or_else(|| cx.services.any_hub_name())
    }

    /// Ends the connection for a reason that [`Protocol::handle_closed`] learns.
    fn end(&mut self, reason: CloseReason) -> Close {
        self.reason = Some(reason);
        match reason {
            CloseReason::Error(SessionError::KeepAliveExpired) => Close::Idle,
            CloseReason::Error(SessionError::TokenExpired) => Close::Cut,
            CloseReason::Error(_) => Close::Violation("MQTT"),
            _ => Close::Finished,
        }
    }

    fn on_handled(&mut self, handled: Handled<'_>, cx: &mut Context<'_>) -> Result<Next, Close> {
        match handled {
            Handled::Connect(request) => self.on_connect(&request, cx)?,
            Handled::Publish(publish) => return self.on_publish(&publish, cx),
            Handled::Subscribe(change) | Handled::Unsubscribe(change) => {
                self.on_subscriptions(change, cx);
            }
            Handled::TwinRequest(request) => self.on_twin_request(&request, cx),
            Handled::Disconnect => return Err(self.end(CloseReason::Disconnect)),
            Handled::MethodResponse(response) => self.on_method_response(&response, cx),
            Handled::Delivered(token) => self.on_delivered(token, cx),
            Handled::Nothing => {
                self.deliver_waiting(cx);
            }
        }
        Ok(Next::Consume)
    }

    fn on_subscriptions(&mut self, change: SubscriptionChange, cx: &mut Context<'_>) {
        match &self.seat {
            Some(seat) if change.persist => {
                let told = Some(seat.id(cx));
                cx.services.store_subscriptions(seat.grant(), change.subscriptions, told);
            }
            _ => self.on_subscribed(cx),
        }
    }

    /// SUBACK leaves before the first message: clients drop what comes earlier.
    fn on_subscribed(&mut self, cx: &Context<'_>) {
        self.session.handle_subscribed();
        self.deliver_waiting(cx);
        self.tell_callers_ready(cx);
    }
}

impl Protocol for MqttDriver {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut consumed = 0;
        while self.may_read(cx.services) {
            let packet_bytes_max = self.session.packet_bytes_max();
            let rest = &input[consumed..];
            let decoded = cx.timed(Part::Codec, || decode_within(rest, packet_bytes_max));
            let (packet, len) = match decoded {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(error) => return Err(self.end(CloseReason::Error(error.into()))),
            };
            let handled = match self.session.handle_packet(packet, cx.now) {
                Ok(handled) => handled,
                Err(error) => return Err(self.end(CloseReason::Error(error))),
            };
            match self.on_handled(handled, cx)? {
                Next::Consume => consumed += len,
                Next::Keep => break,
            }
        }
        Ok(consumed)
    }

    fn handle_committed(
        &mut self,
        _: SeatId,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        if let Some(seat) = &mut self.seat
            && let Some(position) = seat.handle_committed(upto, cx)
        {
            self.session.handle_committed(position);
        }
        Ok(())
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        match mail {
            Mail::HubDeleted { hub } => {
                let is_own = self.seat.as_ref().is_some_and(|seat| seat.grant().hub == hub);
                if is_own { Err(Close::Cut) } else { Ok(()) }
            }
            Mail::Evict { .. } => {
                self.reason = Some(CloseReason::TakenOver);
                Err(Close::Evicted)
            }
            Mail::PredecessorsGone { .. } => {
                if let Some(seat) = &mut self.seat {
                    seat.handle_predecessors_gone(cx);
                    self.accept_if_alone(cx);
                }
                Ok(())
            }
            Mail::Cut { identity, reason, .. } => match &self.seat {
                Some(seat) if seat.serves(&identity) => {
                    let hub = seat.hub_name();
                    info!(hub, %identity, connection = %cx.connection, ?reason, "device cut off");
                    self.reason = Some(CloseReason::IdentityRemoved);
                    Err(Close::Cut)
                }
                _ => Ok(()),
            },
            Mail::SubscriptionsStored { is_stored: true, .. } => {
                self.on_subscribed(cx);
                Ok(())
            }
            // Without a SUBACK the client must not believe in its subscription: it connects again.
            Mail::SubscriptionsStored { is_stored: false, .. } => Err(Close::Finished),
            Mail::InvokeMethod { call, .. } => {
                self.on_method_call(call, cx);
                Ok(())
            }
            Mail::DeviceBound { stored, .. } => {
                if self.deliver_waiting(cx)
                    && let Some(stored) = stored
                {
                    cx.note_delivered(stored);
                }
                Ok(())
            }
            Mail::Partition(_)
            | Mail::Exchange { .. }
            | Mail::Blob { .. }
            | Mail::NoticesReady { .. }
            | Mail::C2dDone { .. }
            | Mail::Shutdown => Ok(()),
            Mail::TwinReply { rid, reply, .. } => {
                if let MessageIdBuf::Str(rid) = rid {
                    self.on_twin_reply(&rid, &reply, cx);
                }
                Ok(())
            }
            Mail::DesiredChanged { identity, change, .. } => {
                self.on_desired_changed(&identity, &change, cx);
                Ok(())
            }
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        if let Some(seat) = &mut self.seat {
            seat.handle_timeout(cx);
        }
        if self.deliver_at.take_if(|at| **at <= cx.now).is_some() {
            self.deliver_waiting(cx);
        }
        self.end_wait(cx)?;
        if self.is_throttled() {
            return Ok(());
        }
        match self.session.handle_timeout(cx.now) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.end(CloseReason::Error(error))),
        }
    }

    fn handle_log_failed(&mut self, _: &mut Context<'_>) -> Result<(), Close> {
        Err(Close::LogFailed)
    }

    fn handle_closed(&mut self, why: Close, cx: &mut Context<'_>) {
        let reason = self.reason.unwrap_or(match why {
            Close::Evicted => CloseReason::TakenOver,
            Close::Cut => CloseReason::IdentityRemoved,
            Close::LogFailed => CloseReason::LogFailed,
            Close::Shutdown => CloseReason::ShuttingDown,
            _ => CloseReason::TransportLost,
        });
        if reason != CloseReason::Disconnect {
            let hub = self.hub_name(cx);
            let identity = self.session.identity().map(ToString::to_string);
            debug!(hub, identity, connection = %cx.connection, ?reason, "MQTT connection ended");
        }
        if !self.was_accepted {
            count_refusal(reason, cx.counters());
        }
        self.give_back(cx);
        self.publish_will(reason, cx);
        if let Some(seat) = self.seat.take() {
            seat.leave(cx);
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let report = self.seat.as_ref().and_then(|seat| seat.poll_timeout());
        let retry = self.deliver_at.as_deref().copied();
        // A client that is not read is not silent.
        let wait = self.throttle_timeout();
        let session = if wait.is_some() { None } else { self.session.poll_timeout() };
        [session, report, retry, wait].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        self.session.poll_transmit(out)
    }

    fn can_read(&self, services: &HubServices) -> bool {
        self.may_read(services)
    }
}

/// Counts the CONNACK that a client got which was never let in.
fn count_refusal(reason: CloseReason, counters: &ShardCounters) {
    let counter = match reason.connack_code() {
        None | Some(ConnackCode::Accepted) => return,
        Some(ConnackCode::UnacceptableProtocolLevel) => &counters.connack_1,
        Some(ConnackCode::IdentifierRejected) => &counters.connack_2,
        Some(ConnackCode::ServerUnavailable) => &counters.connack_3,
        Some(ConnackCode::BadUserNameOrPassword) => &counters.connack_4,
        Some(ConnackCode::NotAuthorized) => &counters.connack_5,
    };
    counter.add(1);
}
