//! Every bound in the system, with what happens when it is reached.

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values.
/// Larger: MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Largest MQTT packet of a connected client in bytes: a D2C message with the longest topic, fixed header and packet
/// id. Larger: the connection is closed as soon as the fixed header is there.
pub const MQTT_PACKET_BYTES_MAX: usize = D2C_MESSAGE_BYTES_MAX + 66 * 1024;

/// Largest MQTT packet before a client is authenticated: a CONNECT with the largest will payload and a long token.
/// Larger: the connection is closed as soon as the fixed header is there.
pub const MQTT_CONNECT_BYTES_MAX: usize = 96 * 1024;

const _: () = assert!(MQTT_CONNECT_BYTES_MAX <= MQTT_PACKET_BYTES_MAX);
