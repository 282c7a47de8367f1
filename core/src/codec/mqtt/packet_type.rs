//! Types of the packets that the hub speaks.

/// Packet types that the hub speaks, with their numbers on the wire (MQTT 3.1.1 section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PacketType {
    /// Client asks for a session.
    Connect = 1,
    /// Server answers CONNECT.
    Connack = 2,
    /// A message, both ways.
    Publish = 3,
    /// A QoS 1 message has a new owner, both ways.
    Puback = 4,
    /// Client asks for messages.
    Subscribe = 8,
    /// Server answers SUBSCRIBE.
    Suback = 9,
    /// Client declines messages.
    Unsubscribe = 10,
    /// Server answers UNSUBSCRIBE.
    Unsuback = 11,
    /// Client is alive.
    Pingreq = 12,
    /// Server is alive.
    Pingresp = 13,
    /// Client leaves on purpose.
    Disconnect = 14,
}

impl PacketType {
    /// The type of a number; `None` for reserved numbers and those of QoS 2.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            _ => return None,
        })
    }

    /// Flags that the type prescribes; PUBLISH gives them a meaning of its own.
    pub(super) const fn prescribed_flags(self) -> Option<u8> {
        match self {
            Self::Publish => None,
            Self::Subscribe | Self::Unsubscribe => Some(0b0010),
            _ => Some(0),
        }
    }
}
