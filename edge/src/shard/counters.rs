//! What a shard counts, readable from any thread.

use ringhub_core::meter::{Counter, Histogram};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one shard since its start.
        #[derive(Debug, Default)]
        pub struct ShardCounters {
            $($(#[$doc])* pub $name: Counter,)*
            /// What the stages of the data path take.
            pub stages: ShardStages,
        }

        impl ShardCounters {
            /// Every counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.read()),)*].into_iter()
            }
        }
    };
}

counters! {
    /// The kernel's number of the thread.
    thread_id,
    /// Connections now, those in the handshake included.
    connections_open,
    /// Connections of the MQTT port now.
    mqtt_open,
    /// Connections of the AMQP port now.
    amqp_open,
    /// Connections of the HTTPS port now, WebSockets included.
    https_open,
    /// WebSockets that carry MQTT now.
    mqtt_websockets_open,
    /// WebSockets that carry AMQP now.
    amqp_websockets_open,
    /// Sockets accepted.
    connections_accepted,
    /// Sockets closed at once because the shard has its bound of connections.
    connections_refused,
    /// Times that accepting paused for want of descriptors or memory.
    accept_pauses,
    /// Handshakes completed.
    handshakes_completed,
    /// Connections ended by broken TLS or a handshake that took too long.
    handshakes_failed,
    /// Connections ended because the peer did not take its data.
    slow_readers_closed,
    /// Connections ended because the peer broke its protocol or a bound.
    violations_closed,
    /// Devices accepted with CONNACK 0.
    connects_accepted,
    /// CONNACK 1: protocol level.
    connack_1,
    /// CONNACK 2: client id.
    connack_2,
    /// CONNACK 3: the hub cannot serve now.
    connack_3,
    /// CONNACK 4: user name.
    connack_4,
    /// CONNACK 5: not authorized.
    connack_5,
    /// Devices and modules let in over AMQP.
    amqp_seats_admitted,
    /// AMQP logins and tokens refused.
    amqp_logins_refused,
    /// AMQP links refused.
    amqp_links_refused,
    /// HTTP answers with a status of 200 to 299.
    http_2xx,
    /// HTTP answers with a status of 300 to 399.
    http_3xx,
    /// HTTP answers with a status of 400 to 499 besides the next two.
    http_4xx,
    /// HTTP answers 401.
    http_401,
    /// HTTP answers 429.
    http_429,
    /// HTTP answers with a status of 500 and above.
    http_5xx,
    /// Messages of devices taken into a ring, wills included.
    d2c_messages,
    /// Bytes of their records.
    d2c_bytes,
    /// Times that a message found its ring full and its connection had to wait.
    ring_full,
    /// Messages sent to devices.
    c2d_messages,
    /// Bytes of their bodies.
    c2d_bytes,
    /// Events sent to readers.
    reader_messages,
    /// Bytes of their records.
    reader_bytes,
    /// Bytes received, TLS included.
    received_bytes,
    /// Bytes that sockets took, TLS included.
    sent_bytes,
    /// Calls of `recv` that brought bytes.
    receives,
    /// Calls of `send` at the end of a turn.
    sends,
    /// Ends of turns.
    turns,
    /// Time spent in ends of turns, in nanoseconds.
    turn_time_ns,
    /// Longest end of a turn, in nanoseconds.
    turn_time_max_ns,
    /// Messages taken from the mailbox.
    mail_taken,
    /// Memory of the table of connections, in bytes.
    table_bytes,
    /// Memory of bytes that wait in connections, to be parsed or to be sent.
    buffered_bytes,
    /// Memory of the buffers that all connections use in turn.
    scratch_bytes,
}

/// What the stages of the data path take on one shard, in nanoseconds.
///
/// The first four are of every sixteenth receive; each counts once, however many messages it
/// brought. The others count messages.
#[derive(Debug, Default)]
pub struct ShardStages {
    /// One `recv`.
    pub listener: Histogram,
    /// Decrypting what it brought.
    pub tls: Histogram,
    /// Finding the packets in that; MQTT only, other protocols have it in `session`.
    pub codec: Histogram,
    /// Handling them, up to the records in the ring.
    pub session: Histogram,
    /// From the durable commit to the end of the turn that sent what it released: per turn.
    pub acknowledge: Histogram,
    /// From the read that brought a message to the flush after its commit.
    pub accepted: Histogram,
    /// From the commit of a message to a device to the shard of its connection; messages that
    /// waited for no connection.
    pub c2d_route: Histogram,
    /// From there to the flush after it was handed to the session.
    pub c2d_deliver: Histogram,
    /// From the executor's answer to a reader to the last of its events in the output: per answer.
    pub reader: Histogram,
    /// The end of a turn.
    pub turn: Histogram,
}
