//! Why bytes are not an MQTT 3.1.1 packet, and why a value cannot become one.

use super::packet_type::PacketType;

/// Bytes of the peer that break MQTT 3.1.1; the only answer is to close the connection
/// [MQTT-4.8.0-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Packet type 0 or 15.
    #[error("packet type {0} is reserved")]
    ReservedPacketType(u8),
    /// A packet of the QoS 2 exchange, which the hub does not offer.
    #[error("packet type {0} belongs to QoS 2, which is not offered")]
    ExactlyOnce(u8),
    /// Flags of the fixed header other than those prescribed for the type [MQTT-2.2.2-2].
    #[error("{packet_type:?} has flags {flags:#06b}")]
    ReservedFlags {
        /// Type in the same byte.
        packet_type: PacketType,
        /// The low four bits.
        flags: u8,
    },
    /// The fourth byte of the remaining length announces a fifth.
    #[error("the remaining length has more than four bytes")]
    RemainingLength,
    /// The packet is larger than the reader permits; known from the fixed header alone.
    #[error("a packet of {bytes} bytes; {max} are permitted")]
    TooLarge {
        /// Size of the whole packet.
        bytes: usize,
        /// What the reader permits.
        max: usize,
    },
    /// The remaining length ends within a field.
    #[error("the packet ends within a field")]
    Truncated,
    /// Bytes remain after the last field.
    #[error("bytes after the last field")]
    TrailingBytes,
    /// A text is not UTF-8 [MQTT-1.5.3-1].
    #[error("a text is not UTF-8")]
    Utf8,
    /// A text holds U+0000 [MQTT-1.5.3-2].
    #[error("a text holds U+0000")]
    Nul,
    /// Packet identifier 0 [MQTT-2.3.1-1].
    #[error("packet identifier 0")]
    ZeroPacketId,
    /// QoS 3 [MQTT-3.3.1-4], [MQTT-3-8.3-4].
    #[error("QoS {0}")]
    Qos(u8),
    /// DUP on a QoS 0 PUBLISH [MQTT-3.3.1-2].
    #[error("DUP on a QoS 0 PUBLISH")]
    DupWithoutPacketId,
    /// A topic name or filter of no characters [MQTT-4.7.3-1].
    #[error("an empty topic")]
    EmptyTopic,
    /// A wildcard in a topic name [MQTT-3.3.2-2].
    #[error("a wildcard in a topic name")]
    TopicWildcard,
    /// A wildcard that does not fill its level, or `#` before the end [MQTT-4.7.1-2],
    /// [MQTT-4.7.1-3].
    #[error("a misplaced wildcard in a topic filter")]
    Wildcard,
    /// SUBSCRIBE or UNSUBSCRIBE without a filter [MQTT-3.8.3-3], [MQTT-3.10.3-2].
    #[error("no topic filter")]
    NoFilter,
    /// CONNECT names a protocol that is not MQTT [MQTT-3.1.2-1].
    #[error("the protocol is not MQTT")]
    ProtocolName,
    /// Bit 0 of the CONNECT flags [MQTT-3.1.2-3].
    #[error("the reserved CONNECT flag is set")]
    ConnectReservedFlag,
    /// Will QoS or will retain without a will, or will QoS 3 [MQTT-3.1.2-13], [MQTT-3.1.2-14],
    /// [MQTT-3.1.2-15].
    #[error("the will flags contradict each other")]
    WillFlags,
    /// A password without a user name [MQTT-3.1.2-22].
    #[error("a password without a user name")]
    PasswordWithoutUserName,
    /// CONNACK flags, CONNACK code or SUBACK code outside the defined set [MQTT-3.9.3-2].
    #[error("reserved value {0:#04x} in an acknowledgement")]
    ReservedAnswer(u8),
}

/// A value too long for its field; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A text or binary field of more than 65,535 bytes.
    #[error("a field of {0} bytes; 65,535 fit")]
    FieldTooLong(usize),
    /// A remaining length of more than 268,435,455 bytes.
    #[error("a remaining length of {0} bytes; 268,435,455 fit")]
    PacketTooLong(usize),
}
