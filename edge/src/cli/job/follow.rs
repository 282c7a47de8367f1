//! Follows a job to its end, with a bar that says how far it is.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::count;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::client::{Interrupt, RestClient};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Characters of the bar.
const BAR: usize = 30;

/// Waits for the end of the job at `path` and prints it.
///
/// # Errors
/// Also when the job, one of its devices or a line that it imports has failed, or it was cancelled.
pub(super) fn follow(rest: &RestClient, path: &str, output: Output) -> Result<(), CliError> {
    let job = wait(rest, path)?;
    output.document(&job)?;
    let id = job["jobId"].as_str().unwrap_or_default();
    let status = job["status"].as_str().unwrap_or_default();
    match (status, count(&job, "failedCount")) {
        ("completed", 0) => match job["statusMessage"].as_str() {
            None => Ok(()),
            Some(lines) => Err(CliError::Items(lines.to_owned())),
        },
        ("completed", failed) => Err(CliError::Items(format!(
            "{failed} of {} devices have failed: ringhub query \"SELECT * FROM devices.jobs WHERE \
             jobId = '{id}' AND status = 'failed'\" says why",
            count(&job, "deviceCount")
        ))),
        _ => {
            let reason = job["failureReason"].as_str().unwrap_or_default();
            Err(CliError::Items(format!("job {id} is {status} {reason}").trim_end().to_owned()))
        }
    }
}

/// Gives the job as it is at its end.
fn wait(rest: &RestClient, path: &str) -> Result<Value, CliError> {
    let interrupt = Interrupt::install()?;
    let mut progress = Progress::start_at_once();
    loop {
        let job = rest.read(path)?;
        let status = job["status"].as_str().unwrap_or_default();
        if matches!(status, "completed" | "failed" | "cancelled")
            && count(&job, "runningCount") == 0
        {
            progress.clear();
            return Ok(job);
        }
        if interrupt.is_set() {
            progress.clear();
            let id = job["jobId"].as_str().unwrap_or_default();
            return Err(CliError::Interrupted(format!(
                "job {id} goes on: it is {status}; `ringhub job cancel --job-id {id}` ends it"
            )));
        }
        progress.tell(|| bar(&job));
        thread::sleep(INTERVAL);
    }
}

fn bar(job: &Value) -> String {
    let [devices, succeeded, failed, running] =
        ["deviceCount", "succeededCount", "failedCount", "runningCount"].map(|n| count(job, n));
    let id = job["jobId"].as_str().unwrap_or_default();
    let status = job["status"].as_str().unwrap_or_default();
    // Imports and exports say how far they are, and not with how many.
    if let Some(percent) = job["progress"].as_u64() {
        return format!("{id}  {}  {status}", bar_of(percent, 100));
    }
    if devices == 0 {
        return format!("{id}  {status}");
    }
    let done = (succeeded + failed).min(devices);
    format!(
        "{id}  {}  {done} of {devices}  succeeded {succeeded}  failed {failed}  running {running}",
        bar_of(done, devices)
    )
}

fn bar_of(done: u64, all: u64) -> String {
    let full = usize::try_from(done * BAR as u64 / all).unwrap_or_default();
    let bar = format!("{:<width$}", "#".repeat(full), width = BAR);
    format!("[{bar}] {:>3} %", done * 100 / all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bar_grows_with_the_devices_that_are_done() {
        let job = |devices, succeeded, failed| {
            json!({ "jobId": "fw", "status": "running", "deviceJobStatistics": {
                "deviceCount": devices, "succeededCount": succeeded, "failedCount": failed,
                "runningCount": 2, "pendingCount": 0 } })
        };
        let fifteen = "#".repeat(15);
        let expected = format!(
            "fw  [{fifteen}{:15}]  50 %  100 of 200  succeeded 90  failed 10  running 2",
            ""
        );
        assert_eq!(bar(&job(200, 90, 10)), expected);
        assert!(bar(&job(3, 3, 0)).contains(&format!("[{}] 100 %", "#".repeat(30))));
        let import = json!({ "jobId": "i", "status": "running", "progress": 50 });
        assert_eq!(bar(&import), format!("i  [{fifteen}{:15}]  50 %  running", ""));
        assert_eq!(bar(&job(0, 0, 0)), "fw  running");
        assert_eq!(bar(&json!({ "jobId": "fw", "status": "scheduled" })), "fw  scheduled");
    }
}
