//! `ringhub restore`.

use std::path::PathBuf;

use clap::Args;

use super::backup::{report, with_progress};
use super::error::CliError;
use super::output::Output;
use crate::backup;

const EXAMPLES: &str = "\
Examples:
  ringhub restore --from /backup/2026-05-04 --data-dir /var/lib/ringhub
  ringhub serve --data-dir /var/lib/ringhub --config ringhub.toml

Everything is verified before anything is written. Start the hub with the host name that it had.
What happened after the backup is undone: devices may get messages again that they have completed
since.";

/// Make a data directory from a backup
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Restore {
    /// The backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Data directory to make: a new folder, or an empty one
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Restore {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let restored = with_progress(|tell| backup::restore(&self.from, &self.data_dir, tell))?;
        let mut said = report(&restored);
        said["dataDirectory"] = self.data_dir.display().to_string().into();
        Ok(self.output.document(&said)?)
    }
}
