//! `ringhub backup`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::error::CliError;
use super::output::Output;
use super::progress::Progress;
use crate::backup::{self, BackupError, Verified};
use crate::client::ClientError;
use crate::startup::default_data_directory;

const EXAMPLES: &str = "\
Examples:
  ringhub backup --to /backup/2026-05-04              of the hub on this machine, running or not
  ringhub backup verify /backup/2026-05-04            read all of it again
  ringhub restore --from /backup/2026-05-04 --data-dir /var/lib/ringhub

A backup holds everything that was acknowledged before it began: events, identities with their
keys, policies, twins, messages to devices, the development CA. Whoever can read it can log in as
any device: it is for its owner alone. The configuration file and certificates of
[[tls.certificate]] are not in it.";

/// Copy the data directory of a hub, which may be running
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    #[command(subcommand)]
    action: Option<Action>,
    /// Folder for the backup: a new one, or empty
    #[arg(long, value_name = "DIR", required = true)]
    to: Option<PathBuf>,
    /// Data directory of the hub [default: as for `ringhub serve`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Read a backup through: checksums, events, registry
    #[command(after_help = EXAMPLES)]
    Verify {
        /// The backup
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

impl Backup {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match (&self.action, &self.to) {
            (Some(Action::Verify { dir, output }), _) => {
                let verified = with_progress(|tell| backup::verify(dir, tell))?;
                Ok(output.document(&report(&verified))?)
            }
            (None, Some(to)) => {
                let named = self.data_dir.clone();
                let from = named.or_else(default_data_directory);
                let from = from.ok_or(ClientError::NoDataDirectory)?;
                let manifest = with_progress(|tell| backup::create(&from, to, tell))?;
                Ok(self.output.document(&json!({
                    "backup": to,
                    "dataDirectory": from,
                    "begun": manifest.begun,
                    "completed": manifest.completed,
                    "files": manifest.files.len(),
                    "bytes": manifest.bytes(),
                }))?)
            }
            (None, None) => Err(CliError::Argument("name a folder with --to".to_owned())),
        }
    }
}

/// What was found in a backup.
pub(super) fn report(verified: &Verified) -> serde_json::Value {
    let manifest = &verified.manifest;
    json!({
        "begun": manifest.begun,
        "completed": manifest.completed,
        "ringhub": manifest.ringhub,
        "files": manifest.files.len(),
        "bytes": manifest.bytes(),
        "partitions": verified.layout.partitions,
        "executors": verified.layout.executors,
        "identities": verified.registry.identities,
        "messagesToDevices": verified.registry.messages,
        "eventsEver": verified.events,
    })
}

/// Runs long work and tells on standard error how far it is.
pub(super) fn with_progress<T>(
    work: impl FnOnce(&mut dyn FnMut(backup::Progress)) -> Result<T, BackupError>,
) -> Result<T, CliError> {
    const MIB: u64 = 1 << 20;
    let mut progress = Progress::start();
    let done = work(&mut |at: backup::Progress| {
        progress.tell(|| format!("{}: {} MiB", at.step, at.bytes / MIB));
    });
    progress.clear();
    Ok(done?)
}
