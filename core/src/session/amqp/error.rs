//! Why a connection ended by somebody's fault.

use crate::codec::amqp::performative::Condition;
use crate::codec::amqp::{DecodeError, UnsupportedHeader};

/// A fault that ends the connection. Whatever `poll_transmit` still gives is to be written before
/// the socket closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Bytes that are no frame or performative.
    #[error("the peer sent malformed bytes: {0}")]
    Decode(#[from] DecodeError),
    /// The first bytes were those of another protocol.
    #[error(transparent)]
    Header(#[from] UnsupportedHeader),
    /// A frame that has no place in this state of the connection.
    #[error("the peer sent a frame that its connection is not ready for")]
    UnexpectedFrame,
    /// A channel above the agreed maximum, not begun, or begun twice.
    #[error("the peer used channel {0} against the rules")]
    Channel(u16),
    /// The open of the peer asks for something impossible.
    #[error("the peer accepts frames of {0} bytes only, AMQP demands 512")]
    FrameSizeTooSmall(u32),
    /// The server offers none of the mechanisms that this client has, or refused it.
    #[error("authentication failed")]
    Authentication,
    /// No open within the handshake timeout.
    #[error("the handshake took too long")]
    HandshakeTimeout,
    /// Nothing was received for twice the idle timeout.
    #[error("the peer was silent for too long")]
    IdleTimeout,
    /// The peer did not answer our close.
    #[error("the peer did not answer the close")]
    CloseTimeout,
}

impl SessionError {
    /// The condition that the peer is told.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        match self {
            Self::Decode(
                DecodeError::FrameSize(_) | DecodeError::DataOffset(_) | DecodeError::FrameType(_),
            )
            | Self::Header(_)
            | Self::Channel(_) => Condition::FramingError,
            Self::Decode(_) => Condition::DecodeError,
            Self::UnexpectedFrame => Condition::IllegalState,
            Self::FrameSizeTooSmall(_) => Condition::InvalidField,
            Self::Authentication => Condition::UnauthorizedAccess,
            Self::HandshakeTimeout | Self::IdleTimeout | Self::CloseTimeout => {
                Condition::ConnectionForced
            }
        }
    }
}
