//! A device that reports properties of its twin.

use std::io;

use ringhub_core::codec::mqtt::Qos;
use ringhub_core::session::mqtt::ClientEvent;

use crate::path_support::connection::Connection;
use crate::path_support::harness::rest::Device;
use crate::path_support::hub::Hub;

/// A connected device that hears the answers to its twin requests.
pub(crate) struct Reporter {
    connection: Connection,
    reports: u64,
}

impl Reporter {
    /// Connects with the device's own key.
    pub(crate) fn connect(hub: &Hub, device: &Device) -> io::Result<Self> {
        let mut connection = Connection::open(hub, &device.id, &device.token(hub), 1)?;
        connection.subscribe("$iothub/twin/res/#")?;
        Ok(Self { connection, reports: 0 })
    }

    /// Reports one property and waits until it is stored.
    pub(crate) fn report(&mut self) -> io::Result<()> {
        let number = self.reports;
        self.reports += 1;
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
        let patch = format!(r#"{{"temperature":{number}}}"#);
        let machine = &mut self.connection.machine;
        machine.publish(&topic, patch.as_bytes(), Qos::AtMostOnce, 0).map_err(io::Error::other)?;
        self.connection.send()?;
        let stored = format!("$iothub/twin/res/204/?$rid={number}&");
        self.connection.receive(|event| match event {
            ClientEvent::Message(reply) if reply.topic.starts_with(&stored) => Ok(()),
            event => Err(io::Error::other(format!("{event:?}"))),
        })
    }
}
