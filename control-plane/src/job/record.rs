//! What is stored of a job.

use std::time::Duration;

use ringhub_core::id::{HubId, JobId};
use ringhub_core::time::UnixMillis;

/// Names a job within the process; never given twice, also over restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobNumber(pub(crate) u64);

/// What a job does to each device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    UpdateTwin,
    DeviceMethod,
}

impl JobKind {
    pub(crate) const ALL: [Self; 2] = [Self::UpdateTwin, Self::DeviceMethod];

    /// The kind as clients spell it.
    ///
    /// Source: control-plane reference, "Create body".
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::UpdateTwin => "scheduleUpdateTwin",
            Self::DeviceMethod => "scheduleDeviceMethod",
        }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// For its start time, or for other jobs to end.
    Waiting,
    Running,
    /// It ran to its end, whatever became of single devices.
    Completed,
    Failed,
    Cancelled,
    /// Nobody sees it any more; its rows are being removed.
    Forgotten,
}

impl JobState {
    pub(crate) const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Forgotten,
    ];

    pub(crate) const fn is_ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// How many devices a job has in each state. Every device counts in one of the last five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobCounts {
    pub(crate) devices: u64,
    pub(crate) pending: u64,
    pub(crate) running: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) canceled: u64,
}

/// How far the targets of a job are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListedTo {
    /// Behind this device and module; empty ones are before all.
    Identity {
        device: String,
        module: String,
    },
    End,
}

/// The part of a job that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobProgress {
    pub(crate) state: JobState,
    pub(crate) ended: Option<UnixMillis>,
    /// Why the job as a whole failed.
    pub(crate) failure: Option<String>,
    pub(crate) listed_to: ListedTo,
    pub(crate) counts: JobCounts,
}

impl JobProgress {
    /// That of a job that was just made.
    pub(crate) fn new() -> Self {
        Self {
            state: JobState::Waiting,
            ended: None,
            failure: None,
            listed_to: ListedTo::Identity { device: String::new(), module: String::new() },
            counts: JobCounts::default(),
        }
    }

    /// Whether there is nothing left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.listed_to == ListedTo::End && self.counts.pending == 0 && self.counts.running == 0
    }
}

/// A whole job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRecord {
    pub(crate) number: JobNumber,
    pub(crate) hub: HubId,
    pub(crate) id: JobId,
    pub(crate) kind: JobKind,
    pub(crate) created: UnixMillis,
    pub(crate) start: UnixMillis,
    /// Time that devices have from the start on.
    pub(crate) execution: Duration,
    /// Which devices, as it was asked for.
    pub(crate) condition: String,
    /// The patch or the method as JSON, as it came.
    pub(crate) work: String,
    pub(crate) progress: JobProgress,
}

impl JobRecord {
    /// When the time of the devices is over.
    pub(crate) fn until(&self) -> UnixMillis {
        self.start + self.execution
    }

    /// The status of the job as clients spell it.
    ///
    /// Source: control-plane reference, "Job object".
    pub(crate) fn status(&self, now: UnixMillis) -> &'static str {
        match self.progress.state {
            JobState::Waiting if self.start > now => "scheduled",
            JobState::Waiting => "enqueued",
            JobState::Running => "running",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
            JobState::Cancelled | JobState::Forgotten => "cancelled",
        }
    }
}
