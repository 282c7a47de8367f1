//! A minimal MQTT 3.1.1 device: connects, publishes with QoS 1, reads PUBACKs. Blocking and strict.
//!
//! It shares no code with the hub, so that a mistake in the hub's codec cannot hide here.

use std::io::{self, ErrorKind, Read, Write};

use super::address::MQTT_PORT;
use super::hub::Hub;
use super::rest::Device;
use super::tls::{self, TlsStream};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH_QOS1: u8 = 0x32;
const PUBLISH_DUP: u8 = 0x08;
const PUBACK: u8 = 0x40;

/// A connected device.
pub(crate) struct MqttDevice {
    stream: TlsStream,
    topic: String,
}

impl MqttDevice {
    /// Connects with the device's own key; any refusal is an error.
    pub(crate) fn connect(hub: &Hub, device: &Device) -> io::Result<Self> {
        let mut body = b"\x00\x04MQTT\x04\xc0\x00\x3c".to_vec();
        let user = format!("{}/{}/?api-version=2021-04-12", hub.address.ip, device.id);
        for text in [&device.id, &user, &device.token(hub)] {
            push_text(&mut body, text);
        }
        let topic = format!("devices/{}/messages/events/", device.id);
        let mut connected = Self { stream: tls::connect(hub, MQTT_PORT)?, topic };
        connected.write_packet(CONNECT, &body)?;
        connected.stream.flush()?;
        match connected.read_packet()? {
            (CONNACK, answer) if answer.get(1) == Some(&0) => Ok(connected),
            (kind, answer) => Err(unexpected(kind, &answer)),
        }
    }

    /// Writes one telemetry message; [`flush`](Self::flush) sends it.
    pub(crate) fn publish(&mut self, id: u16, payload: &[u8], resend: bool) -> io::Result<()> {
        let mut body = Vec::new();
        push_text(&mut body, &self.topic);
        body.extend_from_slice(&id.to_be_bytes());
        body.extend_from_slice(payload);
        self.write_packet(PUBLISH_QOS1 | if resend { PUBLISH_DUP } else { 0 }, &body)
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

    fn write_packet(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![first];
        let mut rest = body.len();
        while rest >= 0x80 {
            packet.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        packet.push(rest as u8);
        packet.extend_from_slice(body);
        self.stream.write_all(&packet)
    }

    fn read_packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        if head[1] >= 0x80 {
            // Nothing that the hub may send to this device is longer than 127 bytes.
            return Err(unexpected(head[0], &head));
        }
        let mut body = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }
}

fn push_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("the texts of these tests are short");
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

fn unexpected(kind: u8, body: &[u8]) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("unexpected packet {kind:#04x} {body:02x?}"))
}
