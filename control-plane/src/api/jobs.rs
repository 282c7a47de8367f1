//! Scheduled jobs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use ringhub_core::codec::json_text;
use ringhub_core::id::{HubId, JobId};
use ringhub_core::limits::{
    JOB_EXECUTION_TIME_MAX, JOB_START_AHEAD_MAX, JOB_WORK_BYTES_MAX, QUERY_CHARS_MAX,
    QUERY_PAGE_BYTES_MAX,
};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{Mode, ServiceChange, Twin};
use serde_json::Value;
use serde_json::value::RawValue;

use super::device_list::{CONTINUATION, PAGE_SIZE};
use super::job_json::JobJson;
use super::json::{Members, time_of};
use super::methods::Call;
use super::query::{ITEM_TYPE, refusal, rows_max};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::clock;
use crate::job::{JobChange, JobKind, JobNumber, JobOutcome, JobRecord, NewJob, RowError};
use crate::method::MethodError;
use crate::query::{At, Place, Sealer};
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::JobStore as _;

const EXECUTION_DEFAULT: Duration = Duration::from_secs(3600);

/// Statuses that may be asked for, and what they are called here.
///
/// Source: control-plane reference, "Job object".
const STATUSES: [(&str, &str); 8] = [
    ("unknown", "unknown"),
    ("enqueued", "enqueued"),
    ("queued", "enqueued"),
    ("scheduled", "scheduled"),
    ("running", "running"),
    ("completed", "completed"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
];

impl Api {
    pub(super) fn create_job(&self, context: &Context, id: JobId) -> Result<Answer, ApiError> {
        let new = new_job(context.hub, id, &context.request.body)?;
        Ok(self.after_job(JobChange::Create(Box::new(new))))
    }

    pub(super) fn cancel_job(&self, context: &Context, id: JobId) -> Answer {
        self.after_job(JobChange::Cancel(context.hub, id))
    }

    pub(super) fn show_job(&self, context: &Context, id: &JobId) -> Result<Answer, ApiError> {
        let job = self.store.job(context.hub, id).map_err(|error| self.unreadable(&error))?;
        Ok(Answer::Ready(job_response(&job.ok_or(RegistryError::JobNotFound)?)))
    }

    /// The executor learns of the change before the client does.
    fn after_job(&self, change: JobChange) -> Answer {
        let jobs = self.jobs.clone();
        let map = move |outcome| match outcome {
            Outcome::Job(JobOutcome::Job(job)) => {
                jobs.wake();
                Ok(job_response(&job))
            }
            _ => Err(RegistryError::Storage.into()),
        };
        Answer::After(Change::Job(change), Box::new(map))
    }

    /// Source: control-plane reference, "Calls" of scheduled jobs, and "Paging headers".
    pub(super) fn list_jobs(&self, context: &Context) -> Result<Answer, ApiError> {
        let asked = Asked::parse(context)?;
        let hub = self.directory.hub(context.hub).ok_or(ApiError::HubNotFound)?;
        let sealer = Sealer::new(&hub, &asked.text);
        let place = asked.token.as_deref().map(|token| sealer.open(token.as_bytes())).transpose();
        let after = after(place.map_err(|failure| refusal(&failure))?);
        let now = clock::now();
        let (mut jobs, mut bytes, mut has_more) = (Vec::new(), 0, false);
        let scanned = self.store.scan_jobs(context.hub, after, &mut |job| {
            let is_wanted = asked.kind.is_none_or(|kind| kind == job.kind)
                && asked.status.is_none_or(|status| status == job.status(now));
            if is_wanted {
                has_more = jobs.len() == asked.rows_max || bytes > QUERY_PAGE_BYTES_MAX;
                if has_more {
                    return Ok(ControlFlow::Break(()));
                }
                bytes += job.condition.len() + job.work.len();
                jobs.push(job);
            }
            Ok(ControlFlow::Continue(()))
        });
        scanned.map_err(|error| self.unreadable(&error))?;
        let rows: Vec<_> = jobs.iter().map(|job| JobJson::new(job, now)).collect();
        let mut response = Response::json(StatusCode::OK, &rows);
        response.headers.insert(ITEM_TYPE, HeaderValue::from_static("JobResponse"));
        if let Some(last) = jobs.last().filter(|_| has_more) {
            let (device, module) = (last.number.0.to_string(), String::new());
            let at = At::Document { device, module };
            let token = sealer.seal(&Place { at, left: None });
            if let Ok(token) = HeaderValue::try_from(token) {
                response.headers.insert(CONTINUATION, token);
            }
        }
        Ok(Answer::Ready(response))
    }
}

/// Which jobs are asked for.
struct Asked {
    kind: Option<JobKind>,
    status: Option<&'static str>,
    rows_max: usize,
    token: Option<String>,
    /// What a token is for.
    text: String,
}

impl Asked {
    fn parse(context: &Context) -> Result<Self, ApiError> {
        let parameter = |name| context.parameter(name).filter(|text| !text.is_empty());
        let kind = parameter("jobType").map(|text| kind_of(&text).ok_or(UNKNOWN_KIND));
        let kind = kind.transpose()?;
        let status = parameter("jobStatus").map(|text| status_of(&text)).transpose()?;
        let mut headers = context.request.headers.clone();
        for (header, name) in [(PAGE_SIZE, "pageSize"), (CONTINUATION, "continuationToken")] {
            let value = parameter(name).and_then(|text| HeaderValue::try_from(text).ok());
            if let Some(value) = value.filter(|_| !headers.contains_key(&header)) {
                headers.insert(header, value);
            }
        }
        let token = headers.get(CONTINUATION).and_then(|token| token.to_str().ok());
        let text = format!("jobs {} {}", kind.map_or("", JobKind::text), status.unwrap_or(""));
        Ok(Self {
            kind,
            status,
            rows_max: rows_max(&headers),
            token: token.filter(|token| !token.is_empty()).map(ToOwned::to_owned),
            text,
        })
    }
}

const UNKNOWN_KIND: RegistryError =
    RegistryError::Argument("jobType is scheduleUpdateTwin or scheduleDeviceMethod");

fn status_of(text: &str) -> Result<&'static str, RegistryError> {
    let found = STATUSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, status)| *status).ok_or(RegistryError::Argument(
        "jobStatus is unknown, enqueued, scheduled, running, completed, failed or cancelled",
    ))
}

fn kind_of(text: &str) -> Option<JobKind> {
    JobKind::ALL.into_iter().find(|kind| kind.text().eq_ignore_ascii_case(text))
}

/// The job that a page ended with.
fn after(place: Option<Place>) -> JobNumber {
    let number = match place.map(|place| place.at) {
        Some(At::Document { device, .. }) => device.parse().ok(),
        _ => None,
    };
    JobNumber(number.unwrap_or_default())
}

fn job_response(job: &JobRecord) -> Response {
    Response::json(StatusCode::OK, &JobJson::new(job, clock::now()))
}

/// Reads the body of a create.
///
/// Source: control-plane reference, "Create body".
fn new_job(hub: HubId, id: JobId, body: &[u8]) -> Result<NewJob, ApiError> {
    const NO_JOB: ApiError = ApiError::JobBody("The body is no JSON object");
    let body = json_text::trim(body);
    if body.is_empty() {
        return Err(RegistryError::BodyMissing.into());
    }
    let written: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|_| NO_JOB)?;
    let whole: Value = super::json::parse(body).map_err(|_| NO_JOB)?;
    let members = Members::of(&whole)?;
    if members.get("jobId").is_some_and(|named| !is_named(named, id.as_str())) {
        return Err(RegistryError::Argument("jobId is another one than that of the path").into());
    }
    let kind = members.text("type")?.and_then(kind_of);
    let kind = kind.ok_or(ApiError::JobBody(
        "The type of a job is scheduleUpdateTwin or scheduleDeviceMethod",
    ))?;
    let work = match kind {
        JobKind::UpdateTwin => checked_patch(raw(&written, "updateTwin")?)?,
        JobKind::DeviceMethod => checked_method(raw(&written, "cloudToDeviceMethod")?)?,
    };
    if work.len() > JOB_WORK_BYTES_MAX {
        return Err(ApiError::BodyTooLarge);
    }
    let condition = members.text("queryCondition")?.map(str::trim).unwrap_or_default();
    if condition.is_empty() {
        let text = "a job needs queryCondition: * is all devices";
        return Err(RegistryError::Argument(text).into());
    }
    if condition.chars().count() > QUERY_CHARS_MAX {
        return Err(ApiError::JobCondition);
    }
    let seconds = members
        .whole("maxExecutionTimeInSeconds", 1..=JOB_EXECUTION_TIME_MAX.as_secs())?
        .map_or(EXECUTION_DEFAULT, Duration::from_secs);
    let start = members.filled("startTime")?.map(start_time).transpose()?;
    let (condition, work) = (condition.to_owned(), work.to_owned());
    Ok(NewJob { hub, id, kind, start, execution: seconds, condition, work })
}

fn is_named(named: &Value, id: &str) -> bool {
    match named {
        Value::String(text) => text.is_empty() || text == id,
        Value::Number(number) => number.to_string() == id,
        _ => false,
    }
}

/// A member as it was written.
fn raw<'b>(
    written: &BTreeMap<String, &'b RawValue>,
    name: &'static str,
) -> Result<&'b str, ApiError> {
    let found = written.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let text = found.map(|(_, value)| value.get()).filter(|text| *text != "null");
    let rule = "there for a job of this type".to_owned();
    Ok(text.ok_or(RegistryError::Member { name, rule })?)
}

/// A patch that a fresh twin takes. The tag `*` says that it is for any version of any twin.
fn checked_patch(text: &str) -> Result<&str, ApiError> {
    let patch = super::json::parse(text.as_bytes())?;
    let etag = Members::of(&patch)?.text("etag")?.unwrap_or_default();
    if !matches!(etag, "*" | "\"*\"") {
        return Err(RegistryError::Argument("updateTwin of a job needs the etag *").into());
    }
    let change = ServiceChange::parse(Mode::Merge, text.as_bytes()).map_err(RegistryError::Twin)?;
    let fresh = Twin::new(UnixMillis::EPOCH);
    fresh.apply(change, UnixMillis::EPOCH).map_err(RegistryError::Twin)?;
    Ok(text)
}

fn checked_method(text: &str) -> Result<&str, ApiError> {
    match Call::parse(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(MethodError::Registry(why)) => Err(why.into()),
        Err(why) => Err(why.into()),
    }
}

fn start_time(text: &str) -> Result<UnixMillis, RegistryError> {
    let start = time_of("startTime", text)?;
    if start > clock::now() + JOB_START_AHEAD_MAX {
        let rule = format!("within {} days", JOB_START_AHEAD_MAX.as_secs() / 86_400);
        return Err(RegistryError::Member { name: "startTime", rule });
    }
    Ok(start)
}

impl From<&RegistryError> for RowError {
    fn from(error: &RegistryError) -> Self {
        Self { code: error.code().name, description: error.to_string() }
    }
}

impl From<MethodError> for RowError {
    fn from(error: MethodError) -> Self {
        Self { code: error.code().name, description: error.to_string() }
    }
}
