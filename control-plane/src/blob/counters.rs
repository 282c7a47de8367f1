//! What the store has done, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StorageError;

/// Why requests are refused, as metrics tell it.
const REASONS: [&str; 6] = ["signature", "quota", "disk_full", "busy", "failed", "request"];

/// Numbers since the start of the process; several threads write them.
#[derive(Debug, Default)]
pub struct BlobCounters {
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    refusals: [AtomicU64; REASONS.len()],
}

impl BlobCounters {
    /// Bytes of blobs that were taken, those of uploads that came to nothing included.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Relaxed)
    }

    /// Bytes of blobs that were read.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Relaxed)
    }

    /// Requests that were refused, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.refusals.iter().map(|count| count.load(Relaxed)))
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_refusal(&self, error: &StorageError) {
        let reason = match error {
            StorageError::NoAuthentication
            | StorageError::Authentication(_)
            | StorageError::Permission => 0,
            StorageError::Quota(_) => 1,
            StorageError::DiskFull => 2,
            StorageError::Busy => 3,
            StorageError::Internal => 4,
            _ => 5,
        };
        self.refusals[reason].fetch_add(1, Relaxed);
    }
}
