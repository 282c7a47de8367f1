//! What the writer of the store counts, readable from any thread.

use ringhub_core::meter::{Counter, Histogram};

/// Counters of the store since its start. The writer alone writes.
#[derive(Debug, Default)]
pub struct StoreCounters {
    /// Transactions that were committed.
    pub transactions: Counter,
    /// Transactions that failed; nothing of them is stored.
    pub failures: Counter,
    /// Requests in all transactions.
    pub requests: Counter,
    /// From the begin of a transaction to its commit on disk, in nanoseconds.
    pub transaction_time: Histogram,
    /// From a message of a back end to a device to its commit on disk, in nanoseconds.
    pub c2d_time: Histogram,
}
