//! A minimal MQTT 3.1.1 device: connects, publishes, reads PUBACKs. Blocking and strict.
//!
//! It shares no code with the hub, so that a mistake in the hub's codec cannot hide here. What it
//! sends need not be MQTT: see [`write`](MqttDevice::write).

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use super::address::MQTT_PORT;
use super::hub::Hub;
use super::rest::{Device, Module};
use super::sas;
use super::tls::{self, Certificate, TlsStream};

pub(crate) const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
pub(crate) const PUBLISH_QOS0: u8 = 0x30;
pub(crate) const PUBLISH_QOS1: u8 = 0x32;
const PUBLISH_DUP: u8 = 0x08;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: u8 = 0xc0;
const PINGRESP: u8 = 0xd0;

/// What a client says in its CONNECT, and where it publishes.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) client_id: String,
    pub(crate) user_name: String,
    pub(crate) password: String,
    pub(crate) topic: String,
}

impl Login {
    /// A device with its own key.
    pub(crate) fn device(hub: &Hub, device: &Device) -> Self {
        Self::device_with(hub, &device.id, device.token(hub))
    }

    /// A device with any token.
    pub(crate) fn device_with(hub: &Hub, id: &str, password: String) -> Self {
        Self {
            client_id: id.to_owned(),
            user_name: format!("{}/{id}/?api-version=2021-04-12", hub.address.ip),
            password,
            topic: format!("devices/{id}/messages/events/"),
        }
    }

    /// A device that shows a token of the hub's `device` policy.
    pub(crate) fn device_by_policy(hub: &Hub, id: &str) -> Self {
        let resource = format!("{}/devices", hub.address.ip);
        let token = sas::token(&resource, &hub.policy_key("device"), Some("device"));
        Self::device_with(hub, id, token)
    }

    /// A module with its own key.
    pub(crate) fn module(hub: &Hub, module: &Module) -> Self {
        let Module { device_id, id, .. } = module;
        Self {
            client_id: format!("{device_id}/{id}"),
            user_name: format!("{}/{device_id}/{id}/?api-version=2021-04-12", hub.address.ip),
            password: module.token(hub),
            topic: format!("devices/{device_id}/modules/{id}/messages/events/"),
        }
    }

    /// A device that the certificate of its connection proves: no password.
    pub(crate) fn certified(hub: &Hub, id: &str) -> Self {
        Self::device_with(hub, id, String::new())
    }

    /// The CONNECT packet: clean session 0, keep-alive 60 s, no will; without a password if that is
    /// empty.
    pub(crate) fn connect_packet(&self) -> Vec<u8> {
        let flags = if self.password.is_empty() { 0x80 } else { 0xc0 };
        let mut body = [&b"\x00\x04MQTT\x04"[..], &[flags, 0x00, 0x3c]].concat();
        push_text(&mut body, &self.client_id);
        push_text(&mut body, &self.user_name);
        if !self.password.is_empty() {
            push_text(&mut body, &self.password);
        }
        packet(CONNECT, &body)
    }
}

/// A client of the MQTT port.
pub(crate) struct MqttDevice {
    stream: TlsStream,
    topic: String,
}

impl MqttDevice {
    /// Connects with the device's own key; any refusal is an error.
    pub(crate) fn connect(hub: &Hub, device: &Device) -> io::Result<Self> {
        Self::connect_as(hub, &Login::device(hub, device))
    }

    /// Connects; any refusal is an error.
    pub(crate) fn connect_as(hub: &Hub, login: &Login) -> io::Result<Self> {
        let mut connected = Self::open(hub)?;
        connected.send_connect(login)?;
        match connected.read_connack()? {
            0 => Ok(connected),
            code => Err(io::Error::other(format!("CONNACK {code}"))),
        }
    }

    /// Completes the TLS handshake and says nothing yet.
    pub(crate) fn open(hub: &Hub) -> io::Result<Self> {
        Self::over(tls::connect(hub, MQTT_PORT)?)
    }

    /// As above with a certificate.
    pub(crate) fn open_with(hub: &Hub, certificate: &Certificate) -> io::Result<Self> {
        Self::over(tls::connect_with(hub, MQTT_PORT, certificate)?)
    }

    /// As above on a stream of the test's own.
    pub(crate) fn over(mut stream: TlsStream) -> io::Result<Self> {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream, topic: String::new() })
    }

    /// Sends CONNECT without waiting for the answer.
    pub(crate) fn send_connect(&mut self, login: &Login) -> io::Result<()> {
        self.write_connect(login)?;
        self.flush()
    }

    /// Writes CONNECT, so that more can follow in the same segment; [`flush`](Self::flush) sends.
    pub(crate) fn write_connect(&mut self, login: &Login) -> io::Result<()> {
        self.topic.clone_from(&login.topic);
        self.write(&login.connect_packet())
    }

    /// Changes where [`publish`](Self::publish) publishes.
    pub(crate) fn set_topic(&mut self, topic: &str) {
        topic.clone_into(&mut self.topic);
    }

    /// The code of the CONNACK that comes next.
    pub(crate) fn read_connack(&mut self) -> io::Result<u8> {
        match self.read_packet()? {
            (CONNACK, answer) if answer.len() == 2 => Ok(answer[1]),
            (kind, answer) => Err(unexpected(kind, &answer)),
        }
    }

    /// Writes one telemetry message with QoS 1; [`flush`](Self::flush) sends it.
    pub(crate) fn publish(&mut self, id: u16, payload: &[u8], resend: bool) -> io::Result<()> {
        let first = PUBLISH_QOS1 | if resend { PUBLISH_DUP } else { 0 };
        let packet = publish_packet(first, &self.topic, Some(id), payload);
        self.write(&packet)
    }

    /// Writes one telemetry message with QoS 0; [`flush`](Self::flush) sends it.
    pub(crate) fn publish_qos0(&mut self, payload: &[u8]) -> io::Result<()> {
        let packet = publish_packet(PUBLISH_QOS0, &self.topic, None, payload);
        self.write(&packet)
    }

    /// Writes any bytes; [`flush`](Self::flush) sends them.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends what was written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }

    /// Waits for the next PUBACK and returns its packet identifier.
    pub(crate) fn read_puback(&mut self) -> io::Result<u16> {
        match self.read_packet()? {
            (PUBACK, body) if body.len() == 2 => Ok(u16::from_be_bytes([body[0], body[1]])),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Asks the hub for a sign of life and waits for it.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.write(&packet(PINGREQ, &[]))?;
        self.flush()?;
        match self.read_packet()? {
            (PINGRESP, _) => Ok(()),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Ends our side of the stream without DISCONNECT; the hub's side stays readable.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.stream.sock.shutdown(Shutdown::Write)
    }

    /// Reads until the hub ends the connection, and returns what came until then.
    ///
    /// # Errors
    /// When the hub keeps the connection open for thirty seconds.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        tls::read_to_end(&mut self.stream)
    }

    /// Subscribes to one filter with QoS 1 and waits for the SUBACK, which must come first.
    pub(crate) fn subscribe(&mut self, filter: &str) -> io::Result<()> {
        self.subscribe_with(filter, 1)
    }

    /// As above with any QoS.
    pub(crate) fn subscribe_with(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        let mut body = vec![0, 1];
        push_text(&mut body, filter);
        body.push(qos);
        self.write(&packet(SUBSCRIBE, &body))?;
        self.flush()?;
        match self.read_packet()? {
            (SUBACK, body) if body == [0, 1, qos] => Ok(()),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Waits for the next message of the hub.
    pub(crate) fn read_message(&mut self) -> io::Result<Received> {
        match self.read_packet()? {
            (kind, body) if kind & 0xf0 == PUBLISH_QOS0 => {
                Received::parse(kind, &body).ok_or_else(|| unexpected(kind, &body))
            }
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Acknowledges a message of the hub, or claims to.
    pub(crate) fn acknowledge(&mut self, id: u16) -> io::Result<()> {
        self.write(&packet(PUBACK, &id.to_be_bytes()))?;
        self.flush()
    }

    /// Ends every read that waits longer than this with an error.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.sock.set_read_timeout(Some(patience))
    }

    /// First byte and body of the next packet.
    pub(crate) fn read_packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut kind = [0];
        self.stream.read_exact(&mut kind)?;
        let mut len = 0;
        for place in 0..4 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            len |= usize::from(byte[0] & 0x7f) << (7 * place);
            if byte[0] < 0x80 {
                let mut body = vec![0; len];
                self.stream.read_exact(&mut body)?;
                return Ok((kind[0], body));
            }
        }
        Err(unexpected(kind[0], &[]))
    }
}

/// A PUBLISH of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    /// Zero with QoS 0.
    pub(crate) id: u16,
    /// The hub marks it as a repetition.
    pub(crate) dup: bool,
    pub(crate) payload: Vec<u8>,
}

impl Received {
    fn parse(kind: u8, body: &[u8]) -> Option<Self> {
        let (length, rest) = body.split_first_chunk::<2>()?;
        let (topic, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let topic = String::from_utf8(topic.to_vec()).ok()?;
        let (id, payload) = match kind & 0x06 {
            0 => (0, rest),
            _ => {
                let (id, payload) = rest.split_first_chunk::<2>()?;
                (u16::from_be_bytes(*id), payload)
            }
        };
        Some(Self { topic, id, dup: kind & PUBLISH_DUP != 0, payload: payload.to_vec() })
    }

    /// The payload as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// The packet identifiers of PUBACKs, of which the last may have been cut off.
pub(crate) fn pubacks(bytes: &[u8]) -> Vec<u16> {
    let (packets, _) = bytes.as_chunks::<4>();
    let id = |packet: &[u8; 4]| {
        assert_eq!(packet[..2], [PUBACK, 2], "only PUBACKs are due");
        u16::from_be_bytes([packet[2], packet[3]])
    };
    packets.iter().map(id).collect()
}

/// A PUBLISH whose first byte is `first`; an identifier belongs to QoS 1 and 2.
pub(crate) fn publish_packet(first: u8, topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, topic);
    body.extend(id.into_iter().flat_map(u16::to_be_bytes));
    body.extend_from_slice(payload);
    packet(first, &body)
}

/// A packet with its fixed header.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    while rest >= 0x80 {
        packet.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    packet.push(rest as u8);
    packet.extend_from_slice(body);
    packet
}

/// Appends a text with its length.
pub(crate) fn push_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("the texts of these tests are short");
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

fn unexpected(kind: u8, body: &[u8]) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("unexpected packet {kind:#04x} {body:02x?}"))
}
