//! What a peer can do wrong, and the close code that says so.

use super::CloseCode;

/// The peer broke a rule: the close frame is queued, and the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// A reserved bit is set although no extension was agreed on.
    #[error("reserved bit set")]
    ReservedBit,
    /// An opcode that RFC 6455 does not define.
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A client sent a frame without mask, or a server one with it.
    #[error("mask is missing, or must not be there")]
    WrongMasking,
    /// A length that is not in its shortest form, or has its highest bit set.
    #[error("malformed length")]
    BadLength,
    /// A control frame in fragments, or with more than 125 bytes.
    #[error("malformed control frame")]
    BadControlFrame,
    /// A continuation without a beginning, or a beginning inside a message.
    #[error("fragments out of order")]
    BadFragmentation,
    /// A close frame with one byte, or a code that may not be sent.
    #[error("malformed close frame")]
    BadClose,
    /// A text message: MQTT and AMQP are binary.
    #[error("text message")]
    Text,
    /// A frame larger than [`WEBSOCKET_FRAME_BYTES_MAX`](crate::limits::WEBSOCKET_FRAME_BYTES_MAX).
    #[error("frame too large")]
    FrameTooLarge,
}

impl WebSocketError {
    /// The code of the close frame.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::WrongMasking
            | Self::BadLength
            | Self::BadControlFrame
            | Self::BadFragmentation
            | Self::BadClose => CloseCode::PROTOCOL_ERROR,
            Self::Text => CloseCode::UNSUPPORTED_DATA,
            Self::FrameTooLarge => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}
