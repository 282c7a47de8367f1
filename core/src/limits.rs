//! Every bound in the system, with what happens when it is reached.

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values.
/// Larger: MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Largest record of the commit log in bytes: a D2C message, its stamps and the AMQP encoding around them.
/// Larger: refused by the encoder before it reaches a ring.
pub const RECORD_BYTES_MAX: usize = D2C_MESSAGE_BYTES_MAX + 64 * 1024;

/// Smallest capacity of a ring in bytes. A full ring pauses the connections that push into it.
pub const RING_BYTES_MIN: usize = 2 * 1024 * 1024;

/// Most partitions of a hub, and so most chunks of a commit.
///
/// Source: service-endpoints reference, "Consumer groups, partitions, retention".
pub const PARTITIONS_MAX: usize = 128;

/// Largest commit in bytes, headers and padding included. A commit takes no further record at its configured size,
/// which is far below; recovery treats a larger length as damage.
pub const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most readers without epoch of one consumer group on one partition. One more: `amqp:resource-limit-exceeded`.
///
/// Source: service-endpoints reference, "Epoch (exclusive) receivers".
pub const SHARED_READERS_MAX: usize = 5;

const _: () = assert!(RING_BYTES_MIN.is_power_of_two() && RING_BYTES_MIN >= 4 * RECORD_BYTES_MAX);
const _: () = assert!(COMMIT_BYTES_MAX >= 8 * RECORD_BYTES_MAX);
