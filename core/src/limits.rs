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
