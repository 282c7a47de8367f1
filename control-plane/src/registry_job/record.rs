//! What is stored of a job.

use ringhub_core::id::HubId;
use ringhub_core::time::UnixMillis;

use super::RegistryJobRequest;

/// Names a job within the process; never given twice, also over restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RegistryJobNumber(pub(crate) u64);

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistryJobState {
    Enqueued,
    Running,
    /// It ran to its end, whatever became of single lines.
    Completed,
    Failed,
    Cancelled,
}

impl RegistryJobState {
    pub(crate) const ALL: [Self; 5] =
        [Self::Enqueued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    pub(crate) const fn is_ended(self) -> bool {
        !matches!(self, Self::Enqueued | Self::Running)
    }

    /// The status as clients spell it.
    ///
    /// Source: control-plane reference, "Import / export jobs (v1 jobs)".
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The part of a job that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryJobProgress {
    pub(crate) state: RegistryJobState,
    pub(crate) ended: Option<UnixMillis>,
    /// Why the job as a whole failed.
    pub(crate) failure: Option<String>,
    /// From 0 to 100.
    pub(crate) percent: u8,
    /// Bytes of the blob whose lines are applied.
    pub(crate) position: u64,
    /// Tag of the blob that is imported: another one is another blob.
    pub(crate) input_etag: Option<String>,
    /// Lines that were not applied.
    pub(crate) errors: u64,
    /// Bytes of errors that are kept until the end.
    pub(crate) error_bytes: u64,
}

impl RegistryJobProgress {
    /// That of a job that was just made.
    pub(crate) fn new() -> Self {
        Self {
            state: RegistryJobState::Enqueued,
            ended: None,
            failure: None,
            percent: 0,
            position: 0,
            input_etag: None,
            errors: 0,
            error_bytes: 0,
        }
    }
}

/// A whole job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryJob {
    pub(crate) number: RegistryJobNumber,
    pub(crate) hub: HubId,
    /// A GUID in lower case.
    pub(crate) id: String,
    pub(crate) created: UnixMillis,
    pub(crate) request: RegistryJobRequest,
    pub(crate) progress: RegistryJobProgress,
}
