//! Drivers: one protocol machine of `core` each, joined to rings, directory and control plane.

mod mqtt;
mod not_built;

use bytes::BytesMut;
use ringhub_core::id::ConnectionId;
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::time::Timestamp;

use self::mqtt::MqttDriver;
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
}

/// Calls one method of whichever driver it is.
macro_rules! dispatch {
    ($self:expr, $driver:ident => $call:expr) => {
        match $self {
            Kind::Mqtt($driver) => $call,
        }
    };
}

impl Driver {
    pub(super) fn open(
        services: &HubServices,
        opening: &Opening<'_>,
        connection: ConnectionId,
    ) -> Self {
        let _ = (services, connection);
        Self(match opening.listener {
            ListenerKind::Mqtt => Kind::Mqtt(Box::new(MqttDriver::new(opening.now))),
            _ => todo!(),
        })
    }
}

type Context<'a> = ShardContext<'a, HubServices>;

impl Protocol for Driver {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        dispatch!(&mut self.0, driver => driver.handle_bytes(input, cx))
    }

    fn handle_committed(
        &mut self,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_committed(upto, cx))
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_mail(mail, cx))
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        dispatch!(&mut self.0, driver => driver.handle_timeout(cx))
    }

    fn handle_closed(&mut self, why: Close, cx: &mut Context<'_>) {
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
