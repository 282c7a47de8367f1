//! WebSocket (RFC 6455) as a carrier of a byte stream.
//!
//! MQTT and AMQP treat messages as a stream of bytes: where a message ends means nothing to them.
//! So nothing is reassembled in memory here; payload bytes are handed on as they come, and message
//! borders are only checked.
//!
//! ```text
//!  0               1               2               3
//! |F|RSV|opcode(4)|M| length (7)  | 16 or 64 bits of length when that is 126 or 127 | masking key when M |
//! ```

mod error;
mod frame;
mod handshake;
mod stream;

pub use error::WebSocketError;
pub use frame::{FrameHeader, Opcode, apply_mask};
pub use handshake::{
    AcceptKey, ClientHandshake, HandshakeError, Protocol, choose_subprotocol, is_websocket_path,
};
pub use stream::{CloseCode, Role, WebSocket};

#[cfg(test)]
mod tests;

/// Reads `input` as a frame header and as a stream of the hub side; the fuzz target and the corpus
/// test share it.
///
/// # Panics
/// When a header does not survive encoding, or more data comes out of the stream than went in.
#[doc(hidden)]
pub fn fuzz(input: &[u8]) {
    if let Ok(Some((header, consumed))) = FrameHeader::decode(input) {
        let mut encoded = bytes::BytesMut::new();
        header.encode(&mut encoded);
        assert_eq!(FrameHeader::decode(&encoded), Ok(Some((header, consumed))));
    }
    let mut whole = input.to_vec();
    let mut at_once = WebSocket::new(Role::Server);
    let expected = at_once.handle_bytes(&mut whole).map(|length| whole[..length].to_vec());
    let mut bytewise = WebSocket::new(Role::Server);
    let mut collected = Vec::new();
    for byte in input {
        let mut one = [*byte];
        match bytewise.handle_bytes(&mut one) {
            Ok(length) => collected.extend_from_slice(&one[..length]),
            Err(error) => return assert_eq!(expected, Err(error)),
        }
    }
    assert_eq!(expected, Ok(collected));
}
