//! A request that asks for a WebSocket.

use crate::codec::http::{BodyLength, RequestHead, Version};
use crate::codec::websocket::{self, AcceptKey};

pub use crate::codec::websocket::Protocol;

/// A WebSocket handshake that the hub can accept: path, version, key and subprotocol are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Host that the client asked for, without the port.
    pub host: Option<String>,
    /// What will be spoken inside.
    pub protocol: Protocol,
    /// The offered token of that protocol, in the spelling of the client: the answer repeats it.
    pub subprotocol: String,
    /// Proof for the client that its key was read.
    pub accept_key: AcceptKey,
}

/// Why a request for a WebSocket is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// Not `GET` of HTTP/1.1 without a body, or a key that is not 16 bytes in base64.
    #[error("malformed WebSocket handshake")]
    Malformed,
    /// A version other than 13.
    #[error("WebSocket version is not 13")]
    UnsupportedVersion,
    /// None of the offered subprotocols is MQTT or AMQP.
    #[error("no known WebSocket subprotocol offered")]
    UnknownSubprotocol,
}

/// True when `head` asks for a WebSocket on one of the paths where there is one.
pub(super) fn is_upgrade(head: &RequestHead<'_>) -> bool {
    head.has_token("upgrade", "websocket")
        && head.has_token("connection", "upgrade")
        && websocket::is_websocket_path(head.target)
}

/// Checks the handshake.
///
/// Source: RFC 6455 section 4.2.1; device-endpoints reference 2.13.
pub(super) fn decode_upgrade(head: &RequestHead<'_>) -> Result<Upgrade, UpgradeError> {
    let bodiless = head.body_length() == Ok(BodyLength::Known(0));
    if head.method != "GET" || head.version != Version::Http11 || !bodiless {
        return Err(UpgradeError::Malformed);
    }
    if !head.has_token("sec-websocket-version", "13") {
        return Err(UpgradeError::UnsupportedVersion);
    }
    let mut keys = head.values("sec-websocket-key");
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err(UpgradeError::Malformed) };
    let accept_key = AcceptKey::from_key(key.trim()).ok_or(UpgradeError::Malformed)?;
    let offers = head.values("sec-websocket-protocol").flat_map(|list| list.split(','));
    let (protocol, subprotocol) =
        websocket::choose_subprotocol(offers).ok_or(UpgradeError::UnknownSubprotocol)?;
    let host = head.values("host").next().map(|host| super::request::without_port(host).to_owned());
    Ok(Upgrade { host, protocol, subprotocol: subprotocol.to_owned(), accept_key })
}
