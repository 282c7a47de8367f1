//! A device that publishes with QoS 1, many messages at a time or one.

use std::io;
use std::time::{Duration, Instant};

use ringhub_core::codec::mqtt::Qos;
use ringhub_core::session::mqtt::ClientEvent;

use super::connection::Connection;
use super::harness::rest::Device;
use super::hub::Hub;

/// A connected device.
pub(crate) struct Publisher {
    connection: Connection,
    topic: String,
    inflight_max: usize,
}

impl Publisher {
    /// Connects with the device's own key.
    pub(crate) fn connect(hub: &Hub, device: &Device, inflight_max: usize) -> io::Result<Self> {
        let connection = Connection::open(hub, &device.id, &device.token(hub), inflight_max)?;
        let topic = format!("devices/{}/messages/events/", device.id);
        Ok(Self { connection, topic, inflight_max })
    }

    /// Sends `count` messages in one TLS record.
    pub(crate) fn publish(&mut self, payload: &[u8], count: usize) -> io::Result<()> {
        for _ in 0..count {
            let published =
                self.connection.machine.publish(&self.topic, payload, Qos::AtLeastOnce, 0);
            published.map_err(io::Error::other)?;
        }
        self.connection.send()
    }

    /// Publishes for so long, `per_segment` at a time and as many as may be in flight, and tells
    /// how many were acknowledged.
    pub(crate) fn publish_for(
        &mut self,
        time: Duration,
        payload: &[u8],
        per_segment: usize,
    ) -> io::Result<u64> {
        let begin = Instant::now();
        let mut acknowledged = 0;
        while begin.elapsed() < time {
            while self.inflight() + per_segment <= self.inflight_max {
                self.publish(payload, per_segment)?;
            }
            acknowledged += self.receive()? as u64;
        }
        Ok(acknowledged)
    }

    /// Messages that are not acknowledged.
    pub(crate) fn inflight(&self) -> usize {
        self.connection.machine.inflight()
    }

    /// Waits for acknowledgements and tells how many came.
    pub(crate) fn receive(&mut self) -> io::Result<usize> {
        let mut acknowledged = 0;
        self.connection.receive(|event| match event {
            ClientEvent::Acknowledged { in_order: true, .. } => {
                acknowledged += 1;
                Ok(())
            }
            event => Err(io::Error::other(format!("{event:?}"))),
        })?;
        Ok(acknowledged)
    }
}
