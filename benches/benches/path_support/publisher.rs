//! A device on core's MQTT machine: publishes with QoS 1, many at a time or one.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ringhub_core::codec::mqtt::{Connect, Qos, decode};
use ringhub_core::session::mqtt::{ClientEvent, MqttClient};
use ringhub_core::time::Timestamp;

use super::harness::address::MQTT_PORT;
use super::harness::rest::Device;
use super::hub::Hub;
use super::wire::Wire;

/// A connected device.
pub(crate) struct Publisher {
    machine: MqttClient,
    wire: Wire,
    topic: String,
    output: BytesMut,
    started: Instant,
    connected: bool,
}

impl Publisher {
    /// Connects with the device's own key.
    pub(crate) fn connect(hub: &Hub, device: &Device, inflight_max: usize) -> io::Result<Self> {
        let user = format!("{}/{}/?api-version=2021-04-12", hub.address.ip, device.id);
        let token = device.token(hub);
        let connect = Connect {
            clean_session: true,
            keep_alive: 240,
            client_id: &device.id,
            will: None,
            user_name: Some(&user),
            password: Some(token.as_bytes()),
        };
        let patience = Duration::from_secs(30);
        let machine = MqttClient::connect(&connect, inflight_max, patience, Timestamp::ZERO);
        let mut publisher = Self {
            machine: machine.map_err(io::Error::other)?,
            wire: Wire::connect(hub, MQTT_PORT)?,
            topic: format!("devices/{}/messages/events/", device.id),
            output: BytesMut::new(),
            started: Instant::now(),
            connected: false,
        };
        publisher.send()?;
        while !publisher.connected {
            publisher.receive()?;
        }
        Ok(publisher)
    }

    /// Sends `count` messages in one TLS record.
    pub(crate) fn publish(&mut self, payload: &[u8], count: usize) -> io::Result<()> {
        for _ in 0..count {
            let published = self.machine.publish(&self.topic, payload, Qos::AtLeastOnce, 0);
            published.map_err(io::Error::other)?;
        }
        self.send()
    }

    /// Messages that are not acknowledged.
    pub(crate) fn inflight(&self) -> usize {
        self.machine.inflight()
    }

    /// Waits for acknowledgements and tells how many came.
    pub(crate) fn receive(&mut self) -> io::Result<usize> {
        self.wire.fill()?;
        let mut acknowledged = 0;
        while let Some((packet, len)) = decode(&self.wire.input).map_err(io::Error::other)? {
            match self.machine.handle_packet(packet).map_err(io::Error::other)? {
                ClientEvent::Acknowledged { in_order: true, .. } => acknowledged += 1,
                ClientEvent::Connected { .. } => self.connected = true,
                event => return Err(io::Error::other(format!("{event:?}"))),
            }
            self.wire.input.advance(len);
        }
        Ok(acknowledged)
    }

    fn send(&mut self) -> io::Result<()> {
        self.output.clear();
        let now = Timestamp::ZERO + self.started.elapsed();
        while self.machine.poll_transmit(&mut self.output, now) {}
        self.wire.send(&self.output)
    }
}
