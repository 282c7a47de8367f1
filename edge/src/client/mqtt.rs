//! A device over MQTT: core's client machine on a blocking connection.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ringhub_core::codec::mqtt::{Connect, Qos, decode};
use ringhub_core::session::mqtt::{
    ClientError as MachineError, ClientEvent, MqttClient as Machine, SendError,
};
use ringhub_core::time::Timestamp;

use super::connection_string::Principal;
use super::target::Target;
use super::token::{Credential, encode_segment};
use super::wire::{PATIENCE, Wire};
use super::{ClientError, Result};

/// Silence after which the machine pings, in seconds.
const KEEP_ALIVE_SECS: u16 = 60;

/// Publishes that may await their PUBACK.
const INFLIGHT_MAX: usize = 100;

/// What came from the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MqttFact {
    /// The publish with this tag is on disk.
    Acknowledged(u64),
    /// A SUBSCRIBE is answered.
    Subscribed,
    /// A message.
    Message {
        /// Where it was published to.
        topic: String,
        /// What it is.
        payload: Vec<u8>,
    },
}

/// A connected device or module.
pub struct MqttClient {
    machine: Machine,
    wire: Wire,
    output: BytesMut,
}

impl MqttClient {
    /// Connects as the device or module of `credential`, with the Plug and Play model that it
    /// announces if there is one, and waits for the verdict.
    ///
    /// # Errors
    /// [`ClientError`] when the hub cannot be reached or refuses.
    pub fn connect(
        target: &Target,
        credential: &Credential,
        model_id: Option<&str>,
    ) -> Result<Self> {
        let client_id = client_id(credential)?;
        let model = model_id.map(|id| format!("&model-id={}", encode_segment(id)));
        let model = model.unwrap_or_default();
        let user = format!("{}/{client_id}/?api-version=2021-04-12{model}", target.host_name);
        let token = credential.token(&target.host_name);
        let connect = Connect {
            clean_session: true,
            keep_alive: KEEP_ALIVE_SECS,
            client_id: &client_id,
            will: None,
            user_name: Some(&user),
            password: Some(token.as_bytes()),
        };
        let machine = Machine::connect(&connect, INFLIGHT_MAX, PATIENCE, Timestamp::ZERO);
        let machine = machine.map_err(std::io::Error::other)?;
        let wire = Wire::connect(target, &target.mqtt, "MQTT")?;
        let mut client = Self { machine, wire, output: BytesMut::new() };
        client.flush()?;
        client.expect_connack(&client_id)?;
        Ok(client)
    }

    fn expect_connack(&mut self, client_id: &str) -> Result<()> {
        loop {
            let Some((packet, _)) = decode(&self.wire.input).map_err(protocol)? else {
                self.wait(PATIENCE)?;
                continue;
            };
            return match self.machine.handle_packet(packet).map_err(machine_error)? {
                ClientEvent::Connected { .. } => {
                    // A CONNACK has four bytes.
                    self.wire.input.advance(4);
                    Ok(())
                }
                _ => Err(ClientError::LoginRefused { principal: format!("device {client_id}") }),
            };
        }
    }

    /// Publishes with QoS 1; `tag` comes back in [`MqttFact::Acknowledged`]. `false` while too many
    /// publishes await theirs: call [`next`](Self::next) first.
    ///
    /// # Errors
    /// [`ClientError`] when the topic is too long or the connection is broken.
    pub fn publish(&mut self, topic: &str, payload: &[u8], tag: u64) -> Result<bool> {
        self.publish_with(topic, payload, Qos::AtLeastOnce, tag)
    }

    /// Publishes with QoS 0, which nothing answers.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub fn publish_unacknowledged(&mut self, topic: &str, payload: &[u8]) -> Result<bool> {
        self.publish_with(topic, payload, Qos::AtMostOnce, 0)
    }

    fn publish_with(&mut self, topic: &str, payload: &[u8], qos: Qos, tag: u64) -> Result<bool> {
        match self.machine.publish(topic, payload, qos, tag) {
            Ok(()) => self.flush().map(|()| true),
            Err(SendError::WindowFull) => Ok(false),
            Err(error) => Err(std::io::Error::other(error).into()),
        }
    }

    /// Publishes that await their PUBACK.
    #[must_use]
    pub fn inflight(&self) -> usize {
        self.machine.inflight()
    }

    /// Subscribes to all `filters` with QoS 1; [`MqttFact::Subscribed`] follows.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is broken.
    pub fn subscribe(&mut self, filters: &[&str]) -> Result<()> {
        let filters: Vec<_> = filters.iter().map(|filter| (*filter, Qos::AtLeastOnce)).collect();
        self.machine.subscribe(&filters).map_err(std::io::Error::other)?;
        self.flush()
    }

    /// Waits for the next fact, for `wait` at most; pings in between when it is time.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is over.
    pub fn next(&mut self, wait: Duration) -> Result<Option<MqttFact>> {
        let until = Instant::now() + wait;
        loop {
            if let Some(fact) = self.take_fact()? {
                self.flush()?;
                return Ok(Some(fact));
            }
            self.flush()?;
            let left = until.saturating_duration_since(Instant::now());
            if !self.wait(left)? && left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Says goodbye, so that no will is published.
    ///
    /// # Errors
    /// [`ClientError`] when the connection is broken.
    pub fn disconnect(mut self) -> Result<()> {
        self.machine.disconnect();
        self.flush()
    }

    fn take_fact(&mut self) -> Result<Option<MqttFact>> {
        while let Some((packet, length)) = decode(&self.wire.input).map_err(protocol)? {
            let fact = match self.machine.handle_packet(packet).map_err(machine_error)? {
                ClientEvent::Acknowledged { tag, .. } => Some(MqttFact::Acknowledged(tag)),
                ClientEvent::Subscribed(_) => Some(MqttFact::Subscribed),
                ClientEvent::Message(publish) => Some(MqttFact::Message {
                    topic: publish.topic.to_owned(),
                    payload: publish.payload.to_vec(),
                }),
                _ => None,
            };
            self.wire.input.advance(length);
            if fact.is_some() {
                return Ok(fact);
            }
        }
        Ok(None)
    }

    /// Waits for bytes, and lets the machine see the clock.
    fn wait(&mut self, wait: Duration) -> Result<bool> {
        let came = self.wire.fill(wait.min(self.until_deadline()))?;
        let now = self.now();
        self.machine.handle_timeout(now).map_err(machine_error)?;
        self.flush()?;
        Ok(came)
    }

    fn until_deadline(&self) -> Duration {
        self.machine.poll_timeout().map_or(Duration::MAX, |deadline| deadline.since(self.now()))
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.wire.elapsed()
    }

    fn flush(&mut self) -> Result<()> {
        let now = self.now();
        self.output.clear();
        if self.machine.poll_transmit(&mut self.output, now) {
            self.wire.send(&self.output)?;
        }
        Ok(())
    }
}

/// The client id that belongs to a device or module.
fn client_id(credential: &Credential) -> Result<String> {
    match &credential.principal {
        Principal::Device(device) => Ok(device.clone()),
        Principal::Module { device, module } => Ok(format!("{device}/{module}")),
        Principal::Policy(policy) => Err(ClientError::WrongPrincipal(format!(
            "the policy {policy} is no device: a device connects with its own key"
        ))),
    }
}

fn protocol(error: impl std::fmt::Display) -> ClientError {
    ClientError::Protocol(error.to_string())
}

fn machine_error(error: MachineError) -> ClientError {
    match error {
        MachineError::Silent => ClientError::Silent(PATIENCE.as_secs()),
        error => protocol(error),
    }
}
