//! Every bound in the system, with what happens when it is reached.

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values.
/// Larger: MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Largest head of an HTTP request in bytes, request line and empty line included. Larger: 431, then the connection
/// closes.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest request line of an HTTP request in bytes. Longer: 414, then the connection closes.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;

/// Headers of one HTTP request at most. More: 431, then the connection closes.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Largest body of an HTTP request in bytes unless configured otherwise. Larger: 413, then the connection closes.
pub const HTTP_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest chunk-size or trailer line of a chunked body. Longer: 400, then the connection closes.
pub const CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Trailers of one chunked body in bytes. More: 400, then the connection closes.
pub const CHUNK_TRAILER_BYTES_MAX: usize = 4 * 1024;

/// Largest payload of one WebSocket frame in bytes. Larger: close code 1009. Frames are not buffered, so this costs no
/// memory.
pub const WEBSOCKET_FRAME_BYTES_MAX: u64 = 1024 * 1024;

const _: () = assert!(REQUEST_LINE_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
const _: () = assert!(HTTP_HEAD_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(HTTP_BODY_BYTES_MAX >= D2C_MESSAGE_BYTES_MAX);
