//! Stretches of time in which writes are refused, and what the log says of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::schema::explain;
use super::state::SharedState;
use super::{StoreError, StoreState};
use crate::registry::RegistryError;

/// How long nothing must have been refused until the log says that a disk has room again: on one
/// that is nearly full, small writes succeed between large ones that do not.
const QUIET: Duration = Duration::from_secs(5);

/// How long the writer waits on a full disk before it tries a write of its own: where nobody sends
/// any because the hub is not ready, it would never be ready again.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the state of the store, and counts what is refused. Belongs to the writer.
#[derive(Debug)]
pub(super) struct Outage {
    state: Arc<SharedState>,
    /// Writes that were refused since the log told of the beginning.
    refused: u64,
    /// When the last write was refused, from the beginning on until the log tells of the end.
    last_refusal: Option<Instant>,
}

impl Outage {
    pub(super) fn new(state: Arc<SharedState>) -> Self {
        let is_full = state.get() == StoreState::DiskFull;
        Self { state, refused: 0, last_refusal: is_full.then(Instant::now) }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state.has_failed()
    }

    /// Takes the error that ended a transaction with `writes`; what those who wait for it are told.
    pub(super) fn note_error(
        &mut self,
        error: &StoreError,
        path: &Path,
        writes: u64,
    ) -> RegistryError {
        let fault = Fault::of(error, path);
        let error = explain(path, error);
        match fault {
            Some(Fault::DiskFull) => {
                if self.last_refusal.is_none() {
                    tracing::warn!(%error, "the disk is full: changes of the registry are refused");
                }
                self.last_refusal = Some(Instant::now());
                self.state.set_disk_full(true);
                self.refused += writes;
                RegistryError::DiskFull
            }
            Some(Fault::Disk | Fault::Damage) => {
                self.state.fail(&error);
                self.note_refused(writes);
                RegistryError::Failed
            }
            None => {
                tracing::error!(writes, %error, "the registry could not be written");
                RegistryError::Storage
            }
        }
    }

    /// Counts writes that were refused unseen, because the store has failed.
    pub(super) fn note_refused(&mut self, writes: u64) {
        self.refused += writes;
    }

    /// Takes the news that something is on disk.
    pub(super) fn note_written(&mut self) {
        self.state.set_disk_full(false);
        if self.last_refusal.is_some_and(|last| last.elapsed() >= QUIET) {
            self.last_refusal = None;
            let refused = std::mem::take(&mut self.refused);
            tracing::warn!(refused, "there is room again: changes of the registry are taken");
        }
    }

    /// Whether the writer is to find out if there is room.
    pub(super) fn wants_probe(&self) -> bool {
        let is_quiet = |last: Instant| last.elapsed() >= PROBE_INTERVAL;
        !self.has_failed() && self.last_refusal.is_some_and(is_quiet)
    }

    /// Whether [`wants_probe`](Self::wants_probe) may become true by itself.
    pub(super) fn is_open(&self) -> bool {
        !self.has_failed() && self.last_refusal.is_some()
    }

    /// Says at the end of the process what the log has not told.
    pub(super) fn finish(self) {
        if self.refused > 0 {
            let refused = self.refused;
            tracing::warn!(refused, "changes of the registry were refused until the end");
        }
    }
}
