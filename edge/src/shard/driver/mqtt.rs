//! Drives the MQTT session of one device: directory, ring and control plane on one side, packets on
//! the other.

use bytes::BytesMut;
use ringhub_control_plane::directory::{Grant, IdentityRef};
use ringhub_core::codec::mqtt::{ConnackCode, decode_within};
use ringhub_core::id::PartitionId;
use ringhub_core::limits::TOKEN_EXPIRY_GRACE;
use ringhub_core::message::{Destination, Stamps, partition_of};
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::session::mqtt::user_name::{ApiVersion, UserName};
use ringhub_core::session::mqtt::{
    Acceptance, CloseReason, ConnectRequest, D2cPublish, Handled, MqttSession, SessionError,
    SubscriptionChange, Subscriptions, TwinRequest, d2c_message,
};
use ringhub_core::session::takeover::Claim;
use ringhub_core::time::{Timestamp, UnixMillis};
use tracing::{debug, info, warn};

use super::not_built::twin_error_body;
use crate::partition::{LogState, RingFull};
use crate::shard::mailbox::Mail;
use crate::shard::{Close, HubServices, Protocol, ShardContext};

type Context<'a> = ShardContext<'a, HubServices>;

/// One MQTT connection. About 300 bytes, and as much again once a device is on it.
#[derive(Debug)]
pub(crate) struct MqttDriver {
    session: MqttSession,
    device: Option<Box<Device>>,
    /// Length of the record that found its ring full; nothing is read before it has room.
    blocked_bytes: Option<usize>,
    /// The reason to close, while the shard only knows its kind.
    reason: Option<CloseReason>,
}

/// The identity that was authenticated on the connection.
#[derive(Debug)]
struct Device {
    grant: Grant,
    destination: Destination,
    stamps: Stamps,
    claim: Claim,
    acceptance: Acceptance,
    last: Option<Ticket>,
}

/// What becomes of the packet that was just handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Consume,
    /// The ring had no room: the same packet is handed in again.
    Keep,
}

impl MqttDriver {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { session: MqttSession::new(now), device: None, blocked_bytes: None, reason: None }
    }

    fn may_read(&self, services: &HubServices) -> bool {
        let is_open = self.device.as_ref().is_none_or(|device| device.claim == Claim::Open);
        let has_room = match (self.blocked_bytes, &self.device) {
            (Some(len), Some(device)) => {
                services.pipeline.has_room(device.destination.partition, len)
            }
            _ => true,
        };
        is_open && has_room && self.session.can_read()
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
            // No method was called and nothing was delivered, so nobody waits for either.
            Handled::MethodResponse(_) | Handled::Delivered(_) | Handled::Nothing => {}
        }
        Ok(Next::Consume)
    }

    fn on_connect(
        &mut self,
        request: &ConnectRequest<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let user_name = &request.user_name;
        if cx.services.pipeline.failed().is_some() {
            return Err(self.end(CloseReason::LogFailed));
        }
        let Some(grant) = authenticate(request, cx) else {
            return Err(self.end(CloseReason::Refused(ConnackCode::NotAuthorized)));
        };
        let directory = cx.services.control.directory();
        let Ok(found) = directory.reserve(&grant, cx.connection, cx.wall) else {
            return Err(self.end(CloseReason::Refused(ConnackCode::NotAuthorized)));
        };
        let stored = Subscriptions::from_bits(u16::try_from(found.subscriptions).unwrap_or(0));
        let acceptance = Acceptance {
            session_present: stored != Subscriptions::NONE,
            subscriptions: stored,
            token_deadline: Some(token_deadline(grant.expires, cx)),
        };
        let previous = found.reservation.previous;
        let device = Box::new(Device {
            destination: destination(&grant, cx.services),
            stamps: stamps(&grant, user_name),
            claim: found.reservation.claim,
            acceptance,
            last: None,
            grant,
        });
        if request.clean_session && stored != Subscriptions::NONE {
            cx.services.store_subscriptions(&device.grant, Subscriptions::NONE, None);
        }
        self.device = Some(device);
        if let Some(previous) = previous {
            cx.services.post(previous.shard, Mail::Evict { connection: previous });
        }
        self.accept_if_alone(cx);
        Ok(())
    }

    /// Sends CONNACK once no former connection is left; what they pushed last is awaited before
    /// anything is read.
    fn accept_if_alone(&mut self, cx: &mut Context<'_>) {
        let Some(device) = &mut self.device else { return };
        if device.claim == Claim::AwaitingPredecessors {
            return;
        }
        let services = &*cx.services;
        device.claim.may_publish(|fence| services.pipeline.is_committed(&fence));
        if let Claim::AwaitingCommit(fence) = device.claim {
            cx.await_commit(fence);
        }
        self.session.accept(device.acceptance, cx.now);
        debug!(identity = %device.grant.identity, connection = ?cx.connection, "device connected");
    }

    fn on_publish(
        &mut self,
        publish: &D2cPublish<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Next, Close> {
        let Some(device) = &mut self.device else {
            return Err(self.end(CloseReason::Error(SessionError::ExpectedConnect)));
        };
        let HubServices { encoder, pipeline, .. } = &mut *cx.services;
        let partition = device.destination.partition;
        if pipeline.state(pipeline.executor_of(partition)) == LogState::Failed {
            return Err(self.end(CloseReason::LogFailed));
        }
        let message = d2c_message(publish);
        let record = match encoder.encode(device.destination, &device.stamps, message, cx.wall) {
            Ok(record) => record,
            Err(error) => {
                let error = SessionError::MessageTooLarge(error.0);
                return Err(self.end(CloseReason::Error(error)));
            }
        };
        match pipeline.push(partition, record) {
            Ok(ticket) => {
                device.last = Some(ticket);
                self.blocked_bytes = None;
                self.session.handle_accepted(publish.receipt, ticket.position);
                if publish.receipt.awaits_puback() {
                    cx.await_commit(ticket);
                }
                Ok(Next::Consume)
            }
            Err(RingFull) => {
                self.blocked_bytes = Some(record.len());
                Ok(Next::Keep)
            }
        }
    }

    fn on_subscriptions(&mut self, change: SubscriptionChange, cx: &mut Context<'_>) {
        match &self.device {
            Some(device) if change.persist => {
                let told = Some(cx.connection);
                cx.services.store_subscriptions(&device.grant, change.subscriptions, told);
            }
            _ => self.session.handle_subscribed(),
        }
    }

    /// Twins are not part of the hub yet: the device hears so instead of waiting.
    fn on_twin_request(&mut self, request: &TwinRequest<'_>, cx: &Context<'_>) {
        let body = twin_error_body(cx.wall);
        // Without a subscription to the replies there is nobody to tell.
        let _ = self.session.reply_twin(404, request.rid, None, body.as_bytes());
    }

    fn publish_will(&mut self, why: CloseReason, cx: &mut Context<'_>) {
        let Some(will) = self.session.close(why) else { return };
        let Some(device) = &mut self.device else { return };
        let HubServices { encoder, pipeline, shard, .. } = &mut *cx.services;
        if !device.claim.may_leave_will(*shard, |fence| pipeline.is_committed(&fence)) {
            let identity = &device.grant.identity;
            warn!(%identity, "will lost: messages of the connection before are not committed yet");
            return;
        }
        let will = will.publish();
        let message = d2c_message(&will);
        let Ok(record) = encoder.encode(device.destination, &device.stamps, message, cx.wall)
        else {
            return;
        };
        match pipeline.push(device.destination.partition, record) {
            Ok(ticket) => device.last = Some(ticket),
            Err(RingFull) => {
                warn!(identity = %device.grant.identity, "will lost: the ring is full");
            }
        }
    }
}

impl Protocol for MqttDriver {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut consumed = 0;
        while self.may_read(cx.services) {
            let decoded = decode_within(&input[consumed..], self.session.packet_bytes_max());
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
        Committed(upto): Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        let Some(device) = &mut self.device else { return Ok(()) };
        let services = &*cx.services;
        if !device.claim.may_publish(|fence| services.pipeline.is_committed(&fence)) {
            return Ok(());
        }
        let executor = services.pipeline.executor_of(device.destination.partition);
        if upto.shard == cx.connection.shard && upto.executor == executor {
            self.session.handle_committed(Committed(upto.position));
        }
        Ok(())
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        match mail {
            Mail::Evict { .. } => {
                self.reason = Some(CloseReason::TakenOver);
                Err(Close::Evicted)
            }
            Mail::PredecessorsGone { .. } => {
                if let Some(device) = &mut self.device {
                    let fence = cx.services.control.directory().fence(&device.grant);
                    device.claim.handle_predecessors_gone(fence);
                    self.accept_if_alone(cx);
                }
                Ok(())
            }
            Mail::Cut { identity, reason, .. } => match &self.device {
                Some(device) if device.grant.identity == identity => {
                    info!(%identity, ?reason, "device cut off");
                    self.reason = Some(CloseReason::IdentityRemoved);
                    Err(Close::Cut)
                }
                _ => Ok(()),
            },
            Mail::SubscriptionsStored { is_stored: true, .. } => {
                self.session.handle_subscribed();
                Ok(())
            }
            // Without a SUBACK the client must not believe in its subscription: it connects again.
            Mail::SubscriptionsStored { is_stored: false, .. } => Err(Close::Finished),
            Mail::Partition(_) | Mail::Exchange { .. } | Mail::Shutdown => Ok(()),
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
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
            let identity = self.session.identity().map(ToString::to_string);
            debug!(identity, ?reason, connection = ?cx.connection, "MQTT connection ended");
        }
        self.publish_will(reason, cx);
        if let Some(device) = self.device.take() {
            cx.services.release(&device.grant, cx.connection, device.last, cx.wall);
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.session.poll_timeout()
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        self.session.poll_transmit(out)
    }

    fn can_read(&self, services: &HubServices) -> bool {
        self.may_read(services)
    }
}

/// Judges the credential of a CONNECT; the log names the reason, the client learns only that it is
/// refused.
fn authenticate(request: &ConnectRequest<'_>, cx: &Context<'_>) -> Option<Grant> {
    let user_name = &request.user_name;
    let directory = cx.services.control.directory();
    let identity = IdentityRef { device: user_name.device, module: user_name.module };
    let Some(hub) = directory.hub_by_host(user_name.host) else {
        info!(host = user_name.host, device = identity.device, "CONNECT refused: no such hub");
        return None;
    };
    let token = request.password.and_then(|password| str::from_utf8(password).ok());
    let Some(token) = token else {
        info!(device = identity.device, "CONNECT refused: no token");
        return None;
    };
    match directory.authenticate(hub.id, identity, token, cx.wall) {
        Ok(grant) => Some(grant),
        Err(reason) => {
            info!(hub = hub.host_name, device = identity.device, %reason, "CONNECT refused");
            None
        }
    }
}

fn destination(grant: &Grant, services: &HubServices) -> Destination {
    let hub = services.control.directory().hub(grant.hub);
    let partition =
        hub.map_or(PartitionId(0), |hub| partition_of(&grant.identity.device, hub.partition_count));
    Destination { hub: grant.hub, partition }
}

fn stamps(grant: &Grant, user_name: &UserName<'_>) -> Stamps {
    let knows_models = user_name.api_version.is_some_and(|v| v >= ApiVersion::PLUG_AND_PLAY);
    let model_id = user_name.model_id.as_deref().filter(|_| knows_models);
    Stamps::new(&grant.identity, grant.scope, &grant.generation.0.to_string(), model_id)
}

/// When a connection ends whose token expires at `expires`, on the shard's monotonic clock as far
/// as the two clocks agree now.
///
/// The grace is added before clocks change: a token may have expired when it is accepted.
fn token_deadline(expires: UnixMillis, cx: &Context<'_>) -> Timestamp {
    let grace_ms = i64::try_from(TOKEN_EXPIRY_GRACE.as_millis()).unwrap_or(i64::MAX);
    let end_ms = expires.as_millis().saturating_add(grace_ms);
    let left_ms = end_ms.saturating_sub(cx.wall.as_millis());
    cx.now + std::time::Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
}
