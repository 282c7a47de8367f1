//! Every bound in the system, with what happens when it is reached.

use core::time::Duration;

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values.
/// Larger: MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Entries of a shard's io_uring submission queue. Full: the runtime submits early, nothing is lost.
/// Fewer entries make the cancelling of pending polls at shutdown slower.
pub const SHARD_RING_ENTRIES: u32 = 4096;

/// Connections that the kernel keeps for a listener before they are accepted. Full: the kernel drops the SYN and
/// the client tries again.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Default bound on the connections of one shard. Reached: a new connection is closed before its handshake.
pub const CONNECTIONS_PER_SHARD_MAX: u32 = 1 << 20;

/// Bytes that one connection may hand to its shard per turn. More stays in the socket until the next turn.
pub const READ_BYTES_PER_TURN: usize = 64 * 1024;

/// Bytes of an incomplete TLS record or handshake message that a connection may keep. More: the connection ends.
/// A handshake message has at most 64 KiB, a record 16 KiB and its overhead.
pub const TLS_PARTIAL_BYTES_MAX: usize = 84 * 1024;

/// Plaintext that a connection may keep because its packet is incomplete or its ring is full. More: the connection
/// ends. The largest packet is a D2C message with its topic or headers.
pub const PLAINTEXT_KEPT_BYTES_MAX: usize = 2 * D2C_MESSAGE_BYTES_MAX;

/// Plaintext that is taken from one session per turn. The rest goes out in later turns.
pub const TRANSMIT_BYTES_PER_TURN: usize = 64 * 1024;

/// Unsent bytes of a connection above which it is not read any more.
pub const OUTPUT_PAUSE_BYTES: usize = 64 * 1024;

/// Unsent bytes of a connection above which nothing is taken from its session. A batch that was begun below the
/// bound may end above it, by one message.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Messages that a shard takes from its mailbox per turn. The rest waits for the next turn.
pub const MAIL_PER_TURN: usize = 1024;

/// Deadlines that a shard serves per turn. The rest waits for the next turn.
pub const DEADLINES_PER_TURN: usize = 4096;

/// Connections that are asked per turn whether they can be read again, while rings are full. The others are asked
/// in later turns, in order.
pub const RESUMES_PER_TURN: usize = 256;

/// Default time from accept to the end of the TLS handshake. Over: the connection ends.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Default time in which a socket must take some of the bytes that wait for it. Over: the connection ends.
pub const WRITE_STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Time that a peer gets to close its side after we closed ours. Over: the connection is cut.
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// Default time that a shard takes to end. Over: it ends with what is not done.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(10);

/// Pause of a listener after the process ran out of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a shard looks at the commit position of another shard's ring while a connection waits for it.
pub const FOREIGN_COMMIT_INTERVAL: Duration = Duration::from_millis(1);

const _: () = assert!(PLAINTEXT_KEPT_BYTES_MAX > D2C_MESSAGE_BYTES_MAX + READ_BYTES_PER_TURN);
const _: () = assert!(OUTPUT_PAUSE_BYTES <= OUTPUT_BYTES_MAX);
const _: () = assert!(TLS_PARTIAL_BYTES_MAX > 64 * 1024 + 16 * 1024 + 5 + 2048);
