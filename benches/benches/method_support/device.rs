//! Devices on core's MQTT machine: many that are merely connected, and some that answer methods.

use std::io::{self, ErrorKind};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ringhub_core::codec::mqtt::{Connect, Qos, decode};
use ringhub_core::session::mqtt::{ClientEvent, MqttClient};
use ringhub_core::time::Timestamp;

use crate::path_support::harness::address::MQTT_PORT;
use crate::path_support::harness::{rest, sas};
use crate::path_support::hub::Hub;
use crate::path_support::wire::Wire;

const METHODS: &str = "$iothub/methods/POST/";
/// Items of one bulk request.
const BULK: usize = 100;

/// Registers `device-0` and so on.
pub(crate) fn register(hub: &Hub, count: usize) -> io::Result<()> {
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(BULK) {
        let item = |n: &usize| format!(r#"{{"id":"{}","importMode":"create"}}"#, name(*n));
        let items = batch.iter().map(item).collect::<Vec<_>>().join(",");
        let (status, reply) = rest::exchange(hub, "POST", "/devices", &format!("[{items}]"))?;
        assert_eq!(status, 200, "{reply}");
    }
    Ok(())
}

/// The id of a device by its number.
pub(crate) fn name(number: usize) -> String {
    format!("device-{number}")
}

/// A connected device that listens to methods.
pub(crate) struct MethodDevice {
    machine: MqttClient,
    wire: Wire,
    output: BytesMut,
    started: Instant,
    /// Bytes of the last call and of its answer, as they are before TLS.
    sizes: (usize, usize),
}

impl MethodDevice {
    /// Connects by the hub's `device` policy and subscribes.
    pub(crate) fn connect(hub: &Hub, id: &str) -> io::Result<Self> {
        let user = format!("{}/{id}/?api-version=2021-04-12", hub.address.ip);
        let resource = format!("{}/devices", hub.address.ip);
        let token = sas::token(&resource, &hub.policy_key("device"), Some("device"));
        let connect = Connect {
            clean_session: true,
            keep_alive: 240,
            client_id: id,
            will: None,
            user_name: Some(&user),
            password: Some(token.as_bytes()),
        };
        let machine = MqttClient::connect(&connect, 1, Duration::from_secs(30), Timestamp::ZERO);
        let mut device = Self {
            machine: machine.map_err(io::Error::other)?,
            wire: Wire::connect(hub, MQTT_PORT)?,
            output: BytesMut::new(),
            started: Instant::now(),
            sizes: (0, 0),
        };
        device.send()?;
        device.receive()?;
        let filter = format!("{METHODS}#");
        let subscribed = device.machine.subscribe(&[(&filter, Qos::AtMostOnce)]);
        subscribed.map_err(io::Error::other)?;
        device.send()?;
        device.receive()?;
        Ok(device)
    }

    /// Answers every call with its own payload until the connection ends, however long none comes.
    pub(crate) fn answer_all(mut self) -> JoinHandle<()> {
        // The kernel's word for a time-out of a socket that blocks.
        let is_over = |error: io::Error| error.kind() != ErrorKind::WouldBlock;
        thread::spawn(move || while !self.receive().is_err_and(is_over) {})
    }

    /// Answers one call; returns the bytes of call and answer.
    pub(crate) fn answer_one(&mut self) -> io::Result<(usize, usize)> {
        self.receive()?;
        Ok(self.sizes)
    }

    /// Waits for packets, at least one, and answers those that are calls.
    fn receive(&mut self) -> io::Result<()> {
        self.wire.fill()?;
        let mut answers = Vec::new();
        while let Some((packet, len)) = decode(&self.wire.input).map_err(io::Error::other)? {
            let event = self.machine.handle_packet(packet).map_err(io::Error::other)?;
            if let ClientEvent::Message(message) = event {
                let (_, rid) = message.topic.split_once("/?$rid=").ok_or_else(|| {
                    io::Error::other(format!("no method call: {}", message.topic))
                })?;
                let topic = format!("$iothub/methods/res/200/?$rid={rid}");
                answers.push((topic, message.payload.to_vec()));
                self.sizes.0 = len;
            }
            self.wire.input.advance(len);
        }
        for (topic, payload) in answers {
            let published = self.machine.publish(&topic, &payload, Qos::AtMostOnce, 0);
            published.map_err(io::Error::other)?;
            self.send()?;
            self.sizes.1 = self.output.len();
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        self.output.clear();
        let now = Timestamp::ZERO + self.started.elapsed();
        while self.machine.poll_transmit(&mut self.output, now) {}
        self.wire.send(&self.output)
    }
}
