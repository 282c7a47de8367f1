//! Changes of jobs as requests and the executor ask for them, and what they lead to.

use std::sync::Arc;
use std::time::Duration;

use ringhub_core::id::{HubId, JobId};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::ServiceChange;

use super::{CallEnd, JobKind, JobNumber, JobProgress, JobRecord, JobState, JobTarget, ListedTo};
use crate::twin::Changed;

/// A job as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewJob {
    pub(crate) hub: HubId,
    pub(crate) id: JobId,
    pub(crate) kind: JobKind,
    /// `None` starts at once.
    pub(crate) start: Option<UnixMillis>,
    pub(crate) execution: Duration,
    pub(crate) condition: String,
    pub(crate) work: String,
}

/// One step of a job. Rows that are not in the state that a step begins with are passed over, and
/// so is every step of a job that has ended, but for the outcomes of calls.
#[derive(Clone, Debug)]
pub(crate) enum JobChange {
    Create(Box<NewJob>),
    Cancel(HubId, JobId),
    /// It begins to run.
    Start(JobNumber),
    /// These are targets too.
    AddTargets(JobNumber, Vec<JobTarget>, ListedTo),
    /// Changes twins and moves their rows.
    UpdateTwins(JobNumber, Vec<JobTarget>, Arc<ServiceChange>),
    /// Calls are about to leave.
    StartCalls(JobNumber, Vec<JobTarget>),
    EndCalls(JobNumber, Arc<[(JobTarget, CallEnd)]>),
    /// Calls that a former process had under way have failed.
    FailRunning(JobNumber),
    /// It ends for this reason, with what is pending.
    End(JobNumber, JobState, Option<String>),
    /// Removes the job and its rows, some with each step.
    Forget(JobNumber),
}

impl JobChange {
    /// The hub, where no job has to be looked up for it.
    pub(crate) fn hub(&self) -> Option<HubId> {
        match self {
            Self::Create(new) => Some(new.hub),
            Self::Cancel(hub, _) => Some(*hub),
            _ => None,
        }
    }

    /// How many rows it touches.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::AddTargets(_, targets, _)
            | Self::UpdateTwins(_, targets, _)
            | Self::StartCalls(_, targets) => targets.len().max(1),
            Self::EndCalls(_, ends) => ends.len().max(1),
            _ => 1,
        }
    }
}

/// What a step answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JobOutcome {
    /// The job as it is now.
    Job(Box<JobRecord>),
    /// How far it is now.
    Moved {
        progress: JobProgress,
        /// Rows that the step has moved, if it was to call them.
        started: Vec<JobTarget>,
        changed: Vec<Changed>,
    },
    /// It is gone.
    Forgotten,
}
