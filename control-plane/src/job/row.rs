//! A device of a job: what is stored of it, and what it is seen as.

use ringhub_core::id::Identity;
use ringhub_core::time::UnixMillis;
use serde::Serialize;

use super::{JobKind, JobRecord, JobState};
use crate::directory::GenerationId;
use crate::registry::RegistryError;

/// A device or module that a job is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobTarget {
    pub(crate) identity: Identity,
    /// Tells it from an identity of the same name that came later, which is no target.
    pub(crate) generation: GenerationId,
}

/// How far the work on one device is, as it is stored. A row that is still pending when its job
/// ends shares the end of the job, so that an end costs the same for one device and for a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowState {
    Pending,
    /// Its call may be on the way.
    Running,
    Completed,
    Failed,
}

impl RowState {
    pub(crate) const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Completed, Self::Failed];
}

/// What a row is seen as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Canceled,
}

impl RowStatus {
    /// The status as clients spell it, with one l other than that of jobs.
    ///
    /// Source: control-plane reference, "Per-device rows".
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Why a device was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RowError {
    /// Name of the error, as in answers over REST.
    pub(crate) code: &'static str,
    pub(crate) description: String,
}

impl RowError {
    /// The time of the job was over before the device's turn.
    ///
    /// Source: control-plane reference, "Per-device rows".
    pub(crate) fn not_started() -> Self {
        Self {
            code: "JobRunPreconditionFailed",
            description: "The job did not start within specified period: either device did not \
                          come online or invalid endTime specified."
                .to_owned(),
        }
    }

    /// The process ended while the call was under way.
    pub(crate) fn in_doubt() -> Self {
        Self {
            code: "GatewayTimeout",
            description: "The hub ended while the call was under way: the device may have run the \
                          method. It is not called again."
                .to_owned(),
        }
    }

    /// The target is not registered any more.
    pub(crate) fn missing(identity: &Identity) -> Self {
        match identity.module {
            None => Self::from(&RegistryError::DeviceNotFound),
            Some(_) => Self::from(&RegistryError::ModuleNotFound),
        }
    }

    /// As it is stored.
    pub(crate) fn json(&self) -> String {
        // Texts can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A stored row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRow<'r> {
    pub(crate) device: &'r str,
    /// Empty for the device itself.
    pub(crate) module: &'r str,
    pub(crate) state: RowState,
    /// The answer of the device or the error, as JSON.
    pub(crate) detail: Option<&'r str>,
    pub(crate) created: UnixMillis,
    pub(crate) updated: UnixMillis,
}

impl JobRow<'_> {
    /// What the row is seen as while its job is in `state`.
    pub(crate) fn status(&self, state: JobState) -> RowStatus {
        match self.state {
            RowState::Running => RowStatus::Running,
            RowState::Completed => RowStatus::Completed,
            RowState::Failed => RowStatus::Failed,
            RowState::Pending => match state {
                JobState::Waiting | JobState::Running => RowStatus::Pending,
                JobState::Completed | JobState::Failed => RowStatus::Failed,
                JobState::Cancelled | JobState::Forgotten => RowStatus::Canceled,
            },
        }
    }

    /// The row as queries show it.
    ///
    /// Source: control-plane reference, "Per-device rows".
    pub(crate) fn json(&self, job: &JobRecord) -> String {
        let progress = &job.progress;
        let status = self.status(progress.state);
        let is_left = self.state == RowState::Pending && progress.state.is_ended();
        let updated = progress.ended.filter(|_| is_left).unwrap_or(self.updated);
        let error = match status {
            RowStatus::Failed if is_left => Some(RowError::not_started().json()),
            RowStatus::Failed => self.detail.map(ToOwned::to_owned),
            _ => None,
        };
        let response = self
            .detail
            .filter(|_| job.kind == JobKind::DeviceMethod && status == RowStatus::Completed);
        let time = |time: UnixMillis| time.to_iso8601().unwrap_or_default();
        let view = RowView {
            device_id: self.device,
            module_id: self.module,
            job_id: job.id.as_str(),
            job_type: job.kind.text(),
            status: status.text(),
            start_time: time(job.start),
            end_time: time(job.until()),
            created: time(self.created),
            updated: time(updated),
            outcome: Outcome { response: raw(response) },
            error: raw(error.as_deref()),
        };
        // Texts, and JSON that was checked when it was stored.
        serde_json::to_string(&view).unwrap_or_default()
    }
}

fn raw(json: Option<&str>) -> Option<&serde_json::value::RawValue> {
    json.and_then(|json| serde_json::from_str(json).ok())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowView<'r> {
    device_id: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    module_id: &'r str,
    job_id: &'r str,
    job_type: &'r str,
    status: &'r str,
    #[serde(rename = "startTimeUtc")]
    start_time: String,
    #[serde(rename = "endTimeUtc")]
    end_time: String,
    #[serde(rename = "createdDateTimeUtc")]
    created: String,
    #[serde(rename = "lastUpdatedDateTimeUtc")]
    updated: String,
    outcome: Outcome<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'r serde_json::value::RawValue>,
}

#[derive(Serialize)]
struct Outcome<'r> {
    #[serde(rename = "deviceMethodResponse", skip_serializing_if = "Option::is_none")]
    response: Option<&'r serde_json::value::RawValue>,
}
