//! Why an MQTT connection ends, and what the client hears of it.

use super::property_bag::InvalidPropertyBag;
use super::topic::TopicError;
use super::user_name::InvalidUserName;
use crate::codec::mqtt::{ConnackCode, DecodeError};

/// The peer broke a rule, or a deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Bytes that are not MQTT 3.1.1.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// No accepted CONNECT within the permitted time.
    #[error("no CONNECT within the permitted time")]
    ConnectTimeout,
    /// The first packet is not CONNECT [MQTT-3.1.0-1].
    #[error("the first packet is not CONNECT")]
    ExpectedConnect,
    /// A second CONNECT [MQTT-3.1.0-2].
    #[error("a second CONNECT")]
    SecondConnect,
    /// CONNECT for another protocol level than 4.
    #[error("protocol level {0}")]
    ProtocolLevel(u8),
    /// The user name is missing.
    #[error("no user name")]
    NoUserName,
    /// The user name follows none of the known forms.
    #[error(transparent)]
    UserName(#[from] InvalidUserName),
    /// The client id is not the identity in the user name.
    #[error("the client id is not the identity of the user name")]
    ClientId,
    /// A publish with QoS 2.
    #[error("a publish with QoS 2")]
    PublishQos,
    /// A publish or subscription to a topic that the identity may not use.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A property bag that breaks the rules of bags.
    #[error(transparent)]
    PropertyBag(#[from] InvalidPropertyBag),
    /// Body and properties are larger than a D2C message may be.
    #[error("a message of {0} bytes")]
    MessageTooLarge(usize),
    /// More filters in one packet than the hub takes.
    #[error("too many filters in one packet")]
    TooManyFilters,
    /// A packet that only servers send.
    #[error("a packet that only servers send")]
    ServerPacket,
    /// Silence for one and a half keep-alive intervals [MQTT-3.1.2-24].
    #[error("the keep-alive interval has passed")]
    KeepAliveExpired,
    /// The token has expired and the grace period is over.
    #[error("the token has expired")]
    TokenExpired,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The session said so.
    Error(SessionError),
    /// The hub does not let the client in.
    Refused(ConnackCode),
    /// The client sent DISCONNECT: the only clean end.
    Disconnect,
    /// The transport ended without DISCONNECT.
    TransportLost,
    /// The same identity has connected elsewhere.
    TakenOver,
    /// The identity was disabled or deleted.
    IdentityRemoved,
    /// The log accepts no more messages.
    LogFailed,
    /// The hub stops.
    ShuttingDown,
    /// The hub takes no more messages for the moment.
    QuotaExceeded,
}

impl CloseReason {
    /// Code of the CONNACK that a client gets if it has none yet; `None` is a close without a word.
    ///
    /// SDKs give up after 4 and 5 and retry after 3, so no temporary fault may map to those.
    /// Source: device-endpoints reference 2.2, G36.
    #[must_use]
    pub const fn connack_code(self) -> Option<ConnackCode> {
        match self {
            Self::Error(error) => error.connack_code(),
            Self::Refused(code) => Some(code),
            Self::IdentityRemoved => Some(ConnackCode::NotAuthorized),
            Self::LogFailed | Self::ShuttingDown | Self::QuotaExceeded => {
                Some(ConnackCode::ServerUnavailable)
            }
            Self::Disconnect | Self::TransportLost | Self::TakenOver => None,
        }
    }
}

impl SessionError {
    const fn connack_code(self) -> Option<ConnackCode> {
        match self {
            Self::ProtocolLevel(_) => Some(ConnackCode::UnacceptableProtocolLevel),
            Self::ClientId => Some(ConnackCode::IdentifierRejected),
            Self::NoUserName | Self::UserName(_) => Some(ConnackCode::BadUserNameOrPassword),
            Self::Decode(_)
            | Self::ConnectTimeout
            | Self::ExpectedConnect
            | Self::SecondConnect
            | Self::PublishQos
            | Self::Topic(_)
            | Self::PropertyBag(_)
            | Self::MessageTooLarge(_)
            | Self::TooManyFilters
            | Self::ServerPacket
            | Self::KeepAliveExpired
            | Self::TokenExpired => None,
        }
    }
}
