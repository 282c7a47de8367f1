//! Every bound in the system, with what happens when it is reached.

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values.
/// Larger: MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Shortest symmetric key in bytes. Shorter: refused as a bad argument.
///
/// Source: control-plane reference, "Authentication object".
pub const KEY_BYTES_MIN: usize = 16;

/// Longest symmetric key in bytes. Longer: refused as a bad argument.
pub const KEY_BYTES_MAX: usize = 64;

const _: () = assert!(KEY_BYTES_MAX <= u8::MAX as usize, "a key pair keeps a length in one byte");

/// Longest SAS token in bytes. Longer: refused as malformed.
pub const SAS_TOKEN_BYTES_MAX: usize = 4096;

/// How long after its expiry a SAS token still counts: clocks of devices are off.
///
/// Source: device-endpoints reference, "Time".
pub const SAS_CLOCK_SKEW: core::time::Duration = core::time::Duration::from_secs(300);
