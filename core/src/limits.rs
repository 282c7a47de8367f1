//! Every bound in the system, with what happens when it is reached.

mod certificate;
mod configuration;
mod hub;
mod job;
mod notice;
mod partition;
mod provider;
mod query;
mod query_index;
mod quota;
mod registry_job;
mod storage;

use core::time::Duration;

pub use certificate::*;
pub use configuration::*;
pub use hub::*;
pub use job::*;
pub use notice::*;
pub use partition::*;
pub use provider::*;
pub use query::*;
pub use query_index::*;
pub use quota::*;
pub use registry_job::*;
pub use storage::*;

/// Longest device or module id in characters. Longer: refused as a bad argument.
pub const ID_LEN_MAX: usize = 128;

/// Largest D2C message in bytes: body, system property values, property names and values. Larger:
/// MQTT closes the connection, AMQP rejects with `amqp:link:message-size-exceeded`, HTTP answers
/// 413.
///
/// Source: device-endpoints reference, "Sizes".
pub const D2C_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Largest record of the commit log in bytes: a D2C message, its stamps and the AMQP encoding
/// around them. Larger: refused by the encoder before it reaches a ring.
pub const RECORD_BYTES_MAX: usize = D2C_MESSAGE_BYTES_MAX + 64 * 1024;

/// What the hub adds to a D2C message in its record at most, in bytes: stamps with the longest ids
/// and model, and heads of sections. Messages whose properties leave less are refused.
pub const D2C_STAMP_BYTES_MAX: usize = 8 * 1024;

/// Largest transfer on a link of a device, in bytes: a batch of messages. Larger: the link is
/// detached with `amqp:link:message-size-exceeded`.
///
/// Source: device-endpoints reference, "Telemetry messages".
pub const D2C_TRANSFER_BYTES_MAX: usize = 1024 * 1024;

/// Most messages of a batch over AMQP: what a transfer of the largest size holds of messages of a
/// hundred bytes. More: rejected with `com.microsoft:argument-error`.
pub const D2C_BATCH_MESSAGES_MAX: usize = 10_000;

/// Smallest capacity of a ring in bytes. A full ring pauses the connections that push into it.
pub const RING_BYTES_MIN: usize = 2 * 1024 * 1024;

/// Most partitions of a hub, and so most chunks of a commit.
///
/// Source: service-endpoints reference, "Consumer groups, partitions, retention".
pub const PARTITIONS_MAX: usize = 128;

/// Largest commit in bytes, headers and padding included. A commit takes no further record at its
/// configured size, which is far below; recovery treats a larger length as damage.
pub const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most readers without epoch of one consumer group on one partition. One more:
/// `amqp:resource-limit-exceeded`.
///
/// Source: service-endpoints reference, "Epoch (exclusive) receivers".
pub const SHARED_READERS_MAX: usize = 5;

const _: () = assert!(RING_BYTES_MIN.is_power_of_two() && RING_BYTES_MIN >= 4 * RECORD_BYTES_MAX);
const _: () = assert!(COMMIT_BYTES_MAX >= 8 * RECORD_BYTES_MAX);
/// Largest MQTT packet of a connected client in bytes: a D2C message with the longest topic, fixed
/// header and packet id. Larger: the connection is closed as soon as the fixed header is there.
pub const MQTT_PACKET_BYTES_MAX: usize = D2C_MESSAGE_BYTES_MAX + 66 * 1024;

/// Largest MQTT packet before a client is authenticated: a CONNECT with the largest will payload
/// and a long token. Larger: the connection is closed as soon as the fixed header is there.
pub const MQTT_CONNECT_BYTES_MAX: usize = 96 * 1024;

const _: () = assert!(MQTT_CONNECT_BYTES_MAX <= MQTT_PACKET_BYTES_MAX);

/// Accepted QoS 1 publishes of one MQTT connection that may await their commit. At the limit: the
/// shard stops reading the connection.
pub const MQTT_INFLIGHT_PUBLISHES_MAX: usize = 1024;

/// Bytes of the publishes counted by [`MQTT_INFLIGHT_PUBLISHES_MAX`]. At the limit, which the last
/// publish may overstep: the shard stops reading the connection.
pub const MQTT_INFLIGHT_BYTES_MAX: usize = 1024 * 1024;

/// Time from an open transport to an accepted MQTT CONNECT. After it: the connection is closed.
pub const MQTT_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest silence of an MQTT client, whatever keep-alive it asks for, 0 included. After it: the
/// connection is closed.
///
/// Source: device-endpoints reference, "Keep alive".
pub const MQTT_KEEP_ALIVE_MAX: Duration = Duration::from_secs(1767);

/// How long a live connection outlasts its token, for clocks that differ. After it: the connection
/// is closed.
pub const TOKEN_EXPIRY_GRACE: Duration = Duration::from_secs(300);

/// C2D messages sent to one MQTT client and not yet acknowledged. At the limit: further ones stay
/// in the queue.
pub const MQTT_DELIVERIES_MAX: usize = 10;

/// QoS 1 packets sent to one MQTT client and not yet acknowledged. At the limit: replies and
/// notifications go out with QoS 0, which needs no acknowledgement.
pub const MQTT_UNACKED_MAX: usize = 64;

/// Bytes waiting to be sent to one MQTT client. At the limit, which the last packet may overstep:
/// the shard stops reading the connection, and deliveries to it are refused.
pub const MQTT_TRANSMIT_BYTES_MAX: usize = 256 * 1024;

/// Filters in one SUBSCRIBE or UNSUBSCRIBE. More: the connection is closed.
pub const MQTT_FILTERS_MAX: usize = 100;

const _: () = assert!(MQTT_DELIVERIES_MAX <= MQTT_UNACKED_MAX);
const _: () = assert!(D2C_MESSAGE_BYTES_MAX <= MQTT_INFLIGHT_BYTES_MAX);
/// Entries of a shard's io_uring submission queue. Full: the runtime submits early, nothing is
/// lost. Fewer entries make the cancelling of pending polls at shutdown slower.
pub const SHARD_RING_ENTRIES: u32 = 4096;

/// Connections that the kernel keeps for a listener before they are accepted. Full: the kernel
/// drops the SYN and the client tries again.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Default bound on the connections of one shard. Reached: a new connection is closed before its
/// handshake.
pub const CONNECTIONS_PER_SHARD_MAX: u32 = 1 << 20;

/// Bytes that one connection may hand to its shard per turn. More stays in the socket until the
/// next turn.
pub const READ_BYTES_PER_TURN: usize = 64 * 1024;

/// Bytes of an incomplete TLS record or handshake message that a connection may keep. More: the
/// connection ends. A handshake message has at most 64 KiB, a record 16 KiB and its overhead.
pub const TLS_PARTIAL_BYTES_MAX: usize = 84 * 1024;

/// Plaintext that a connection may keep because its packet is incomplete or its ring is full. More:
/// the connection ends. The largest packet is a D2C message with its topic or headers.
pub const PLAINTEXT_KEPT_BYTES_MAX: usize = 2 * D2C_MESSAGE_BYTES_MAX;

/// Plaintext that is taken from one session per turn. The rest goes out in later turns.
pub const TRANSMIT_BYTES_PER_TURN: usize = 64 * 1024;

/// Unsent bytes of a connection above which it is not read any more.
pub const OUTPUT_PAUSE_BYTES: usize = 64 * 1024;

/// Unsent bytes of a connection above which nothing is taken from its session. A batch that was
/// begun below the bound may end above it, by one message.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Messages that a shard takes from its mailbox per turn. The rest waits for the next turn.
pub const MAIL_PER_TURN: usize = 1024;

/// Deadlines that a shard serves per turn. The rest waits for the next turn.
pub const DEADLINES_PER_TURN: usize = 4096;

/// Connections that are asked per turn whether they can be read again, while rings are full. The
/// others are asked in later turns, in order.
pub const RESUMES_PER_TURN: usize = 256;

/// Default time from accept to the end of the TLS handshake. Over: the connection ends.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Default time in which a socket must take some of the bytes that wait for it. Over: the
/// connection ends.
pub const WRITE_STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Time that a peer gets to close its side after we closed ours. Over: the connection is cut.
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// Default time that a shard takes to end. Over: it ends with what is not done.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(10);

/// Time that the tasks of a shard get to end after it has ended. Over: its thread ends all the
/// same.
pub const TASKS_END_TIME_MAX: Duration = Duration::from_secs(2);

/// Pause of a listener after the process ran out of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a shard looks at the commit position of another shard's ring while a connection waits
/// for it.
pub const FOREIGN_COMMIT_INTERVAL: Duration = Duration::from_millis(1);

const _: () = assert!(PLAINTEXT_KEPT_BYTES_MAX > D2C_MESSAGE_BYTES_MAX + READ_BYTES_PER_TURN);
const _: () = assert!(OUTPUT_PAUSE_BYTES <= OUTPUT_BYTES_MAX);
const _: () = assert!(TLS_PARTIAL_BYTES_MAX > 64 * 1024 + 16 * 1024 + 5 + 2048);
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
pub const SAS_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Most devices of one hub: what the directory may need of memory. Full: a create is refused with
/// `TooManyDevices`. Creates of the same transaction may pass it by their number.
pub const DEVICES_PER_HUB_MAX: u64 = 4_000_000;

/// Most modules of one device. Full: a create is refused with `TooManyModulesOnDevice`.
///
/// Source: control-plane reference, "Modules".
pub const MODULES_PER_DEVICE_MAX: usize = 50;

/// Most devices that a list answers.
///
/// Source: control-plane reference, "List, statistics, purge".
pub const DEVICE_LIST_MAX: usize = 1000;

/// Consumer groups of a hub besides `$Default`. More: refused as a bad argument.
pub const CONSUMER_GROUPS_MAX: usize = 20;

/// Most items of a bulk registry call. More: refused with `TooManyDevices`.
pub const BULK_ITEMS_MAX: usize = 100;

/// Longest `statusReason` in characters. Longer: refused as a bad argument.
pub const STATUS_REASON_CHARS_MAX: usize = 128;

/// Largest body of a REST request in bytes. Larger: refused with 413.
pub const REST_BODY_BYTES_MAX: usize = 1024 * 1024;

/// REST requests that wait for a worker of the control plane. Full: 503 at once.
pub const REST_QUEUE_MAX: usize = 1024;

/// How long the messages of a device over HTTPS may take to the disk, from the end of the request
/// on. Longer: 503, and the device sends them again; those that were on their way may come twice.
pub const HTTP_SEND_TIME_MAX: Duration = Duration::from_secs(15);

/// When a client whose request found the disk full is asked to come again.
pub const DISK_FULL_RETRY: Duration = Duration::from_secs(10);

/// Registry writes that wait for the store's writer. Full: 503 at once.
pub const STORE_QUEUE_MAX: usize = 4096;

/// Identities written at which a transaction takes no further request: one sync of the disk serves
/// them all.
pub const STORE_BATCH_MAX: usize = 512;

/// Length of the write-ahead log in bytes at which its content is moved into the database, whoever
/// waits.
pub const STORE_WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Memory in bytes of the reported properties that the store's writer keeps ready to be changed.
/// Full: those changed least lately are read again when they are needed.
pub const STORE_SECTION_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest head of an HTTP request in bytes, request line and empty line included. Larger: 431,
/// then the connection closes.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest request line of an HTTP request in bytes. Longer: 414, then the connection closes.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;

/// Headers of one HTTP request at most. More: 431, then the connection closes.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Largest body of an HTTP request in bytes unless configured otherwise. Larger: 413, then the
/// connection closes.
pub const HTTP_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest chunk-size or trailer line of a chunked body. Longer: 400, then the connection closes.
pub const CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Trailers of one chunked body in bytes. More: 400, then the connection closes.
pub const CHUNK_TRAILER_BYTES_MAX: usize = 4 * 1024;

/// Largest payload of one WebSocket frame in bytes. Larger: close code 1009. Frames are not
/// buffered, so this costs no memory.
pub const WEBSOCKET_FRAME_BYTES_MAX: u64 = 1024 * 1024;

const _: () = assert!(REQUEST_LINE_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
const _: () = assert!(HTTP_HEAD_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(HTTP_BODY_BYTES_MAX >= D2C_MESSAGE_BYTES_MAX);
/// Deepest nesting of AMQP values that is looked into. Deeper: the value is malformed.
pub const AMQP_NESTING_MAX: usize = 16;

/// Size of an AMQP frame header in bytes: the smallest frame.
pub const AMQP_FRAME_HEADER_BYTES: u32 = 8;

/// Largest AMQP frame in bytes that is accepted, and told the peer. Larger: the connection closes
/// with a framing error.
pub const AMQP_FRAME_BYTES_MAX: u32 = 65536;

/// Sessions of one AMQP connection. One more is ended at once with `amqp:resource-limit-exceeded`.
pub const AMQP_SESSIONS_MAX: usize = 2048;

/// Links of one AMQP connection. One more is refused with `amqp:resource-limit-exceeded`.
pub const AMQP_LINKS_MAX: usize = 8192;

/// Links of one AMQP connection that are refused for [`AMQP_LINKS_MAX`] and that the peer has not
/// detached yet. One more ends its session.
pub const AMQP_LINKS_OVER_MAX: usize = 1024;

/// Bytes of attaches of one AMQP connection that wait for their answers, as they came. At the
/// limit, which the last one may overstep: nothing more is read until some are answered.
pub const AMQP_ASKED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Longest name of an AMQP link in bytes. Longer: refused with `amqp:invalid-field`.
pub const AMQP_LINK_NAME_LEN_MAX: usize = 1024;

/// Longest host name in bytes that an AMQP peer is called by. Longer: the hub's own name is told.
pub const HOST_NAME_LEN_MAX: usize = 255;

/// Time between the attach that answers a link which is refused and the detach with the reason.
pub const AMQP_REFUSAL_PAUSE: Duration = Duration::from_millis(10);

/// Links of one AMQP connection that are within [`AMQP_REFUSAL_PAUSE`]. One more is detached
/// without the pause.
pub const AMQP_REFUSALS_MAX: usize = 8192;

/// Transfer frames that a peer may send before the next session flow. More: the session ends with a
/// window violation.
pub const AMQP_SESSION_WINDOW: u32 = 5000;

/// Bytes of messages that one AMQP connection has received in part. More: the link is detached with
/// `amqp:resource-limit-exceeded`.
pub const AMQP_PARTIAL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The same for a connection with devices: [`D2C_TRANSFER_BYTES_MAX`] for each of them in addition,
/// but no more than this.
pub const AMQP_DEVICES_PARTIAL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Unsettled deliveries that one AMQP link has sent. More: sending on it waits for outcomes.
pub const AMQP_LINK_UNSETTLED_MAX: u32 = 2048;

/// Unsettled deliveries that one AMQP connection has sent: a gateway with the queues of a thousand
/// devices. More: sending waits for outcomes.
pub const AMQP_UNSETTLED_MAX: u32 = 65_536;

/// Bytes waiting to be written to one AMQP peer. At this mark sending waits; at twice the mark
/// reading waits too.
pub const AMQP_OUT_BYTES_MAX: usize = 256 * 1024;

/// Claims that one AMQP connection may hold. One more is answered with 403.
pub const AMQP_CLAIMS_MAX: usize = 512;

/// Tokens of devices and modules that one AMQP connection may hold. One more is answered with 403.
///
/// Source: device-endpoints reference, "CBS node `$cbs`".
pub const AMQP_DEVICE_TOKENS_MAX: usize = 2048;

/// Devices and modules that one AMQP connection serves at a time. The first link of one more is
/// refused with `amqp:resource-limit-exceeded`.
pub const AMQP_SEATS_MAX: usize = 1536;

/// Messages that a device may send on a link before it hears of the first: its credit. More: its
/// sender waits.
///
/// Source: device-endpoints reference, "Link addresses".
pub const DEVICE_LINK_CREDIT: u32 = 1000;

/// Transfers of all devices of one AMQP connection that are not settled yet. At the limit: the
/// connection is not read until some are durable.
pub const AMQP_IN_FLIGHT_MAX: usize = 16_384;

/// Bytes of transfers of devices that one AMQP connection holds until their rings have room. At the
/// limit, which the last one may overstep: the connection is not read until there is.
pub const AMQP_HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of answers to twin requests that wait for credit on one AMQP connection. More: the twin
/// links of the device with the most of them are detached with `amqp:resource-limit-exceeded`.
pub const AMQP_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Requests to `$cbs` and `$management` of one AMQP connection whose answers wait for the log or
/// for credit. One more detaches its link with `amqp:resource-limit-exceeded`.
pub const AMQP_REQUESTS_MAX: usize = 256;

/// Longest correlation id of a twin request over AMQP in bytes. Longer: the request is rejected
/// with `com.microsoft:argument-error`.
pub const AMQP_CORRELATION_ID_BYTES_MAX: usize = 256;

/// Largest request to `$cbs` or `$management` in bytes. Larger: the link is detached.
pub const AMQP_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Links of one AMQP connection that read partitions. One more is refused with
/// `amqp:resource-limit-exceeded`.
pub const AMQP_READERS_MAX: usize = 1024;

/// Records that a reader link asks of the log at a time, in bytes; it holds at most two such
/// batches. A larger record comes alone.
pub const READER_BATCH_BYTES_MAX: usize = 256 * 1024;

/// Records of one chunk of a commit, in bytes, that a reader of old events keeps when its batch had
/// no room for all of them. Those of a longer chunk are read again for the next batch.
pub const READER_REST_BYTES_MAX: usize = 512 * 1024;

/// Readers of one executor that keep such records. One more takes the place of the one that was
/// served longest ago, which then looks its position up again.
pub const READER_RESTS_MAX: usize = 64;

/// Bytes of events that the links of one connection put into its output at a time, so that
/// connections take turns.
pub const READER_TURN_BYTES_MAX: usize = 32 * 1024;

/// Time from the handshake of an AMQP connection to its first link with a claim. After it: the
/// connection is closed.
///
/// Source: service-endpoints reference, "Error/lifecycle vocabulary on NS".
pub const AMQP_FIRST_LINK_TIMEOUT: Duration = Duration::from_secs(60);

/// Time that an AMQP connection may stay without links or claims later on. After it: the
/// connection is closed.
///
/// Source: service-endpoints reference, "Error/lifecycle vocabulary on NS".
pub const AMQP_NO_LINK_TIMEOUT: Duration = Duration::from_secs(300);

const _: () = assert!(AMQP_PARTIAL_BYTES_MAX >= 2 * D2C_TRANSFER_BYTES_MAX);
const _: () = assert!(AMQP_FRAME_BYTES_MAX >= 512);

/// Unmasked bytes of a WebSocket that its inner protocol has not taken, in bytes: one MQTT packet
/// or AMQP frame and the next read. Reached: the socket is not read until the protocol has taken
/// some.
pub const WEBSOCKET_UNREAD_BYTES_MAX: usize = 512 * 1024;

/// Longest name of a direct method in characters: a component and a command of a Plug and Play
/// model, 64 characters each, and the `*` between them. Longer: refused as a bad argument.
pub const METHOD_NAME_LEN_MAX: usize = 129;

/// Largest payload of a method call or of its answer in bytes. Larger call: 413. Larger answer: the
/// caller hears that the device answered badly.
///
/// Source: control-plane reference, "Direct methods".
pub const METHOD_PAYLOAD_BYTES_MAX: usize = 128 * 1024;

/// Method calls of the whole process that wait for their device or its answer. One more is refused
/// with `ThrottlingException`.
pub const METHOD_CALLS_MAX: usize = 65_536;

/// Names and payloads of the calls counted by [`METHOD_CALLS_MAX`], in bytes. More: refused with
/// `ThrottlingException`.
pub const METHOD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Method calls that wait for one device or module. One more is refused with
/// `DeviceMaximumInflightMethodExceeded`.
pub const METHOD_CALLS_PER_IDENTITY_MAX: usize = 256;

const _: () = assert!(METHOD_PAYLOAD_BYTES_MAX < MQTT_TRANSMIT_BYTES_MAX);

/// Time from a message of a device to the report of its activity to the directory; one report
/// stands for all messages meanwhile.
pub const ACTIVITY_REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// How often presence that has changed goes to the store. A crash loses what is newer.
pub const PRESENCE_SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Identities whose presence is stored in one transaction. More wait for the next one, which
/// follows at once.
pub const PRESENCE_BATCH_MAX: usize = 1024;
/// Largest C2D message in bytes: body, system property values, property names and values. Larger:
/// rejected with `amqp:link:message-size-exceeded`.
///
/// Source: device-endpoints reference, "Sizes".
pub const C2D_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Largest transfer on a link that sends C2D messages, in bytes: a message and its encoding.
/// Larger: the link is detached with `amqp:link:message-size-exceeded`.
pub const C2D_TRANSFER_BYTES_MAX: usize = 2 * C2D_MESSAGE_BYTES_MAX;

/// Longest property bag of a C2D message in bytes: what an MQTT topic leaves beside the longest
/// ids. Longer: rejected as a message that is too large.
pub const C2D_BAG_BYTES_MAX: usize = u16::MAX as usize - 512;

/// Longest message id in characters. Longer: rejected as a bad argument.
///
/// Source: device-endpoints reference, "Sizes".
pub const MESSAGE_ID_CHARS_MAX: usize = 128;

/// Most messages of one identity's queue that a configuration may allow, locked ones included.
///
/// Source: device-endpoints reference, "Cloud-to-device queue".
pub const C2D_QUEUE_DEPTH_MAX: u16 = 100;

/// C2D messages of all hubs in bytes, as they are kept in memory. More: the sender is told
/// `amqp:resource-limit-exceeded`.
pub const C2D_MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Time that a device has for a message before somebody else may get it.
///
/// Source: device-endpoints reference, "Cloud-to-device queue".
pub const C2D_LOCK_TIME: Duration = Duration::from_secs(60);

/// How soon a request over HTTP tries again a ring that was full. Other requests of its connection
/// wait meanwhile.
pub const RING_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Shortest time for which a client over HTTP may lock a message: the writer of the store looks for
/// lapsed locks as often. Shorter: the request is refused with 400.
pub const C2D_LOCK_TIME_MIN: Duration = Duration::from_secs(1);

/// Longest time for which a client over HTTP may lock a message. Longer: the request is refused
/// with 400.
pub const C2D_LOCK_TIME_MAX: Duration = Duration::from_secs(300);

/// Longest life of a C2D message. Later expiry: rejected as a bad argument.
pub const C2D_TTL_MAX: Duration = Duration::from_hours(48);

/// Messages that a sender link may have under way to the store: its credit. More: the link's
/// sender waits.
pub const C2D_SENDER_CREDIT: u32 = 100;

/// Links of one AMQP connection that send C2D messages or receive feedback. One more is refused
/// with `amqp:resource-limit-exceeded`.
pub const SERVICE_LINKS_MAX: usize = 64;

/// How soon a C2D delivery is tried again to an MQTT client that does not take its bytes.
pub const C2D_RETRY_INTERVAL: Duration = Duration::from_millis(100);

const _: () = assert!(C2D_MESSAGE_BYTES_MAX <= MQTT_TRANSMIT_BYTES_MAX);
/// Bytes of the tags of a twin, counted as the reference counts. More: refused as a bad argument.
///
/// Source: control-plane reference, "Limits" of twins.
pub const TWIN_TAGS_BYTES_MAX: usize = 8 * 1024;

/// Bytes of desired properties, counted alike. More: refused as a bad argument.
pub const TWIN_DESIRED_BYTES_MAX: usize = 32 * 1024;

/// Bytes of reported properties, counted alike. More: refused as a bad argument.
pub const TWIN_REPORTED_BYTES_MAX: usize = 32 * 1024;

/// Objects and arrays within each other below a section of a twin. Deeper: refused as a bad
/// argument.
pub const TWIN_DEPTH_MAX: usize = 10;

/// Longest name in a twin in bytes. Longer: refused as a bad argument.
pub const TWIN_KEY_BYTES_MAX: usize = 1024;

/// Longest text in a twin in bytes. Longer: refused as a bad argument.
pub const TWIN_STRING_BYTES_MAX: usize = 4096;

/// Smallest whole number in a twin. Smaller: refused as a bad argument.
pub const TWIN_INTEGER_MIN: i64 = -(1 << 52);

/// Largest whole number in a twin. Larger: refused as a bad argument.
pub const TWIN_INTEGER_MAX: i64 = (1 << 52) - 1;

/// Twin requests of one seat that may be under way: what one device may keep of the store's
/// queue. One more is answered with 429 at once.
pub const TWIN_REQUESTS_PER_SEAT_MAX: u8 = 16;

/// Longest id of a Plug and Play model in bytes. Longer: as if the device had announced none.
pub const MODEL_ID_BYTES_MAX: usize = 2048;
