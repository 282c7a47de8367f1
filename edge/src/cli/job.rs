//! `ringhub job`.

mod create;
mod follow;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use ringhub_core::limits::QUERY_PAGE_ROWS_MAX;
use serde_json::Value;

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use super::top_count::top;
use crate::client::{Precondition, encode_segment};
use create::Create;
use follow::follow;

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
  ringhub job cancel --job-id boot                    devices that were not begun with are spared
  ringhub query 'SELECT * FROM devices.jobs WHERE jobId = \"boot\" AND status = \"failed\"'

Devices that are not connected have --ttl seconds from the start on to come; without it an hour.";

/// Change twins of many devices, or call a method of each, in the background
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
    job_type: Option<JobType>,
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
                let path = format!("{}/cancel", job_path(&named.job_id));
                let job = rest.send(Method::POST, &path, Precondition::Absent, None)?;
                Ok(named.output.document(&job)?)
            }
        }
    }
}

impl Show {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.named.target.rest()?;
        let path = job_path(&self.named.job_id);
        if self.wait {
            return follow(&rest, &path, self.named.output);
        }
        Ok(self.named.output.document(&rest.read(&path)?)?)
    }
}

impl List {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let filters = [
            ("jobType", self.job_type.map(JobType::text)),
            ("jobStatus", self.job_status.as_deref()),
        ];
        let filters: Vec<_> = filters
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode_segment(value?))))
            .collect();
        let path = format!("{PATH}/query?{}", filters.join("&"));
        let path = path.trim_end_matches('?');
        let mut listing = self.output.listing(&COLUMNS);
        let (mut wanted, mut next) = (self.top.unwrap_or(u64::MAX), None);
        while wanted > 0 {
            let size = usize::try_from(wanted).unwrap_or(usize::MAX).min(QUERY_PAGE_ROWS_MAX);
            let page = rest.read_page(path, size, next.as_deref())?;
            let (jobs, continuation) = (page.items, page.continuation);
            wanted = wanted.saturating_sub(jobs.len() as u64);
            listing.add(&jobs)?;
            next = continuation;
            if next.is_none() {
                break;
            }
        }
        Ok(listing.end()?)
    }
}

fn job_path(id: &str) -> String {
    format!("{PATH}/{}", encode_segment(id))
}

/// A count of a job; zero before it has run.
fn count(job: &Value, name: &str) -> u64 {
    job["deviceJobStatistics"][name].as_u64().unwrap_or_default()
}
