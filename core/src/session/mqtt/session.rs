//! Hub side of one MQTT connection.

mod deliver;

use bytes::BytesMut;

use super::error::{CloseReason, SessionError};
use super::handled::{
    AwaitedChange, ConnectRequest, Handled, MethodResponse, SubscriptionChange, TwinOperation,
    TwinRequest,
};
use super::outbound::Outbound;
use super::publish::{D2cPublish, Receipt};
use super::subscription::{SubscriptionKind, Subscriptions};
use super::timer::Timers;
use super::topic::{Topic, TopicError};
use super::user_name::{InvalidUserName, UserName};
use super::will::Will;
use super::window::PublishWindow;
use crate::codec::mqtt::{
    AnyConnect, Connack, ConnackCode, Connect, Delivery, Packet, Pingresp, Puback, Publish, Qos,
    Suback, Subscribe, Unsuback, Unsubscribe,
};
use crate::id::{DeviceId, Identity, ModuleId, PacketId};
use crate::limits::{
    MQTT_CONNECT_BYTES_MAX, MQTT_FILTERS_MAX, MQTT_PACKET_BYTES_MAX, MQTT_TRANSMIT_BYTES_MAX,
};
use crate::position::{Committed, RingPosition};
use crate::time::Timestamp;

pub use deliver::{Delivered, DeviceBound, NotSent};

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ExpectConnect,
    AwaitingVerdict,
    AwaitingSubscribed,
    Connected,
    Closed,
}

/// The hub's verdict on a client that may enter.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance {
    /// The hub kept subscriptions of this identity; told to the client only when it asked to keep
    /// them.
    pub session_present: bool,
    /// The kept subscriptions; ignored with CleanSession 1.
    pub subscriptions: Subscriptions,
    /// When the connection ends because of the client's token: its expiry, which may have passed,
    /// and [`TOKEN_EXPIRY_GRACE`](crate::limits::TOKEN_EXPIRY_GRACE).
    pub token_deadline: Option<Timestamp>,
}

/// Hub side of one MQTT connection: packets, commits and time in; bytes and meanings out.
///
/// The driver's loop, on one shard thread:
///
/// 1. while [`can_read`](Self::can_read): decode one packet of at most
///    [`packet_bytes_max`](Self::packet_bytes_max) bytes, call
///    [`handle_packet`](Self::handle_packet), do what [`Handled`] asks, only then consume the
///    bytes;
/// 2. after a commit: [`handle_committed`](Self::handle_committed);
/// 3. at the end of the turn: [`poll_transmit`](Self::poll_transmit), then set a timer for
///    [`poll_timeout`](Self::poll_timeout);
/// 4. after any error: [`close`](Self::close), publish the will it gives, transmit once more, end
///    the transport.
///
/// A telemetry PUBLISH changes nothing but the time of the last packet until
/// [`handle_accepted`](Self::handle_accepted). If the ring is full, the driver leaves the packet
/// unconsumed, stops reading and hands the same packet in again later.
#[derive(Debug)]
pub struct MqttSession {
    state: State,
    clean_session: bool,
    keep_alive_secs: u16,
    subscriptions: Subscriptions,
    identity: Option<Identity>,
    will: Option<Box<Will>>,
    awaited_change: Option<Box<AwaitedChange>>,
    outbound: Option<Box<Outbound>>,
    timers: Timers,
    window: PublishWindow,
    transmit: BytesMut,
}

impl MqttSession {
    /// Starts with an open transport; the client has 60 s to get in.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: State::ExpectConnect,
            clean_session: true,
            keep_alive_secs: 0,
            subscriptions: Subscriptions::NONE,
            identity: None,
            will: None,
            awaited_change: None,
            outbound: None,
            timers: Timers::new(now),
            window: PublishWindow::default(),
            transmit: BytesMut::new(),
        }
    }

    /// Who the client says it is; trustworthy after [`accept`](Self::accept).
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Subscriptions that are in force.
    #[must_use]
    pub const fn subscriptions(&self) -> Subscriptions {
        self.subscriptions
    }

    /// Position of the last message of this connection in the ring; takeover waits for its commit.
    #[must_use]
    pub const fn last_accepted(&self) -> RingPosition {
        self.window.accepted()
    }

    /// Size of the largest packet that the client may send now, for `decode_within`.
    #[must_use]
    pub const fn packet_bytes_max(&self) -> usize {
        match self.state {
            State::ExpectConnect | State::AwaitingVerdict => MQTT_CONNECT_BYTES_MAX,
            _ => MQTT_PACKET_BYTES_MAX,
        }
    }

    /// Whether the next packet may be handed in. Otherwise leave it unread: that is the
    /// back-pressure.
    ///
    /// False while a verdict or a durable subscription is awaited, while the in-flight window or
    /// the bytes to send are at their limit, and after the end.
    #[must_use]
    pub fn can_read(&self) -> bool {
        matches!(self.state, State::ExpectConnect | State::Connected)
            && !self.window.is_full()
            && self.transmit.len() < MQTT_TRANSMIT_BYTES_MAX
    }

    /// The peer spoke. Call only while [`can_read`](Self::can_read).
    ///
    /// # Errors
    /// [`SessionError`]: call [`close`](Self::close) with it.
    pub fn handle_packet<'p>(
        &mut self,
        packet: Packet<'p>,
        now: Timestamp,
    ) -> Result<Handled<'p>, SessionError> {
        debug_assert!(self.can_read(), "packets wait until they can be read");
        if self.state == State::ExpectConnect {
            return match packet {
                Packet::Connect(connect) => self.on_connect(connect),
                _ => Err(SessionError::ExpectedConnect), // [MQTT-3.1.0-1]
            };
        }
        self.timers.heard(now);
        match packet {
            Packet::Publish(publish) => self.on_publish(&publish),
            Packet::Puback(puback) => Ok(self.on_puback(puback)),
            Packet::Subscribe(subscribe) => self.on_subscribe(&subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(&unsubscribe),
            Packet::Pingreq(_) => {
                Pingresp.encode(&mut self.transmit);
                Ok(Handled::Nothing)
            }
            Packet::Disconnect(_) => {
                self.will = None; // [MQTT-3.14.4-3]
                Ok(Handled::Disconnect)
            }
            Packet::Connect(_) => Err(SessionError::SecondConnect), // [MQTT-3.1.0-2]
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp(_) => {
                Err(SessionError::ServerPacket)
            }
        }
    }

    /// The hub lets the client in: CONNACK 0.
    ///
    /// # Panics
    /// When no verdict is awaited.
    pub fn accept(&mut self, acceptance: Acceptance, now: Timestamp) {
        assert_eq!(self.state, State::AwaitingVerdict, "a verdict answers a CONNECT");
        self.state = State::Connected;
        if !self.clean_session {
            self.subscriptions = acceptance.subscriptions;
        }
        self.timers.accept(self.keep_alive_secs, acceptance.token_deadline, now);
        // [MQTT-3.2.2-1]
        let session_present = acceptance.session_present && !self.clean_session;
        Connack::Accepted { session_present }.encode(&mut self.transmit);
    }

    /// The hub does not let the client in: CONNACK with `code`, then the end.
    ///
    /// # Panics
    /// When no verdict is awaited.
    pub fn refuse(&mut self, code: ConnackCode) {
        assert_eq!(self.state, State::AwaitingVerdict, "a verdict answers a CONNECT");
        self.close(CloseReason::Refused(code));
    }

    /// The message of a [`Handled::Publish`] is in the ring; QoS 1 now awaits the commit of
    /// `position`.
    ///
    /// # Panics
    /// When positions fall.
    pub fn handle_accepted(&mut self, receipt: Receipt, position: RingPosition) {
        self.window.accept(receipt, position);
    }

    /// Everything up to `position` is durable. Tells whether there is a PUBACK to transmit.
    ///
    /// # Panics
    /// When positions fall.
    pub fn handle_committed(&mut self, position: Committed<RingPosition>) -> bool {
        self.window.commit(position)
    }

    /// The subscriptions of a [`Handled::Subscribe`] or [`Handled::Unsubscribe`] are durable; the
    /// answer may leave.
    ///
    /// Harmless when none is awaited, as after a close.
    pub fn handle_subscribed(&mut self) {
        let Some(change) = self.awaited_change.take() else { return };
        self.subscriptions = change.subscriptions;
        self.state = State::Connected;
        match change.codes {
            Some(codes) => Suback { id: change.id, codes: &codes }
                .encode(&mut self.transmit)
                .expect("the number of filters is limited"),
            None => Unsuback { id: change.id }.encode(&mut self.transmit),
        }
    }

    /// The clock spoke. Calling early is harmless.
    ///
    /// Silence does not count while the hub itself does not read: then the time starts anew.
    ///
    /// # Errors
    /// [`SessionError`]: call [`close`](Self::close) with it.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<(), SessionError> {
        if self.state == State::Closed {
            return Ok(());
        }
        if self.timers.token_expired(now) {
            return Err(SessionError::TokenExpired);
        }
        if now < self.timers.silence_deadline() {
            return Ok(());
        }
        match self.state {
            State::ExpectConnect | State::AwaitingVerdict => Err(SessionError::ConnectTimeout),
            _ if self.can_read() => Err(SessionError::KeepAliveExpired), // [MQTT-3.1.2-24]
            _ => {
                self.timers.heard(now);
                Ok(())
            }
        }
    }

    /// The hub reads again after a time in which it did not: silence counts from now on.
    pub fn handle_resumed(&mut self, now: Timestamp) {
        self.timers.heard(now);
    }

    /// Next deadline; `None` after the end.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        (self.state != State::Closed).then(|| self.timers.next())
    }

    /// Appends everything that may leave and tells whether there was anything.
    pub fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        let before = out.len();
        if self.state != State::Closed {
            self.window.release(out);
        }
        if !self.transmit.is_empty() {
            out.extend_from_slice(&self.transmit);
            self.transmit = BytesMut::new();
        }
        out.len() > before
    }

    /// Ends the session and gives the will, which is due now; a second call does nothing.
    ///
    /// A client without a CONNACK gets one if the reason has a code. There is a will unless the
    /// client was never let in or left by DISCONNECT.
    pub fn close(&mut self, reason: CloseReason) -> Option<Box<Will>> {
        let (refused, was_in) = match self.state {
            State::ExpectConnect | State::AwaitingVerdict => (reason.connack_code(), false),
            State::Connected | State::AwaitingSubscribed => (None, true),
            State::Closed => (None, false),
        };
        if let Some(code) = refused {
            Connack::Refused(code).encode(&mut self.transmit);
        }
        self.state = State::Closed;
        self.window.clear();
        self.outbound = None;
        self.awaited_change = None;
        let will = self.will.take();
        if was_in && reason != CloseReason::Disconnect { will } else { None }
    }

    fn on_connect<'p>(&mut self, connect: AnyConnect<'p>) -> Result<Handled<'p>, SessionError> {
        let connect = match connect {
            AnyConnect::V4(connect) => connect,
            AnyConnect::Other { level } => return Err(SessionError::ProtocolLevel(level)),
        };
        let Connect { clean_session, keep_alive, client_id, password, .. } = connect;
        let user_name = UserName::parse(connect.user_name.ok_or(SessionError::NoUserName)?)?;
        if !user_name.matches_client_id(client_id) {
            return Err(SessionError::ClientId);
        }
        let identity = identity_of(&user_name)?;
        self.will = connect.will.map(|will| Box::new(Will::new(&will)));
        self.identity = Some(identity);
        self.clean_session = clean_session;
        self.keep_alive_secs = keep_alive;
        self.state = State::AwaitingVerdict;
        Ok(Handled::Connect(ConnectRequest { user_name, password, clean_session }))
    }

    fn on_publish<'p>(&mut self, publish: &Publish<'p>) -> Result<Handled<'p>, SessionError> {
        let topic = Topic::parse(publish.topic, self.known_identity()?)?;
        let body = publish.payload;
        let request = |rid, operation| Handled::TwinRequest(TwinRequest { rid, operation });
        let handled = match topic {
            Topic::Events { bag } => {
                return D2cPublish::new(publish, bag).map(Handled::Publish);
            }
            Topic::MethodResponse { status, rid } => {
                Handled::MethodResponse(MethodResponse { status, rid, body })
            }
            Topic::TwinGet { rid } => request(rid, TwinOperation::Get),
            Topic::TwinReported { rid, version } => {
                request(rid, TwinOperation::PatchReported { version, patch: body })
            }
        };
        match publish.delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce { id, .. } => self.window.acknowledge_in_turn(id), // G27
            Delivery::ExactlyOnce { .. } => return Err(SessionError::PublishQos),
        }
        Ok(handled)
    }

    fn on_puback<'p>(&mut self, puback: Puback) -> Handled<'p> {
        let Some(outbound) = &mut self.outbound else { return Handled::Nothing };
        let token = outbound.acknowledge(puback.id);
        if outbound.is_empty() {
            self.outbound = None; // An idle connection holds no memory for this.
        }
        token.map_or(Handled::Nothing, Handled::Delivered)
    }

    fn on_subscribe<'p>(&mut self, subscribe: &Subscribe<'_>) -> Result<Handled<'p>, SessionError> {
        let mut subscriptions = self.subscriptions;
        let mut codes = Vec::new();
        for (filter, requested) in subscribe.filters() {
            if codes.len() == MQTT_FILTERS_MAX {
                return Err(SessionError::TooManyFilters);
            }
            let granted = match SubscriptionKind::parse(filter, self.known_identity()?)? {
                Some(kind) => subscriptions.insert(kind, requested),
                None => requested.min(Qos::AtLeastOnce),
            };
            codes.push(granted as u8);
        }
        let change = self.await_change(subscriptions, subscribe.id, Some(codes));
        Ok(Handled::Subscribe(change))
    }

    fn on_unsubscribe<'p>(
        &mut self,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<Handled<'p>, SessionError> {
        let mut subscriptions = self.subscriptions;
        for (index, filter) in unsubscribe.filters().enumerate() {
            if index == MQTT_FILTERS_MAX {
                return Err(SessionError::TooManyFilters);
            }
            if let Some(kind) = SubscriptionKind::parse(filter, self.known_identity()?)? {
                subscriptions.remove(kind);
            }
        }
        let change = self.await_change(subscriptions, unsubscribe.id, None);
        Ok(Handled::Unsubscribe(change))
    }

    fn await_change(
        &mut self,
        subscriptions: Subscriptions,
        id: PacketId,
        codes: Option<Vec<u8>>,
    ) -> SubscriptionChange {
        let persist = !self.clean_session && subscriptions != self.subscriptions;
        self.awaited_change = Some(Box::new(AwaitedChange { subscriptions, id, codes }));
        self.state = State::AwaitingSubscribed;
        SubscriptionChange { subscriptions, persist }
    }

    fn known_identity(&self) -> Result<&Identity, TopicError> {
        self.identity.as_ref().ok_or(TopicError::Foreign)
    }
}

fn identity_of(user_name: &UserName<'_>) -> Result<Identity, InvalidUserName> {
    let module = user_name.module.map(ModuleId::parse).transpose()?;
    Ok(Identity { device: DeviceId::parse(user_name.device)?, module })
}
