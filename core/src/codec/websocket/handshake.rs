//! The HTTP exchange that opens a WebSocket.

use core::str;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{BufMut, BytesMut};

use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// Appended to the key before it is hashed (RFC 6455 section 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Base64 length of a SHA-1 hash.
const ACCEPT_KEY_LEN: usize = 28;

/// What is spoken inside a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT, as on port 8883.
    Mqtt,
    /// AMQP 1.0, as on port 5671.
    Amqp,
}

/// The value of `Sec-WebSocket-Accept`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AcceptKey([u8; ACCEPT_KEY_LEN]);

impl AcceptKey {
    /// Proves that `key` (value of `Sec-WebSocket-Key`) was read; `None` when it is not 16 bytes in
    /// base64.
    ///
    /// SHA-1 is what the protocol prescribes; nothing is kept secret by it.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let mut nonce = [0; 18];
        if BASE64.decode_slice(key, &mut nonce) != Ok(16) {
            return None;
        }
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), KEY_SUFFIX].concat());
        let mut text = [0; ACCEPT_KEY_LEN];
        match BASE64.encode_slice(hash.as_ref(), &mut text) {
            Ok(ACCEPT_KEY_LEN) => Some(Self(text)),
            _ => None,
        }
    }

    /// The header value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

impl core::fmt::Debug for AcceptKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// True for `/$iothub/websocket` and `/$servicebus/websocket`: in any case, `$` also as `%24`, with
/// or without a trailing slash, whatever the query. Scheme and authority of an absolute target are
/// skipped.
///
/// Source: device-endpoints reference 2.13, service-endpoints reference part 9.
#[must_use]
pub fn is_websocket_path(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => path,
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    [
        "/$iothub/websocket",
        "/%24iothub/websocket",
        "/$servicebus/websocket",
        "/%24servicebus/websocket",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(path))
}

/// Picks the subprotocol: the first that is known, but `AMQPWSB10` before `amqp`. The token is
/// returned as offered.
///
/// Source: device-endpoints reference 2.13 and 4.11, service-endpoints reference part 9.
pub fn choose_subprotocol<'a>(
    offers: impl Iterator<Item = &'a str>,
) -> Option<(Protocol, &'a str)> {
    let mut plain_amqp = None;
    for offer in offers.map(str::trim) {
        if offer.eq_ignore_ascii_case("AMQPWSB10") {
            return Some((Protocol::Amqp, offer));
        }
        if plain_amqp.is_none() && is_mqtt(offer) {
            return Some((Protocol::Mqtt, offer));
        }
        if plain_amqp.is_none() && offer.eq_ignore_ascii_case("amqp") {
            plain_amqp = Some((Protocol::Amqp, offer));
        }
    }
    plain_amqp
}

fn is_mqtt(offer: &str) -> bool {
    offer.eq_ignore_ascii_case("mqtt") || offer.eq_ignore_ascii_case("mqttv3.1")
}

/// Why a client gives up its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not an HTTP answer, or one that is too large.
    #[error("malformed answer")]
    Malformed,
    /// A status other than 101.
    #[error("the server answered {0}")]
    Status(u16),
    /// `Sec-WebSocket-Accept` does not belong to the key that was sent.
    #[error("the server did not prove that it read the key")]
    WrongAcceptKey,
    /// The server chose a subprotocol that was not asked for, or none.
    #[error("the server chose another subprotocol")]
    WrongSubprotocol,
}

/// The handshake of the client side: command line, load generator and tests.
#[derive(Clone, Debug)]
pub struct ClientHandshake<'a> {
    /// Host header.
    pub host: &'a str,
    /// Path of the WebSocket.
    pub path: &'a str,
    /// The one subprotocol that is offered.
    pub subprotocol: &'a str,
    /// Sixteen random bytes.
    pub nonce: [u8; 16],
}

impl ClientHandshake<'_> {
    /// Appends the request to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        let key = BASE64.encode(self.nonce);
        for piece in [
            "GET ",
            self.path,
            " HTTP/1.1\r\nHost: ",
            self.host,
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
            "\r\nSec-WebSocket-Key: ",
            &key,
            "\r\nSec-WebSocket-Protocol: ",
            self.subprotocol,
            "\r\n\r\n",
        ] {
            out.put_slice(piece.as_bytes());
        }
    }

    /// Checks the answer at the front of `input`; `None` asks for more bytes, a number is the
    /// length of the answer: what follows it is WebSocket.
    ///
    /// # Errors
    /// [`HandshakeError`]: close the connection.
    ///
    /// Source: RFC 6455 section 4.1.
    pub fn decode_answer(&self, input: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        let length = match answer.parse(input) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if input.len() < HTTP_HEAD_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) | Err(_) => return Err(HandshakeError::Malformed),
        };
        match answer.code {
            Some(101) => {}
            code => return Err(HandshakeError::Status(code.unwrap_or_default())),
        }
        let value = |name: &str| {
            let header = answer.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
            header.map(|h| h.value)
        };
        let expected = AcceptKey::from_key(&BASE64.encode(self.nonce));
        if value("sec-websocket-accept") != expected.as_ref().map(|key| key.as_str().as_bytes()) {
            return Err(HandshakeError::WrongAcceptKey);
        }
        if value("sec-websocket-protocol") != Some(self.subprotocol.as_bytes()) {
            return Err(HandshakeError::WrongSubprotocol);
        }
        Ok(Some(length))
    }
}
