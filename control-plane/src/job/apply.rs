//! Applies steps of jobs to the store. Runs on the writer thread, inside its transaction.

use std::sync::Arc;

use ringhub_core::id::{HubId, JobId};
use ringhub_core::limits::{JOB_TURN_DEVICES, JOBS_ACTIVE_MAX, JOBS_UNFINISHED_MAX};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::ServiceChange;

use super::{
    CallEnd, JobChange, JobNumber, JobOutcome, JobProgress, JobRecord, JobState, JobTarget,
    ListedTo, NewJob, RowError, RowState,
};
use crate::directory::Directory;
use crate::registry::{ChangeError, Existing, RegistryError};
use crate::store::{Store, StoreError};
use crate::twin::{Changed, TwinApplier, TwinChange, TwinOutcome};

/// Rows that are removed with one step.
const FORGET_ROWS: usize = 16 * JOB_TURN_DEVICES;

/// The writer's tools for jobs in one transaction.
pub(crate) struct JobApplier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) directory: &'a Directory,
    pub(crate) now: UnixMillis,
}

/// Who has moved.
#[derive(Default)]
struct Moved {
    started: Vec<JobTarget>,
    changed: Vec<Changed>,
}

impl JobApplier<'_> {
    /// Takes one step, or says why not. A refused one has written nothing.
    pub(crate) fn apply(&self, change: JobChange) -> Result<JobOutcome, ChangeError> {
        let number = match change {
            JobChange::Create(new) => return self.create(&new),
            JobChange::Cancel(hub, id) => return self.cancel(hub, &id),
            JobChange::Forget(number) => return Ok(self.forget(number)?),
            JobChange::Start(number)
            | JobChange::AddTargets(number, ..)
            | JobChange::UpdateTwins(number, ..)
            | JobChange::StartCalls(number, _)
            | JobChange::EndCalls(number, _)
            | JobChange::FailRunning(number)
            | JobChange::End(number, ..) => number,
        };
        let found = self.store.job_progress(number)?;
        let found = found.filter(|(hub, _)| self.directory.has_hub(*hub));
        let (hub, mut progress) = found.ok_or(RegistryError::JobNotFound)?;
        let mut moved = Moved::default();
        let before = progress.clone();
        match change {
            JobChange::EndCalls(_, ends) => self.end_calls(number, &ends, &mut progress)?,
            JobChange::FailRunning(_) => self.fail_running(number, &mut progress)?,
            _ if progress.state.is_ended() => {}
            JobChange::Start(_) => progress.state = JobState::Running,
            JobChange::AddTargets(_, targets, listed_to) => {
                self.add_targets(number, &targets, listed_to, &mut progress)?;
            }
            JobChange::UpdateTwins(_, targets, change) => {
                moved.changed = self.update_twins(hub, number, targets, &change, &mut progress)?;
            }
            JobChange::StartCalls(_, targets) => {
                moved.started = self.start_calls(number, targets, &mut progress)?;
            }
            JobChange::End(_, state, failure) => self.end(state, failure, &mut progress),
            JobChange::Create(_) | JobChange::Cancel(..) | JobChange::Forget(_) => {}
        }
        if progress.state == JobState::Running && progress.is_done() {
            self.end(JobState::Completed, None, &mut progress);
        }
        if progress != before {
            self.store.put_job_progress(number, &progress)?;
        }
        Ok(JobOutcome::Moved { progress, started: moved.started, changed: moved.changed })
    }

    /// Source: control-plane reference, "Calls" and "Limits" of scheduled jobs.
    fn create(&self, new: &NewJob) -> Result<JobOutcome, ChangeError> {
        if self.store.job(new.hub, &new.id)?.is_some() {
            return Err(RegistryError::JobExists.into());
        }
        let starts_now = new.start.is_none_or(|start| start <= self.now);
        let [active, unfinished] = self.store.count_unfinished_jobs(new.hub, self.now)?;
        if unfinished >= JOBS_UNFINISHED_MAX || (starts_now && active >= JOBS_ACTIVE_MAX) {
            return Err(RegistryError::TooManyJobs.into());
        }
        let NewJob { hub, id, kind, start, execution, condition, work } = new.clone();
        let start = start.filter(|_| !starts_now).unwrap_or(self.now);
        let mut job = JobRecord {
            number: JobNumber::default(),
            hub,
            id,
            kind,
            created: self.now,
            start,
            execution,
            condition,
            work,
            progress: JobProgress::new(),
        };
        job.number = self.store.insert_job(&job)?;
        Ok(JobOutcome::Job(Box::new(job)))
    }

    fn cancel(&self, hub: HubId, id: &JobId) -> Result<JobOutcome, ChangeError> {
        let mut job = self.store.job(hub, id)?.ok_or(RegistryError::JobNotFound)?;
        if job.progress.state.is_ended() {
            return Err(RegistryError::JobEnded.into());
        }
        self.end(JobState::Cancelled, None, &mut job.progress);
        self.store.put_job_progress(job.number, &job.progress)?;
        Ok(JobOutcome::Job(Box::new(job)))
    }

    /// Rows that are pending share the end of the job. Calls that are under way go on, and their
    /// rows with them.
    fn end(&self, state: JobState, failure: Option<String>, progress: &mut JobProgress) {
        let counts = &mut progress.counts;
        let left = std::mem::take(&mut counts.pending);
        match state {
            JobState::Cancelled => counts.canceled += left,
            _ => counts.failed += left,
        }
        progress.state = state;
        progress.ended = Some(self.now);
        progress.failure = failure;
    }

    fn add_targets(
        &self,
        number: JobNumber,
        targets: &[JobTarget],
        listed_to: ListedTo,
        progress: &mut JobProgress,
    ) -> Result<(), StoreError> {
        let added = self.store.add_job_rows(number, targets, self.now)?;
        progress.counts.devices += added;
        progress.counts.pending += added;
        progress.listed_to = listed_to;
        Ok(())
    }

    fn update_twins(
        &self,
        hub: HubId,
        number: JobNumber,
        targets: Vec<JobTarget>,
        change: &Arc<ServiceChange>,
        progress: &mut JobProgress,
    ) -> Result<Vec<Changed>, StoreError> {
        let twins = TwinApplier { store: self.store, now: self.now };
        let mut all = Vec::with_capacity(targets.len());
        for target in targets {
            // The row first: what is not pending any more is not done again.
            let moved = (RowState::Pending, RowState::Completed);
            if !self.store.move_job_row(number, &target.identity, moved, None, self.now)? {
                continue;
            }
            progress.counts.pending = progress.counts.pending.saturating_sub(1);
            match self.update_twin(&twins, hub, &target, change) {
                Ok(changed) => {
                    progress.counts.succeeded += 1;
                    all.extend(changed);
                }
                Err(ChangeError::Store(error)) => return Err(error),
                Err(ChangeError::Refused(why)) => {
                    progress.counts.failed += 1;
                    let moved = (RowState::Completed, RowState::Failed);
                    let error = RowError::from(&why).json();
                    let identity = &target.identity;
                    self.store.move_job_row(number, identity, moved, Some(&error), self.now)?;
                }
            }
        }
        Ok(all)
    }

    fn update_twin(
        &self,
        twins: &TwinApplier<'_>,
        hub: HubId,
        target: &JobTarget,
        change: &Arc<ServiceChange>,
    ) -> Result<Option<Changed>, ChangeError> {
        let identity = target.identity.clone();
        let registered = self.store.generation(hub, &identity)?;
        if registered != Some(target.generation) {
            let is_module = identity.module.is_some();
            let module = RegistryError::ModuleNotFound;
            return Err(if is_module { module } else { RegistryError::DeviceNotFound }.into());
        }
        let change = ServiceChange::clone(change);
        let when = Existing::Overwrite;
        Ok(match twins.apply(TwinChange::Service { hub, identity, change, when })? {
            TwinOutcome::Changed(changed) => Some(*changed),
            TwinOutcome::Reported(_) | TwinOutcome::Document(_) => None,
        })
    }

    fn start_calls(
        &self,
        number: JobNumber,
        targets: Vec<JobTarget>,
        progress: &mut JobProgress,
    ) -> Result<Vec<JobTarget>, StoreError> {
        let mut started = Vec::with_capacity(targets.len());
        for target in targets {
            let moved = (RowState::Pending, RowState::Running);
            if self.store.move_job_row(number, &target.identity, moved, None, self.now)? {
                progress.counts.pending = progress.counts.pending.saturating_sub(1);
                progress.counts.running += 1;
                started.push(target);
            }
        }
        Ok(started)
    }

    fn end_calls(
        &self,
        number: JobNumber,
        ends: &[(JobTarget, CallEnd)],
        progress: &mut JobProgress,
    ) -> Result<(), StoreError> {
        let is_ended = progress.state.is_ended();
        let counts = &mut progress.counts;
        for (target, end) in ends {
            let (state, count, detail) = match end {
                CallEnd::Answered(answer) => {
                    (RowState::Completed, &mut counts.succeeded, Some(answer.clone()))
                }
                CallEnd::Failed(error) => {
                    (RowState::Failed, &mut counts.failed, Some(error.json()))
                }
                CallEnd::NotSent if progress.state == JobState::Cancelled => {
                    (RowState::Pending, &mut counts.canceled, None)
                }
                CallEnd::NotSent if is_ended => (RowState::Pending, &mut counts.failed, None),
                CallEnd::NotSent => (RowState::Pending, &mut counts.pending, None),
            };
            let (identity, moved) = (&target.identity, (RowState::Running, state));
            if self.store.move_job_row(number, identity, moved, detail.as_deref(), self.now)? {
                *count += 1;
                counts.running = counts.running.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn fail_running(
        &self,
        number: JobNumber,
        progress: &mut JobProgress,
    ) -> Result<(), StoreError> {
        let error = RowError::in_doubt().json();
        let failed = self.store.fail_running_rows(number, &error, self.now)?;
        progress.counts.failed += failed;
        progress.counts.running = progress.counts.running.saturating_sub(failed);
        Ok(())
    }

    fn forget(&self, number: JobNumber) -> Result<JobOutcome, StoreError> {
        let Some((_, mut progress)) = self.store.job_progress(number)? else {
            return Ok(JobOutcome::Forgotten);
        };
        if self.store.delete_job_rows(number, FORGET_ROWS)? < FORGET_ROWS {
            self.store.delete_job(number)?;
            return Ok(JobOutcome::Forgotten);
        }
        progress.state = JobState::Forgotten;
        self.store.put_job_progress(number, &progress)?;
        Ok(JobOutcome::Moved { progress, started: Vec::new(), changed: Vec::new() })
    }
}
