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

/// Most devices of one hub: what the directory may need of memory. Full: a create is refused with `TooManyDevices`.
/// Creates of the same transaction may pass it by their number.
pub const DEVICES_PER_HUB_MAX: u64 = 4_000_000;

/// Most modules of one device. Full: a create is refused with `TooManyModulesOnDevice`.
///
/// Source: control-plane reference, "Modules".
pub const MODULES_PER_DEVICE_MAX: usize = 50;

/// Most devices that a list answers.
///
/// Source: control-plane reference, "List, statistics, purge".
pub const DEVICE_LIST_MAX: usize = 1000;

/// Most items of a bulk registry call. More: refused with `TooManyDevices`.
pub const BULK_ITEMS_MAX: usize = 100;

/// Longest `statusReason` in characters. Longer: refused as a bad argument.
pub const STATUS_REASON_CHARS_MAX: usize = 128;

/// Largest body of a REST request in bytes. Larger: refused with 413.
pub const REST_BODY_BYTES_MAX: usize = 1024 * 1024;

/// REST requests that wait for a worker of the control plane. Full: 503 at once.
pub const REST_QUEUE_MAX: usize = 1024;

/// Registry writes that wait for the store's writer. Full: 503 at once.
pub const STORE_QUEUE_MAX: usize = 4096;

/// Identities written at which a transaction takes no further request: one sync of the disk serves them all.
pub const STORE_BATCH_MAX: usize = 512;

/// Length of the write-ahead log in bytes at which its content is moved into the database, whoever waits.
pub const STORE_WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
