//! A device on core's MQTT machine, over a blocking connection.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ringhub_core::codec::mqtt::{Connect, Qos, decode};
use ringhub_core::session::mqtt::{ClientEvent, MqttClient};
use ringhub_core::time::Timestamp;

use super::harness::address::MQTT_PORT;
use super::hub::Hub;
use super::wire::Wire;

/// A device whose CONNECT was accepted.
pub(crate) struct Connection {
    pub(crate) machine: MqttClient,
    wire: Wire,
    output: BytesMut,
    started: Instant,
}

impl Connection {
    /// Connects as `id` with a token that covers it.
    pub(crate) fn open(hub: &Hub, id: &str, token: &str, inflight_max: usize) -> io::Result<Self> {
        let user = format!("{}/{id}/?api-version=2021-04-12", hub.address.ip);
        let connect = Connect {
            clean_session: true,
            keep_alive: 240,
            client_id: id,
            will: None,
            user_name: Some(&user),
            password: Some(token.as_bytes()),
        };
        let patience = Duration::from_secs(30);
        let machine = MqttClient::connect(&connect, inflight_max, patience, Timestamp::ZERO);
        let mut connection = Self {
            machine: machine.map_err(io::Error::other)?,
            wire: Wire::connect(hub, MQTT_PORT)?,
            output: BytesMut::new(),
            started: Instant::now(),
        };
        connection.send()?;
        let mut connected = false;
        connection.receive(|event| {
            connected = matches!(event, ClientEvent::Connected { .. });
            Ok(())
        })?;
        if connected { Ok(connection) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }

    /// Subscribes with QoS 0 and waits for the answer.
    pub(crate) fn subscribe(&mut self, filter: &str) -> io::Result<()> {
        let subscribed = self.machine.subscribe(&[(filter, Qos::AtMostOnce)]);
        subscribed.map_err(io::Error::other)?;
        self.send()?;
        self.receive(|_| Ok(()))
    }

    /// Sends what the machine has, in one TLS record if it is short.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.output.clear();
        let now = Timestamp::ZERO + self.started.elapsed();
        while self.machine.poll_transmit(&mut self.output, now) {}
        self.wire.send(&self.output)
    }

    /// Waits for packets, at least one, and shows what each means.
    pub(crate) fn receive(
        &mut self,
        mut on_event: impl FnMut(ClientEvent<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.wire.fill()?;
        while let Some((packet, len)) = decode(&self.wire.input).map_err(io::Error::other)? {
            on_event(self.machine.handle_packet(packet).map_err(io::Error::other)?)?;
            self.wire.input.advance(len);
        }
        Ok(())
    }
}
