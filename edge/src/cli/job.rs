//! `ringhub job`.

mod create;
mod follow;
mod registry;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use ringhub_core::limits::QUERY_PAGE_ROWS_MAX;
use serde_json::Value;

use super::error::CliError;
use super::output::{Column, Listing, Output};
use super::target::TargetArguments;
use super::top_count::top;
use crate::client::{ClientError, Precondition, RestClient, encode_segment};
use create::Create;
use follow::follow;
pub(super) use registry::{container_uri, export, import, run};

const PATH: &str = "/jobs/v2";

const COLUMNS: [Column; 9] = [
    ("JOB ID", "/jobId"),
    ("TYPE", "/type"),
    ("STATUS", "/status"),
    ("START", "/startTime"),
    ("DEVICES", "/deviceJobStatistics/deviceCount"),
    ("SUCCEEDED", "/deviceJobStatistics/succeededCount"),
    ("FAILED", "/deviceJobStatistics/failedCount"),
    ("RUNNING", "/deviceJobStatistics/runningCount"),
    ("PENDING", "/deviceJobStatistics/pendingCount"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub job create --job-id fw-21 --job-type scheduleUpdateTwin -q 'tags.site = \"north\"' --twin-patch '{\"properties\": {\"desired\": {\"fw\": \"2.1\"}}}' --wait
  ringhub job create --job-id boot --job-type scheduleDeviceMethod -q '*' --method-name reboot --method-payload '{\"delay\": 3}' --start 2030-01-01T02:00:00Z --ttl 7200
  ringhub job show --job-id boot --wait               follows it to its end
  ringhub job list --job-status running
  ringhub job list --job-type export                  imports and exports of identities, too
  ringhub job cancel --job-id boot                    devices that were not begun with are spared
  ringhub query 'SELECT * FROM devices.jobs WHERE jobId = \"boot\" AND status = \"failed\"'

Devices that are not connected have --ttl seconds from the start on to come; without it an hour.";

/// Change twins of many devices, or call a method of each, in the background; follow imports and
/// exports of identities as well
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Job {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Make one
    #[command(after_help = EXAMPLES)]
    Create(Box<Create>),
    /// Show one, with how far it is
    #[command(after_help = EXAMPLES)]
    Show(Show),
    /// List them
    #[command(after_help = EXAMPLES)]
    List(List),
    /// End one that has not ended; devices that are begun with are done all the same
    #[command(after_help = EXAMPLES)]
    Cancel(Named),
}

/// The kinds of jobs, as they are spelled in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JobType {
    /// Merges a patch into the twins
    #[value(name = "scheduleUpdateTwin")]
    UpdateTwin,
    /// Calls a direct method
    #[value(name = "scheduleDeviceMethod")]
    DeviceMethod,
}

impl JobType {
    const fn text(self) -> &'static str {
        match self {
            Self::UpdateTwin => "scheduleUpdateTwin",
            Self::DeviceMethod => "scheduleDeviceMethod",
        }
    }
}

/// What can be asked for in a list: those, and jobs that `device-identity` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListedType {
    /// Merges a patch into the twins
    #[value(name = "scheduleUpdateTwin")]
    UpdateTwin,
    /// Calls a direct method
    #[value(name = "scheduleDeviceMethod")]
    DeviceMethod,
    /// Writes identities into a container
    Export,
    /// Reads identities from a container
    Import,
}

impl ListedType {
    /// The type of a scheduled job.
    const fn scheduled(self) -> Option<JobType> {
        match self {
            Self::UpdateTwin => Some(JobType::UpdateTwin),
            Self::DeviceMethod => Some(JobType::DeviceMethod),
            Self::Export | Self::Import => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Named {
    /// Id of the job
    #[arg(long, visible_alias = "jid", value_name = "ID")]
    job_id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    #[command(flatten)]
    named: Named,
    /// Follow it to its end, and fail if it or a device has failed; Ctrl-C leaves it running
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    /// Only those of a type
    #[arg(long, visible_alias = "jt", value_enum, value_name = "TYPE", ignore_case = true)]
    job_type: Option<ListedType>,
    /// Only those with this status: scheduled, enqueued, running, completed, failed or cancelled
    #[arg(long, visible_alias = "js", value_name = "STATUS")]
    job_status: Option<String>,
    /// How many at most; -1 for all [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = top)]
    top: Option<u64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Job {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::Show(show) => show.run(),
            Action::List(list) => list.run(),
            Action::Cancel(named) => {
                let rest = named.target.rest()?;
                let (path, job) = find(&rest, &named.job_id)?;
                if is_registry_job(&job) {
                    return registry::cancel(&rest, &path, named.output);
                }
                let path = format!("{path}/cancel");
                let job = rest.send(Method::POST, &path, Precondition::Absent, None)?;
                Ok(named.output.document(&job)?)
            }
        }
    }
}

impl Show {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.named.target.rest()?;
        let (path, job) = find(&rest, &self.named.job_id)?;
        if self.wait {
            return follow(&rest, &path, self.named.output);
        }
        Ok(self.named.output.document(&job)?)
    }
}

impl List {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let mut listing = self.output.listing(&COLUMNS);
        let scheduled = self.job_type.map(ListedType::scheduled);
        let mut wanted = self.top.unwrap_or(u64::MAX);
        if scheduled != Some(None) {
            self.add_scheduled(&rest, scheduled.flatten(), &mut listing, &mut wanted)?;
        }
        if scheduled.is_none_or(|of_twins| of_twins.is_none()) {
            let mut jobs = registry::list(&rest)?;
            jobs.retain(|job| self.is_wanted(job));
            jobs.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
            listing.add(&jobs)?;
        }
        Ok(listing.end()?)
    }

    fn is_wanted(&self, job: &Value) -> bool {
        let is = |name: &str, wanted: &str| {
            job[name].as_str().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
        };
        self.job_status.as_deref().is_none_or(|status| is("status", status))
            && self.job_type.is_none_or(|kind| {
                is("type", if kind == ListedType::Export { "export" } else { "import" })
            })
    }

    fn add_scheduled(
        &self,
        rest: &RestClient,
        job_type: Option<JobType>,
        listing: &mut Listing,
        wanted: &mut u64,
    ) -> Result<(), CliError> {
        let filters =
            [("jobType", job_type.map(JobType::text)), ("jobStatus", self.job_status.as_deref())];
        let filters: Vec<_> = filters
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode_segment(value?))))
            .collect();
        let path = format!("{PATH}/query?{}", filters.join("&"));
        let path = path.trim_end_matches('?');
        let mut next = None;
        while *wanted > 0 {
            let size = usize::try_from(*wanted).unwrap_or(usize::MAX).min(QUERY_PAGE_ROWS_MAX);
            let page = rest.read_page(path, size, next.as_deref())?;
            let (jobs, continuation) = (page.items, page.continuation);
            *wanted = wanted.saturating_sub(jobs.len() as u64);
            listing.add(&jobs)?;
            next = continuation;
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Looks for a job among those that are scheduled, and then among imports and exports. Gives its
/// path as well.
fn find(rest: &RestClient, id: &str) -> Result<(String, Value), CliError> {
    let path = job_path(id);
    let not_found = match rest.read(&path) {
        Ok(job) => return Ok((path, job)),
        Err(ClientError::Refused(refusal)) if refusal.is_not_found() => refusal,
        Err(error) => return Err(error.into()),
    };
    let path = registry::path(id);
    match rest.read(&path) {
        Ok(job) => Ok((path, job)),
        Err(_) => Err(ClientError::Refused(not_found).into()),
    }
}

/// Whether it is an import or export.
fn is_registry_job(job: &Value) -> bool {
    matches!(job["type"].as_str(), Some("export" | "import"))
}

fn job_path(id: &str) -> String {
    format!("{PATH}/{}", encode_segment(id))
}

/// A count of a job; zero before it has run.
fn count(job: &Value, name: &str) -> u64 {
    job["deviceJobStatistics"][name].as_u64().unwrap_or_default()
}
