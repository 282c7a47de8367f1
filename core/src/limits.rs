//! Every bound in the system, with what happens when it is reached.

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values.
/// Larger: MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting of AMQP values that is looked into. Deeper: the value is malformed.
pub const AMQP_NESTING_MAX: usize = 16;

/// Size of an AMQP frame header in bytes: the smallest frame.
pub const AMQP_FRAME_HEADER_BYTES: u32 = 8;

/// Largest AMQP frame in bytes that is accepted, and told the peer. Larger: the connection closes with a framing error.
pub const AMQP_FRAME_BYTES_MAX: u32 = 65536;

/// Sessions of one AMQP connection. One more is ended at once with `amqp:resource-limit-exceeded`.
pub const AMQP_SESSIONS_MAX: usize = 2048;

/// Links of one AMQP connection. One more is refused with `amqp:resource-limit-exceeded`.
pub const AMQP_LINKS_MAX: usize = 8192;

/// Longest name of an AMQP link in bytes. Longer: refused with `amqp:invalid-field`.
pub const AMQP_LINK_NAME_LEN_MAX: usize = 1024;

/// Transfer frames that a peer may send before the next session flow. More: the session ends with a window violation.
pub const AMQP_SESSION_WINDOW: u32 = 5000;

/// Bytes of messages that one AMQP connection has received in part. More: the link is detached with
/// `amqp:resource-limit-exceeded`.
pub const AMQP_PARTIAL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Unsettled deliveries that one AMQP session has sent. More: sending waits for outcomes.
pub const AMQP_UNSETTLED_MAX: usize = 2048;

/// Bytes waiting to be written to one AMQP peer. At this mark sending waits; at twice the mark reading waits too.
pub const AMQP_OUT_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(AMQP_PARTIAL_BYTES_MAX >= 4 * D2C_MESSAGE_BYTES_MAX);
const _: () = assert!(AMQP_FRAME_BYTES_MAX >= 512);
