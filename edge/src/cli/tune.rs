//! `ringhub tune`.

mod text;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Format, Output};
use super::progress::Progress;
use crate::client::Interrupt;
use crate::config::Settings;
use crate::machine::{Machine, Root, SyncError, measure_syncs, probe_io_uring};
use crate::startup::{DataDirectoryError, StartupError, default_data_directory, layout_of};
use crate::tuning::{DataDirectory, Demand, Finding, Mark, Observed, Report, Syncs};

const EXAMPLES: &str = "\
Examples:
  ringhub tune                                        what is wrong here, and what to set
  ringhub tune --connections 200000                   does it hold so many?
  ringhub tune --data-dir /srv/hub                    with the disk that the hub will use
  ringhub tune --no-disk --output json                for programs; takes milliseconds
  sudo -u ringhub ringhub tune --data-dir /var/lib/ringhub
                                                      with the service's rights, not its limits

Nothing is changed: each advice comes with the line that mends it and the line that undoes that.
`advice` may be left alone. `wrong` keeps the hub from starting, or from holding the connections
that were asked for; the exit code is 1 then, else 0. `unknown` cannot be read here, as in many
containers. tuning/README.md tells more about each knob.";

/// How long the disk is measured.
const DISK_TIME: Duration = Duration::from_millis(1500);

/// Inspect this machine and propose shards, executors and pinning for it
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Tune {
    /// Connections at the same time that the hub is to hold
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    connections: Option<u64>,
    /// Data directory of the hub, which need not exist yet [default: as for `ringhub serve`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Do not measure the disk, which takes up to two seconds
    #[arg(long)]
    no_disk: bool,
    #[command(flatten)]
    output: Output,
}

impl Tune {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let directory = self.data_dir.clone().or_else(default_data_directory);
        let machine = Machine::read(&Root::system(), directory.as_deref());
        let syncs = self.syncs(&machine)?;
        let data_directory = data_directory(directory.as_deref());
        let io_uring = probe_io_uring();
        let defaults = Settings::default().config()?;
        let observed = Observed { machine, io_uring, syncs, data_directory, defaults };
        let report = Report::of(&observed, Demand { connections: self.connections });
        match self.output.or(Format::Table) {
            Format::Json => self.output.document(&document(&observed, &report))?,
            Format::Table => text::print(&report)?,
        }
        match report.verdict() {
            Mark::Wrong => Err(CliError::Machine(wrong(&report))),
            _ => Ok(()),
        }
    }

    fn syncs(&self, machine: &Machine) -> Result<Syncs, CliError> {
        if self.no_disk {
            return Ok(Syncs::Unknown("not measured (--no-disk)".to_owned()));
        }
        let Some(disk) = &machine.disk else {
            return Ok(Syncs::Unknown("not measured: no mount is shown for it".to_owned()));
        };
        measure(&disk.directory)
    }
}

fn data_directory(directory: Option<&Path>) -> DataDirectory {
    let Some(directory) = directory else {
        return DataDirectory::Hidden(StartupError::NoDataDirectory.to_string());
    };
    // Not `exists`, which takes what may not be seen for what is not there.
    if matches!(directory.try_exists(), Ok(false)) {
        return DataDirectory::Usable(None);
    }
    match layout_of(directory) {
        Ok(layout) => DataDirectory::Usable(layout),
        Err(DataDirectoryError::Io { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            DataDirectory::Hidden(format!(
                "{source}: ask as its user, sudo -u ringhub ringhub tune"
            ))
        }
        Err(error) => DataDirectory::Refused(error.to_string()),
    }
}

fn measure(directory: &Path) -> Result<Syncs, CliError> {
    let interrupt = Interrupt::install()?;
    let mut progress = Progress::start_at_once();
    progress.tell(|| format!("measuring syncs in {} …", directory.display()));
    let measured = measure_syncs(directory, DISK_TIME, || interrupt.is_set());
    progress.clear();
    match measured {
        Ok(measured) => Ok(Syncs::Measured(measured)),
        Err(SyncError::Interrupted) => Err(CliError::Interrupted("interrupted".to_owned())),
        Err(SyncError::Io(error)) => Ok(Syncs::Unknown(format!("not measured: {error}"))),
    }
}

fn wrong(report: &Report) -> String {
    let wrong = report.findings.iter().filter(|finding| finding.mark == Mark::Wrong);
    let subjects: Vec<&str> = wrong.map(|finding| finding.subject.as_str()).collect();
    format!("the hub cannot run like this: {}", subjects.join(", "))
}

fn document(observed: &Observed, report: &Report) -> Value {
    let proposal = &report.proposal;
    let syncs = match &observed.syncs {
        Syncs::Unknown(_) => Value::Null,
        Syncs::Measured(measured) => {
            let us = |share| measured.quantile(share).as_micros() as u64;
            let count = measured.count();
            json!({ "count": count, "p50Us": us(0.5), "p90Us": us(0.9), "p99Us": us(0.99), "maxUs": us(1.0) })
        }
    };
    json!({
        "verdict": report.verdict().to_string(),
        "findings": report.findings.iter().map(entry).collect::<Vec<_>>(),
        "syncLatency": syncs,
        "proposal": {
            "shards": { "count": proposal.shards(), "pin": proposal.shards_pin() },
            "executors": { "count": proposal.executors(), "pin": proposal.executors_pin() },
            "reasons": proposal.placement.reasons.all(),
            "isAutomatic": proposal.is_automatic,
            "toml": proposal.toml(),
        },
    })
}

fn entry(finding: &Finding) -> Value {
    json!({
        "area": finding.area.to_string(),
        "subject": finding.subject,
        "mark": finding.mark.to_string(),
        "value": finding.value,
        "why": finding.why,
        "mend": finding.mend,
        "undo": finding.undo,
    })
}
