//! One job on its thread: what both kinds need.

use std::sync::Arc;
use std::time::Duration;

use ringhub_core::limits::{JOB_PAUSE, STORAGE_BACK_OFF, STORAGE_TRIES_MAX};

use super::gate::Gate;
use super::{
    BlobStorage, RegistryJob, RegistryJobChange, RegistryJobKind, RegistryJobNumber,
    RegistryJobOutcome, RegistryJobProgress, RegistryJobState, StorageError,
};
use crate::directory::Directory;
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::{RegistryJobStore as _, SqliteStore, StoreError, Write};

/// Why a job does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Halt {
    /// It was cancelled, or is not there any more.
    #[error("the job has ended")]
    Over,
    /// The process ends, or writes nothing until it is started again.
    #[error("the process ends")]
    Stopping,
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
}

/// A running job.
pub(super) struct Run {
    pub(super) job: RegistryJob,
    pub(super) store: SqliteStore,
    pub(super) directory: Arc<Directory>,
    pub(super) storage: Arc<dyn BlobStorage>,
    pub(super) gate: Arc<Gate>,
}

/// The answer of the writer, once it is there.
pub(super) type Written = flume::Receiver<Result<Outcome, RegistryError>>;

impl Run {
    /// Does the job, and stores how it ended. Blocks for as long as that takes.
    pub(super) fn run(self) {
        let number = self.job.number;
        let (state, failure) = match self.work() {
            Ok(()) => (RegistryJobState::Completed, None),
            Err(Halt::Failed(reason)) => {
                let (job, kind) = (&self.job.id, self.job.request.kind.text());
                tracing::warn!(%job, kind, %reason, "a job has failed");
                (RegistryJobState::Failed, Some(reason))
            }
            Err(Halt::Over | Halt::Stopping) => return,
        };
        // Whoever has cancelled it meanwhile was first.
        let _ = self.write(|| RegistryJobChange::End(number, state, failure.clone()));
    }

    fn work(&self) -> Result<(), Halt> {
        let number = self.job.number;
        self.write(|| RegistryJobChange::Start(number))?;
        match self.job.request.kind {
            RegistryJobKind::Export => self.export(),
            RegistryJobKind::Import => self.import(),
        }
    }

    /// Makes one step, as often as the store is busy or full.
    pub(super) fn write(
        &self,
        change: impl Fn() -> RegistryJobChange,
    ) -> Result<RegistryJobProgress, Halt> {
        loop {
            if let Some(progress) = self.written(&self.submit(change())?)? {
                return Ok(progress);
            }
        }
    }

    /// Hands a step to the writer.
    pub(super) fn submit(&self, change: RegistryJobChange) -> Result<Written, Halt> {
        let (sender, written) = flume::bounded(1);
        let done = Box::new(move |outcome| drop(sender.send(outcome)));
        let is_open = self.gate.submit(Write { change: Change::RegistryJob(change), done });
        if is_open { Ok(written) } else { Err(Halt::Stopping) }
    }

    /// Waits for a step. `None`, after a rest, when it was refused and may be tried again.
    pub(super) fn written(&self, written: &Written) -> Result<Option<RegistryJobProgress>, Halt> {
        match written.recv() {
            Ok(Ok(Outcome::RegistryJob(RegistryJobOutcome::Moved { progress, .. }))) => {
                Ok(Some(progress))
            }
            Ok(Ok(_) | Err(RegistryError::JobEnded | RegistryError::JobNotFound)) => {
                Err(Halt::Over)
            }
            // The writer has ended.
            Err(_) => Err(Halt::Stopping),
            Ok(Err(RegistryError::Failed)) => {
                // It writes nothing any more, and the dispatcher tries again at once.
                self.gate.rest(10 * JOB_PAUSE);
                Err(Halt::Stopping)
            }
            Ok(Err(_)) => {
                if self.gate.rest(JOB_PAUSE) {
                    Ok(None)
                } else {
                    Err(Halt::Stopping)
                }
            }
        }
    }

    /// How far the job is, as it is stored.
    pub(super) fn progress(&self) -> Result<RegistryJobProgress, Halt> {
        let found = self.read(|store| store.registry_job_by_number(self.number()))?;
        let progress = found.map(|job| job.progress).ok_or(Halt::Over)?;
        if progress.state.is_ended() { Err(Halt::Over) } else { Ok(progress) }
    }

    pub(super) fn number(&self) -> RegistryJobNumber {
        self.job.number
    }

    /// Reads from the store.
    pub(super) fn read<T>(
        &self,
        read: impl Fn(&SqliteStore) -> Result<T, StoreError>,
    ) -> Result<T, Halt> {
        read(&self.store).map_err(|error| {
            let error = self.store.explain(&error);
            tracing::error!(%error, "the registry could not be read");
            Halt::Failed("the registry could not be read".to_owned())
        })
    }

    /// Asks the storage account, several times where that may help. `doing` is what fails then.
    pub(super) fn ask<T>(
        &self,
        doing: impl Fn() -> String,
        request: impl Fn(&dyn BlobStorage) -> Result<T, StorageError>,
    ) -> Result<T, Halt> {
        let mut wait: Duration = STORAGE_BACK_OFF;
        let mut tries = 0;
        loop {
            let error = match request(&*self.storage) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            if !error.is_passing {
                return Err(Halt::Failed(format!("{}: {error}", doing())));
            }
            if tries == STORAGE_TRIES_MAX {
                return Err(Halt::Failed(format!("{}: {error} (tried {tries} times)", doing())));
            }
            if !self.gate.rest(wait) {
                return Err(Halt::Stopping);
            }
            self.progress()?;
            wait *= 2;
        }
    }
}
