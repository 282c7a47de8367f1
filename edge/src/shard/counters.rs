//! What a shard counts, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number with one writer, the shard, and any number of readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value at some recent moment.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A plain load and store: only the owning shard writes.
    pub(super) fn add(&self, amount: u64) {
        self.set(self.read() + amount);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn set_max(&self, value: u64) {
        self.set(self.read().max(value));
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one shard since its start.
        #[derive(Debug, Default)]
        pub struct ShardCounters {
            $($(#[$doc])* pub $name: Counter,)*
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
    /// Connections now, those in the handshake included.
    connections_open,
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
}
