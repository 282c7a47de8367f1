//! Drivers: one protocol machine of `core` each, joined to rings, directory and control plane.

mod amqp;
mod http;
mod mqtt;
mod websocket;

use bytes::BytesMut;
use ringhub_core::auth::CertificateChain;
use ringhub_core::id::SeatId;
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::time::Timestamp;

use ringhub_core::codec::websocket::Protocol as Carried;

use self::amqp::AmqpDriver;
use self::http::HttpDriver;
use self::mqtt::MqttDriver;
use self::websocket::WebSocketDriver;
use super::mailbox::Mail;
use super::{Close, HubServices, Opening, Protocol, ShardContext};
use crate::listener::ListenerKind;

/// The driver of one connection, by the port that was dialled.
#[derive(Debug)]
pub struct Driver(Kind);

/// HTTP may become a WebSocket, nothing else changes.
#[derive(Debug)]
enum Kind {
    Mqtt(Box<MqttDriver>),
    Amqp(Box<AmqpDriver>),
    Http(Box<HttpDriver>),
    MqttWebSocket(Box<WebSocketDriver<MqttDriver>>),
    AmqpWebSocket(Box<WebSocketDriver<AmqpDriver>>),
}

/// Calls one method of whichever driver it is.
macro_rules! dispatch {
    ($self:expr, $driver:ident => $call:expr) => {
        match $self {
            Kind::Mqtt($driver) => $call,
            Kind::Amqp($driver) => $call,
            Kind::Http($driver) => $call,
            Kind::MqttWebSocket($driver) => $call,
            Kind::AmqpWebSocket($driver) => $call,
        }
    };
}

impl Driver {
    pub(super) fn open(services: &HubServices, opening: &Opening<'_>) -> Self {
        let now = opening.now;
        let chain = || CertificateChain::new(opening.certificates.iter().map(AsRef::as_ref));
        Self(match opening.listener {
            ListenerKind::Mqtt => Kind::Mqtt(Box::new(MqttDriver::new(chain(), now))),
            ListenerKind::Amqp => Kind::Amqp(Box::new(AmqpDriver::new(services, chain(), now))),
            ListenerKind::Http => Kind::Http(Box::new(HttpDriver::new(services, chain(), now))),
        })
    }

    /// Puts a WebSocket in the place of an HTTP driver that has accepted one.
    fn upgrade(&mut self, cx: &Context<'_>) {
        let Kind::Http(http) = &mut self.0 else { return };
        let Some(carried) = http.take_upgrade() else { return };
        let mut handshake = BytesMut::new();
        while http.poll_transmit(&mut handshake) {}
        self.0 = match carried {
            Carried::Mqtt => {
                cx.counters().mqtt_websockets_open.add(1);
                let inner = MqttDriver::new(http.take_certificate(), cx.now);
                Kind::MqttWebSocket(Box::new(WebSocketDriver::new(inner, handshake)))
            }
            Carried::Amqp => {
                cx.counters().amqp_websockets_open.add(1);
                let inner = AmqpDriver::new(cx.services, http.take_certificate(), cx.now);
                Kind::AmqpWebSocket(Box::new(WebSocketDriver::new(inner, handshake)))
            }
        };
    }
}

type Context<'a> = ShardContext<'a, HubServices>;

impl Protocol for Driver {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let consumed = dispatch!(&mut self.0, driver => driver.handle_bytes(input, cx))?;
        self.upgrade(cx);
        Ok(consumed)
    }

    fn handle_committed(
        &mut self,
        seat: SeatId,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_committed(seat, upto, cx))
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_mail(mail, cx))
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_timeout(cx))
    }

    fn handle_log_failed(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_log_failed(cx))
    }

    fn handle_closed(&mut self, why: Close, cx: &mut Context<'_>) {
        match &self.0 {
            Kind::MqttWebSocket(_) => cx.counters().mqtt_websockets_open.sub(1),
            Kind::AmqpWebSocket(_) => cx.counters().amqp_websockets_open.sub(1),
            Kind::Mqtt(_) | Kind::Amqp(_) | Kind::Http(_) => {}
        }
        dispatch!(&mut self.0, driver => driver.handle_closed(why, cx));
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        dispatch!(&self.0, driver => driver.poll_timeout())
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        dispatch!(&mut self.0, driver => driver.poll_transmit(out))
    }

    fn can_read(&self, services: &HubServices) -> bool {
        dispatch!(&self.0, driver => driver.can_read(services))
    }
}
