//! A client of the AMQP port that can say anything: frames from a few bytes of hand-made encoding.
//!
//! It shares no code with the hub. Answers are looked through for the symbols of conditions.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::address::AMQP_PORT;
use super::hub::Hub;
use super::sas;
use super::tls::{self, TlsStream};

pub(crate) const SASL_HEADER: &[u8; 8] = b"AMQP\x03\x01\x00\x00";
pub(crate) const AMQP_HEADER: &[u8; 8] = b"AMQP\x00\x01\x00\x00";

pub(crate) const OPEN: u8 = 0x10;
pub(crate) const BEGIN: u8 = 0x11;
pub(crate) const ATTACH: u8 = 0x12;
pub(crate) const FLOW: u8 = 0x13;
pub(crate) const TRANSFER: u8 = 0x14;
pub(crate) const DISPOSITION: u8 = 0x15;
pub(crate) const DETACH: u8 = 0x16;
pub(crate) const END: u8 = 0x17;
pub(crate) const CLOSE: u8 = 0x18;
const SASL_INIT: u8 = 0x41;
pub(crate) const SOURCE: u8 = 0x28;
pub(crate) const TARGET: u8 = 0x29;

pub(crate) const NULL: &[u8] = &[0x40];
pub(crate) const TRUE: &[u8] = &[0x41];
pub(crate) const FALSE: &[u8] = &[0x42];

/// A connection of which the hub thinks what it will.
pub(crate) struct RawAmqp {
    stream: TlsStream,
}

impl RawAmqp {
    /// Completes the TLS handshake and says nothing yet.
    pub(crate) fn open(hub: &Hub) -> io::Result<Self> {
        Ok(Self { stream: tls::connect(hub, AMQP_PORT)? })
    }

    /// Begins channel 0 of a connection that has logged in as nobody, as before a CBS exchange.
    pub(crate) fn begun(hub: &Hub) -> io::Result<Self> {
        Self::begun_as(hub, &sasl_anonymous())
    }

    /// As above with the token of a policy.
    pub(crate) fn logged_in(hub: &Hub, policy: &str) -> io::Result<Self> {
        let host = hub.address.host();
        let token = sas::token(&host, &hub.policy_key(policy), Some(policy));
        let response = format!("\0{policy}@sas.root.{host}\0{token}");
        Self::begun_as(hub, &sasl_init("PLAIN", response.as_bytes()))
    }

    fn begun_as(hub: &Hub, sasl_init: &[u8]) -> io::Result<Self> {
        let mut connection = Self::open(hub)?;
        connection.send(&[&SASL_HEADER[..], sasl_init].concat())?;
        connection.read_until(b"AMQP\x03\x01\x00\x00")?;
        connection.send(&[&AMQP_HEADER[..], &open_frame(), &begin_frame(0)].concat())?;
        // The answer to begin: its descriptor is the last thing before the fields.
        connection.read_until(&[0, 0x53, BEGIN])?;
        Ok(connection)
    }

    /// Sends any bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Ends every read that waits longer than this with an error.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.sock.set_read_timeout(Some(patience))
    }

    /// Reads until `wanted` has come, and returns all that came.
    ///
    /// # Errors
    /// When the hub ends the connection, or says nothing for thirty seconds.
    pub(crate) fn read_until(&mut self, wanted: &[u8]) -> io::Result<Vec<u8>> {
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        while !contains(&received, wanted) {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::Error::other(format!("ended after {}", text(&received)))),
                Ok(length) => received.extend_from_slice(&chunk[..length]),
                Err(error) => {
                    return Err(io::Error::other(format!("{error}: {}", text(&received))));
                }
            }
        }
        Ok(received)
    }

    /// Reads until the hub ends the connection, and returns what came until then.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        tls::read_to_end(&mut self.stream)
    }
}

pub(crate) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Readable as far as it is text.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A frame of the AMQP layer.
pub(crate) fn frame(channel: u16, body: &[u8]) -> Vec<u8> {
    frame_of_type(0, channel, body)
}

fn frame_of_type(kind: u8, channel: u16, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("the frames of these tests are short");
    let mut frame = size.to_be_bytes().to_vec();
    frame.extend_from_slice(&[2, kind]);
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

/// A described list with these encoded fields.
pub(crate) fn described(descriptor: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    let mut list = vec![0, 0x53, descriptor, 0xd0];
    list.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    list.extend_from_slice(&(fields.len() as u32).to_be_bytes());
    list.extend_from_slice(&body);
    list
}

pub(crate) fn str(value: &str) -> Vec<u8> {
    variable(0xb1, value.as_bytes())
}

pub(crate) fn symbol(value: &str) -> Vec<u8> {
    variable(0xb3, value.as_bytes())
}

pub(crate) fn binary(value: &[u8]) -> Vec<u8> {
    variable(0xb0, value)
}

pub(crate) fn uint(value: u32) -> Vec<u8> {
    [&[0x70][..], &value.to_be_bytes()].concat()
}

fn variable(constructor: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len() as u32;
    [&[constructor][..], &length.to_be_bytes(), value].concat()
}

pub(crate) fn sasl_anonymous() -> Vec<u8> {
    sasl_init("ANONYMOUS", b"")
}

/// A first step of SASL.
pub(crate) fn sasl_init(mechanism: &str, response: &[u8]) -> Vec<u8> {
    frame_of_type(1, 0, &described(SASL_INIT, &[&symbol(mechanism), &binary(response)]))
}

pub(crate) fn open_frame() -> Vec<u8> {
    frame(0, &described(OPEN, &[&str("hostile")]))
}

pub(crate) fn begin_frame(channel: u16) -> Vec<u8> {
    let window = uint(1000);
    frame(channel, &described(BEGIN, &[NULL, &uint(0), &window, &window]))
}

/// Attaches to send to `address` under `handle`.
pub(crate) fn attach_sender(name: &str, handle: u32, address: &str) -> Vec<u8> {
    let source = described(SOURCE, &[&str("here")]);
    let target = described(TARGET, &[&str(address)]);
    let fields: [&[u8]; 10] =
        [&str(name), &uint(handle), FALSE, NULL, NULL, &source, &target, NULL, NULL, &uint(0)];
    frame(0, &described(ATTACH, &fields))
}

/// Attaches to receive from `address` under `handle`.
pub(crate) fn attach_receiver(name: &str, handle: u32, address: &str) -> Vec<u8> {
    let source = described(SOURCE, &[&str(address)]);
    let target = described(TARGET, &[&str("here")]);
    let fields: [&[u8]; 7] = [&str(name), &uint(handle), TRUE, NULL, NULL, &source, &target];
    frame(0, &described(ATTACH, &fields))
}

/// Transfers `payload` as one unsettled delivery.
pub(crate) fn transfer(handle: u32, delivery: u32, payload: &[u8]) -> Vec<u8> {
    transfer_part(handle, Some(delivery), false, payload)
}

/// Transfers a piece of a message; the first piece carries the delivery number.
pub(crate) fn transfer_part(
    handle: u32,
    delivery: Option<u32>,
    more: bool,
    payload: &[u8],
) -> Vec<u8> {
    let number = delivery.map_or_else(|| NULL.to_vec(), uint);
    let tag = delivery.map_or_else(|| NULL.to_vec(), |number| binary(&number.to_be_bytes()));
    let more = if more { TRUE } else { FALSE };
    let fields: [&[u8]; 6] = [&uint(handle), &number, &tag, &uint(0), FALSE, more];
    let mut body = described(TRANSFER, &fields);
    body.extend_from_slice(payload);
    frame(0, &body)
}

/// Begins a delivery and takes it back.
pub(crate) fn aborted_transfer(handle: u32, delivery: u32) -> Vec<u8> {
    let (handle, number, format) = (uint(handle), uint(delivery), uint(0));
    let tag = binary(&delivery.to_be_bytes());
    let fields: [&[u8]; 10] =
        [&handle, &number, &tag, &format, FALSE, FALSE, NULL, NULL, FALSE, TRUE];
    frame(0, &described(TRANSFER, &fields))
}
