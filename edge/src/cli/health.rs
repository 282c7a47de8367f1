//! `ringhub health`.

use std::time::Duration;

use clap::Args;
use http::Method;

use super::error::CliError;
use super::output;
use super::target::TargetArguments;
use crate::client::{ClientError, Precondition};

const EXAMPLES: &str = "\
Examples:
  ringhub health                                      for people
  HEALTHCHECK CMD [\"ringhub\", \"health\"]               in a container's file";

/// How long a hub that is well may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ask whether the hub takes telemetry; the exit code tells, 0 or not
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Health {
    #[command(flatten)]
    target: TargetArguments,
}

impl Health {
    pub(super) fn run(&self) -> Result<(), CliError> {
        // Whatever is wrong, the exit code is 1: others mean something else to container engines.
        let (status, text) = self.ask().map_err(|error| CliError::Unhealthy(error.to_string()))?;
        if status == 200 { Ok(output::line(&text)?) } else { Err(CliError::Unhealthy(text)) }
    }

    fn ask(&self) -> Result<(u16, String), ClientError> {
        let rest = self.target.rest()?;
        let path = "/health/ready";
        let answer = rest.exchange(Method::GET, path, Precondition::Absent, None, PATIENCE)?;
        Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }
}
