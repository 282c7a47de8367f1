//! A minimal MQTT device that uses its twin: subscribes, asks, reads replies and changes. Blocking
//! and strict; what it asks need not be allowed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use serde_json::Value;

use super::address::MQTT_PORT;
use super::hub::Hub;
use super::mqtt::{Login, PUBLISH_QOS0, packet, publish_packet, push_text};
use super::tls::{self, TlsStream};

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const SUBACK: u8 = 9;
const PINGREQ: [u8; 2] = [0xc0, 0];
const PINGRESP: u8 = 13;

/// The answer to a twin request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TwinAnswer {
    pub(crate) status: u16,
    pub(crate) rid: String,
    pub(crate) version: Option<u64>,
    pub(crate) body: Value,
}

/// A change of desired properties.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    pub(crate) version: u64,
    pub(crate) patch: Value,
}

/// A device on the MQTT port.
pub(crate) struct TwinClient {
    stream: TlsStream,
    changes: VecDeque<Desired>,
    next_rid: u64,
}

impl TwinClient {
    /// Connects with a clean session and hears replies; changes too, if asked for.
    pub(crate) fn connect(hub: &Hub, login: &Login, hears_changes: bool) -> io::Result<Self> {
        let stream = tls::connect(hub, MQTT_PORT)?;
        let mut client = Self { stream, changes: VecDeque::new(), next_rid: 0 };
        let mut connect = login.connect_packet();
        // Flags follow the name and level of the protocol, and the length of the packet before
        // them.
        let flags =
            connect.windows(7).position(|bytes| bytes == b"\0\x04MQTT\x04").map(|at| at + 7);
        connect[flags.expect("a CONNECT has flags")] |= 0x02;
        client.stream.write_all(&connect)?;
        let (kind, body) = client.read_packet()?;
        if kind != CONNACK || body != [0, 0] {
            return Err(unexpected(kind, &body));
        }
        client.subscribe("$iothub/twin/res/#")?;
        if hears_changes {
            client.subscribe("$iothub/twin/PATCH/properties/desired/#")?;
        }
        Ok(client)
    }

    fn subscribe(&mut self, filter: &str) -> io::Result<()> {
        let mut body = vec![0, 1];
        push_text(&mut body, filter);
        body.push(0);
        self.stream.write_all(&packet(0x82, &body))?;
        match self.read_packet()? {
            (SUBACK, body) if body == [0, 1, 0] => Ok(()),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Reads the twin.
    pub(crate) fn get(&mut self) -> io::Result<TwinAnswer> {
        self.send("$iothub/twin/GET/?$rid={}", b"")?;
        self.answer()
    }

    /// Reports; with a version only if the section has it.
    pub(crate) fn report(&mut self, patch: &[u8], version: Option<u64>) -> io::Result<TwinAnswer> {
        self.send_report(patch, version)?;
        self.answer()
    }

    /// Sends a report and does not wait for its answer; returns the id of the request.
    pub(crate) fn send_report(&mut self, patch: &[u8], version: Option<u64>) -> io::Result<u64> {
        let version = version.map(|version| format!("&$version={version}")).unwrap_or_default();
        self.send(&format!("$iothub/twin/PATCH/properties/reported/?$rid={{}}{version}"), patch)
    }

    fn send(&mut self, topic: &str, payload: &[u8]) -> io::Result<u64> {
        self.next_rid += 1;
        let topic = topic.replace("{}", &self.next_rid.to_string());
        self.publish(&topic, payload)?;
        Ok(self.next_rid)
    }

    /// Publishes anything with QoS 0.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&publish_packet(PUBLISH_QOS0, topic, None, payload))?;
        self.stream.flush()
    }

    /// The next answer; changes that come before it are kept.
    pub(crate) fn answer(&mut self) -> io::Result<TwinAnswer> {
        loop {
            if let Some(answer) = self.read_message()? {
                return Ok(answer);
            }
        }
    }

    /// The next change.
    pub(crate) fn desired(&mut self) -> io::Result<Desired> {
        while self.changes.is_empty() {
            if let Some(answer) = self.read_message()? {
                return Err(io::Error::other(format!("an answer instead of a change: {answer:?}")));
            }
        }
        Ok(self.changes.pop_front().expect("there is one"))
    }

    /// Asks for a sign of life and waits for it.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.stream.write_all(&PINGREQ)?;
        match self.read_packet()? {
            (PINGRESP, _) => Ok(()),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Reads an answer, or keeps a change and returns `None`.
    fn read_message(&mut self) -> io::Result<Option<TwinAnswer>> {
        let (kind, body) = self.read_packet()?;
        let message = (kind == PUBLISH).then(|| parse_message(&body)).flatten();
        match message.ok_or_else(|| unexpected(kind, &body))? {
            Message::Answer(answer) => Ok(Some(answer)),
            Message::Desired(desired) => {
                self.changes.push_back(desired);
                Ok(None)
            }
        }
    }

    /// Type and body of the next packet, of any length.
    fn read_packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let kind = byte[0] >> 4;
        let mut len = 0;
        for shift in [0, 7, 14, 21] {
            self.stream.read_exact(&mut byte)?;
            len |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

enum Message {
    Answer(TwinAnswer),
    Desired(Desired),
}

fn parse_message(body: &[u8]) -> Option<Message> {
    let (len, rest) = body.split_first_chunk::<2>()?;
    let (topic, payload) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    let topic = std::str::from_utf8(topic).ok()?.strip_prefix("$iothub/twin/")?;
    let json = |payload: &[u8]| match payload {
        [] => Some(Value::Null),
        _ => serde_json::from_slice(payload).ok(),
    };
    if let Some(version) = topic.strip_prefix("PATCH/properties/desired/?$version=") {
        let patch = json(payload)?;
        return Some(Message::Desired(Desired { version: version.parse().ok()?, patch }));
    }
    let (status, query) = topic.strip_prefix("res/")?.split_once("/?$rid=")?;
    let (rid, version) = match query.split_once("&$version=") {
        Some((rid, version)) => (rid, Some(version.parse().ok()?)),
        None => (query, None),
    };
    let status = status.parse().ok()?;
    Some(Message::Answer(TwinAnswer { status, rid: rid.to_owned(), version, body: json(payload)? }))
}

fn unexpected(kind: u8, body: &[u8]) -> io::Error {
    let body = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    io::Error::new(ErrorKind::InvalidData, format!("unexpected packet {kind} {body}"))
}
