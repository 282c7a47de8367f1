//! One connection: TLS and what is spoken over it, from bytes to verdict, without IO.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ringhub_core::codec::mqtt::{Connect, Qos, decode};
use ringhub_core::session::amqp::AmqpConfig;
use ringhub_core::session::mqtt::{ClientEvent, MqttClient};
use ringhub_core::time::Timestamp;

use crate::conversation::device::{self, Heard};
use crate::failure::Failure;
use crate::fleet::Login;
use crate::gateway::Gateway;
use crate::http_device::HttpDevice;
use crate::numbering;
use crate::protocol::Protocol;
use crate::records::Records;
use crate::tls::{TlsClient, TlsProgress};

/// What a device publishes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'m> {
    pub(crate) topic: &'m str,
    pub(crate) payload: &'m [u8],
    /// The number with which the first payload begins, the next one with the next; none of them
    /// with any if there is none.
    pub(crate) first_number: Option<u64>,
    pub(crate) qos: Qos,
}

/// What is the same for all devices.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) keep_alive: u16,
    /// Time that the server has for an answer.
    pub(crate) patience: Duration,
    /// QoS 1 publishes that may await what acknowledges them.
    pub(crate) inflight_max: usize,
    /// Messages that are sent at once.
    pub(crate) per_segment: usize,
    pub(crate) speech: Speech,
}

/// What is spoken over TLS, and what all connections say in it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Speech {
    #[default]
    Mqtt,
    Amqp(Arc<AmqpConfig>),
    Http {
        host: Box<str>,
        /// Whether the messages that are sent at once go into one request.
        is_batched: bool,
    },
}

impl Speech {
    pub(crate) const fn protocol(&self) -> Protocol {
        match self {
            Self::Mqtt => Protocol::Mqtt,
            Self::Amqp(_) => Protocol::Amqp,
            Self::Http { .. } => Protocol::Http,
        }
    }
}

/// The devices of a connection: one, unless it is a gateway over AMQP.
#[derive(Clone, Copy)]
pub(crate) struct Who<'l> {
    pub(crate) devices: u32,
    /// Asked once for each, by its number among them, when it is its turn to log in.
    pub(crate) login: &'l dyn Fn(u32) -> Login,
}

/// Who speaks over TLS.
enum Client {
    Mqtt(MqttClient),
    /// Boxed: there are few, and they are large.
    Amqp(Box<Gateway>),
    Http(HttpDevice),
}

/// Buffers that all devices of a thread share: one device at a time uses them, and leaves them
/// empty.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) received: Vec<u8>,
    pub(crate) out: Vec<u8>,
    /// Answers to pings.
    pub(crate) pongs: u64,
    /// Tags of publishes that were acknowledged.
    pub(crate) acknowledged: Vec<u64>,
    /// What else the device has heard.
    pub(crate) heard: Vec<Heard>,
    payload: Vec<u8>,
    plaintext: Vec<u8>,
    packets: BytesMut,
}

/// What a device is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// TLS or CONNACK; over AMQP until all devices may send, over HTTP TLS alone.
    Connecting,
    /// The session stands.
    Connected,
}

/// One device. Idle, it holds its keys and nothing else of variable length.
pub(crate) struct Device {
    /// Boxed: it is large, and gone when the session stands.
    handshake: Option<Box<TlsClient>>,
    records: Option<Records>,
    is_resumed: bool,
    client: Option<Client>,
    stage: Stage,
    /// The beginning of a record.
    partial: Box<[u8]>,
    /// The beginning of a packet.
    partial_packet: Box<[u8]>,
}

impl Device {
    pub(crate) fn new(tls: TlsClient) -> Self {
        let (partial, partial_packet) = (Box::default(), Box::default());
        let handshake = Some(Box::new(tls));
        Self {
            handshake,
            records: None,
            is_resumed: false,
            client: None,
            stage: Stage::Connecting,
            partial,
            partial_packet,
        }
    }

    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether a ticket made the handshake shorter.
    pub(crate) const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Processes `scratch.received` and appends what is to be sent to `scratch.out`. Called first
    /// with nothing received.
    pub(crate) fn handle_received(
        &mut self,
        scratch: &mut Scratch,
        manner: &Manner,
        who: Who<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if !self.partial.is_empty() {
            scratch.received.splice(..0, std::mem::take(&mut self.partial));
        }
        let (progress, consumed) = self.decrypt(scratch).map_err(Failure::Tls)?;
        self.partial = scratch.received[consumed..].into();
        scratch.received.clear();
        if progress == TlsProgress::Established {
            self.handle_established()?;
            if self.client.is_none() {
                let client = connect(manner, who, now)?;
                if matches!(client, Client::Http(_)) {
                    self.stage = Stage::Connected;
                }
                self.client = Some(client);
            }
        }
        // A server that refuses says why, and closes in the same breath.
        self.read_plaintext(scratch, who, now)?;
        if progress == TlsProgress::PeerClosed {
            return Err(self.closed());
        }
        self.transmit(scratch, now)
    }

    /// The clock spoke: pings when it is time. Appends what is to be sent to `scratch.out`.
    pub(crate) fn handle_timeout(
        &mut self,
        scratch: &mut Scratch,
        now: Timestamp,
    ) -> Result<(), Failure> {
        match &mut self.client {
            None => return Ok(()),
            Some(Client::Amqp(gateway)) => gateway.handle_timeout(now)?,
            Some(Client::Http(http)) => http.handle_timeout(now)?,
            Some(Client::Mqtt(mqtt)) => {
                if mqtt.poll_timeout().is_none_or(|deadline| now < deadline) {
                    return Ok(());
                }
                mqtt.handle_timeout(now).map_err(|_| match self.stage {
                    Stage::Connecting => Failure::Timeout,
                    Stage::Connected => Failure::Silent,
                })?;
            }
        }
        self.transmit(scratch, now)
    }

    /// Publishes that await what acknowledges them.
    pub(crate) fn inflight(&self) -> usize {
        match &self.client {
            None => 0,
            Some(Client::Mqtt(mqtt)) => mqtt.inflight(),
            Some(Client::Amqp(gateway)) => gateway.inflight(),
            Some(Client::Http(http)) => http.inflight(),
        }
    }

    /// Publishes that would be taken now, with QoS 1.
    pub(crate) fn room(&self, manner: &Manner) -> usize {
        match &self.client {
            Some(Client::Amqp(gateway)) => gateway.room(),
            _ => manner.inflight_max.saturating_sub(self.inflight()),
        }
    }

    /// Publishes `count` messages as one TLS record, which is appended to `scratch.out`. With QoS 1
    /// there must be [`room`](Self::room); `tag` comes back with each acknowledgement.
    pub(crate) fn publish(
        &mut self,
        scratch: &mut Scratch,
        message: Message<'_>,
        (count, tag): (u32, u64),
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mqtt = match &mut self.client {
            None => return Ok(()),
            Some(Client::Mqtt(mqtt)) => mqtt,
            Some(Client::Amqp(gateway)) => {
                gateway.publish(message, (count, tag), &mut scratch.payload)?;
                return self.transmit(scratch, now);
            }
            Some(Client::Http(http)) => {
                http.publish(message, (count, tag), &mut scratch.payload, now);
                return self.transmit(scratch, now);
            }
        };
        let Message { topic, payload, first_number, qos } = message;
        for place in 0..u64::from(count) {
            let payload = match first_number {
                Some(first) => numbering::write(&mut scratch.payload, payload, first + place),
                None => payload,
            };
            mqtt.publish(topic, payload, qos, tag).map_err(Failure::of_protocol)?;
        }
        self.transmit(scratch, now)
    }

    /// Subscribes to what is said to the device `name`; appends that to `scratch.out`.
    pub(crate) fn subscribe(
        &mut self,
        scratch: &mut Scratch,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(Client::Mqtt(mqtt)) = &mut self.client else { return Ok(()) };
        device::subscribe(mqtt, name).map_err(Failure::of_protocol)?;
        self.transmit(scratch, now)
    }

    /// Appends the goodbye and the end of TLS to `scratch.out`.
    pub(crate) fn disconnect(&mut self, scratch: &mut Scratch, now: Timestamp) {
        match &mut self.client {
            None => return,
            Some(Client::Mqtt(mqtt)) => mqtt.disconnect(),
            Some(Client::Amqp(gateway)) => gateway.close(),
            Some(Client::Http(_)) => {}
        }
        if self.transmit(scratch, now).is_ok()
            && let Some(records) = &mut self.records
        {
            // The socket ends right after; a failure here has no consequence.
            let _ = records.write_close_notify(&mut scratch.out);
        }
    }

    /// What the end of the stream means now.
    pub(crate) const fn closed(&self) -> Failure {
        match self.stage {
            Stage::Connecting => Failure::ClosedEarly,
            Stage::Connected => Failure::Closed,
        }
    }

    fn decrypt(&mut self, scratch: &mut Scratch) -> Result<(TlsProgress, usize), rustls::Error> {
        let Scratch { received, out, plaintext, .. } = scratch;
        match (&mut self.records, &mut self.handshake) {
            (Some(records), _) => records.read(received, plaintext),
            (None, Some(handshake)) => handshake.process(received, out, plaintext),
            (None, None) => Err(rustls::Error::HandshakeNotComplete),
        }
    }

    /// Lets go of the handshake.
    fn handle_established(&mut self) -> Result<(), Failure> {
        if let Some(handshake) = self.handshake.take() {
            self.is_resumed = handshake.is_resumed();
            self.records = Some(handshake.into_records().map_err(Failure::Tls)?);
        }
        Ok(())
    }

    fn read_plaintext(
        &mut self,
        scratch: &mut Scratch,
        who: Who<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if !self.partial_packet.is_empty() {
            scratch.plaintext.splice(..0, std::mem::take(&mut self.partial_packet));
        }
        let used = match &mut self.client {
            None => return Ok(()),
            Some(Client::Mqtt(mqtt)) => read_packets(mqtt, &mut self.stage, scratch)?,
            Some(Client::Amqp(gateway)) => {
                let Scratch { plaintext, acknowledged, .. } = scratch;
                let used = gateway.handle_bytes(plaintext, &who, acknowledged, now)?;
                if gateway.is_connected() {
                    self.stage = Stage::Connected;
                }
                used
            }
            Some(Client::Http(http)) => {
                let Scratch { plaintext, acknowledged, .. } = scratch;
                http.handle_bytes(plaintext, acknowledged)?
            }
        };
        self.partial_packet = scratch.plaintext[used..].into();
        scratch.plaintext.clear();
        Ok(())
    }

    fn transmit(&mut self, scratch: &mut Scratch, now: Timestamp) -> Result<(), Failure> {
        let (Some(client), Some(records)) = (&mut self.client, &mut self.records) else {
            return Ok(());
        };
        let has_some = match client {
            Client::Mqtt(mqtt) => mqtt.poll_transmit(&mut scratch.packets, now),
            Client::Amqp(gateway) => gateway.poll_transmit(&mut scratch.packets)?,
            Client::Http(http) => http.poll_transmit(&mut scratch.packets),
        };
        if !has_some {
            return Ok(());
        }
        let written = records.write(&scratch.packets, &mut scratch.out);
        scratch.packets.clear();
        written.map_err(Failure::Tls)
    }
}

/// Begins to speak, once TLS stands.
fn connect(manner: &Manner, who: Who<'_>, now: Timestamp) -> Result<Client, Failure> {
    let Manner { inflight_max, patience, per_segment, .. } = *manner;
    match &manner.speech {
        Speech::Mqtt => {}
        Speech::Amqp(config) => {
            let gateway = Gateway::new(config, who.devices, (inflight_max, per_segment), now);
            return Ok(Client::Amqp(Box::new(gateway)));
        }
        Speech::Http { host, is_batched } => {
            let http = HttpDevice::new(host, &(who.login)(0), *is_batched, patience);
            return Ok(Client::Http(http));
        }
    }
    let login = (who.login)(0);
    let connect = Connect {
        clean_session: true,
        keep_alive: manner.keep_alive,
        client_id: &login.client_id,
        will: None,
        user_name: login.user_name.as_deref(),
        password: login.token.as_deref().map(str::as_bytes),
    };
    let mqtt = MqttClient::connect(&connect, inflight_max, patience, now);
    Ok(Client::Mqtt(mqtt.map_err(Failure::of_protocol)?))
}

/// Reads whole packets out of the plaintext; returns how many bytes those were.
fn read_packets(
    mqtt: &mut MqttClient,
    stage: &mut Stage,
    scratch: &mut Scratch,
) -> Result<usize, Failure> {
    let Scratch { plaintext, acknowledged, pongs, heard, .. } = scratch;
    let mut used = 0;
    while let Some((packet, size)) = decode(&plaintext[used..]).map_err(Failure::of_protocol)? {
        match mqtt.handle_packet(packet).map_err(Failure::of_protocol)? {
            ClientEvent::Connected { .. } => *stage = Stage::Connected,
            ClientEvent::Refused(code) => return Err(Failure::Refused(code)),
            ClientEvent::Acknowledged { tag, in_order: true } => acknowledged.push(tag),
            ClientEvent::Acknowledged { in_order: false, .. } => return Err(Failure::Disordered),
            ClientEvent::Pong => *pongs += 1,
            ClientEvent::Subscribed(_) => heard.push(Heard::Subscribed),
            ClientEvent::Message(publish) => {
                heard.extend(device::handle(mqtt, &publish).map_err(Failure::of_protocol)?);
            }
            _ => {}
        }
        used += size;
    }
    Ok(used)
}

impl Scratch {
    /// Forgets what a failed device left behind.
    pub(crate) fn clear(&mut self) {
        self.received.clear();
        self.pongs = 0;
        self.acknowledged.clear();
        self.heard.clear();
        self.out.clear();
        self.plaintext.clear();
        self.packets.clear();
    }
}
