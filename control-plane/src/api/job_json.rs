//! A job as clients see it.

use ringhub_core::time::UnixMillis;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::job::{JobCounts, JobKind, JobRecord, JobState};

/// What is absent is left out.
///
/// Source: control-plane reference, "Job object".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobJson<'j> {
    job_id: &'j str,
    query_condition: &'j str,
    created_time: String,
    start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    max_execution_time_in_seconds: u64,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_twin: Option<&'j RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_to_device_method: Option<&'j RawValue>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_job_statistics: Option<Statistics>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    device_count: u64,
    failed_count: u64,
    succeeded_count: u64,
    running_count: u64,
    pending_count: u64,
}

impl<'j> JobJson<'j> {
    pub(super) fn new(job: &'j JobRecord, now: UnixMillis) -> Self {
        let time = |time: UnixMillis| time.to_iso8601().unwrap_or_default();
        let work = |kind| {
            let text = Some(&job.work).filter(|_| job.kind == kind);
            text.and_then(|text| serde_json::from_str(text).ok())
        };
        let progress = &job.progress;
        Self {
            job_id: job.id.as_str(),
            query_condition: &job.condition,
            created_time: time(job.created),
            start_time: time(job.start),
            end_time: progress.ended.map(time),
            max_execution_time_in_seconds: job.execution.as_secs(),
            r#type: job.kind.text(),
            update_twin: work(JobKind::UpdateTwin),
            cloud_to_device_method: work(JobKind::DeviceMethod),
            status: job.status(now),
            failure_reason: progress.failure.as_deref(),
            device_job_statistics: (progress.state != JobState::Waiting)
                .then(|| Statistics::from(&progress.counts)),
        }
    }
}

impl From<&JobCounts> for Statistics {
    /// Devices that a cancel has spared are in the count of all, and in no other.
    fn from(counts: &JobCounts) -> Self {
        Self {
            device_count: counts.devices,
            failed_count: counts.failed,
            succeeded_count: counts.succeeded,
            running_count: counts.running,
            pending_count: counts.pending,
        }
    }
}
