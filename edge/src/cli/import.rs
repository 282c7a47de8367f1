//! `ringhub device-identity import`: many identities from a file, over the bulk API.
//!
//! ```text
//!  file ─▶ lines ─▶ Batch of 100 ──▶ flume ──▶ workers, one request in flight each
//!            ▲                                      │ Outcome
//!            └───── errors by line, progress ◀──────┘
//! ```

mod batch;
mod outcome;
mod scopes;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;

use clap::{Args, ValueEnum};
use ringhub_control_plane::identity_file::{ImportMode, LineReader};

use super::error::CliError;
use super::job::{self, container_uri};
use super::output::Output;
use super::progress::Progress;
use super::target::TargetArguments;
use crate::client::{ClientError, Interrupt, RestClient};
use batch::{Batch, Line};
use outcome::{Outcome, submit};
use scopes::Scopes;

/// Requests in flight at the same time at most.
const IN_FLIGHT_MAX: u16 = 64;

/// Errors that are told line by line; more are counted.
const ERRORS_TOLD_MAX: u64 = 1000;

const EXAMPLES: &str = "\
Examples:
  ringhub device-identity import --file devices.jsonl
  ringhub device-identity import --file devices.jsonl --mode delete
  generate-devices | ringhub device-identity import --file -
  ringhub device-identity import --file devices.jsonl --from-line 500001
                                                      goes on where an earlier one ended
  ringhub device-identity import --input-blob-container-uri uri
                                                      by a job of the hub, from devices.txt there

Each line is a JSON object, as in the service's own import files:
  {\"id\":\"pump-7\"}
  {\"id\":\"pump-8\",\"status\":\"disabled\",\"importMode\":\"update\"}
  {\"id\":\"pump-9\",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":\"…\",\"secondaryKey\":\"…\"}}}
`deviceId` stands for `id`, so that lines of `device-identity list --output json` can be used.
Lines of one device take effect in their order, and after the edge device above it. A parent is
named by its id: the hub that imports has generations of its own.

With a container, the hub does it by itself, as in the Azure CLI, twins included; lines that were
not applied are in the blob importErrors.log. `uri` is a file with what `ringhub storage
container-uri` prints. The command follows the job to its end; Ctrl-C leaves it running.";

/// What happens to the device of a line that says nothing itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Register it, or overwrite what is registered; may be repeated
    #[default]
    CreateOrUpdate,
    /// Register it; an error if it is there
    Create,
    /// Overwrite it; an error if it is not there
    Update,
    /// Remove it; an error if it is not there
    Delete,
}

impl From<Mode> for ImportMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::CreateOrUpdate => Self::CreateOrUpdate,
            Mode::Create => Self::Create,
            Mode::Update => Self::Update,
            Mode::Delete => Self::Delete,
        }
    }
}

/// Arguments of `ringhub device-identity import`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// File with one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "input_blob_container_uri")]
    file: Option<PathBuf>,
    /// Container that the hub reads from: its URI with a signature for read, or a file that holds
    /// it
    #[arg(long, visible_alias = "ibcu", value_name = "URI", conflicts_with_all = ["file", "mode", "from_line", "in_flight"])]
    input_blob_container_uri: Option<String>,
    /// Container for the errors, with a signature for create and write [default: the same]
    #[arg(long, visible_alias = "obcu", value_name = "URI", requires = "input_blob_container_uri")]
    output_blob_container_uri: Option<String>,
    /// What happens where a line has no importMode
    #[arg(long, value_enum, default_value = "create-or-update")]
    mode: Mode,
    /// Begin with this line
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// Requests under way at a time, of 100 lines each
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=i64::from(IN_FLIGHT_MAX)))]
    in_flight: u16,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Import {
    pub(super) fn run(&self) -> Result<(), CliError> {
        if let Some(container) = &self.input_blob_container_uri {
            let input = container_uri("--input-blob-container-uri", container)?;
            let output = match &self.output_blob_container_uri {
                Some(output) => container_uri("--output-blob-container-uri", output)?,
                None => input.clone(),
            };
            let request = job::import(&input, &output);
            return job::run(&self.target, &request, self.output);
        }
        let rest = self.target.rest()?;
        let input = open(self.file())?;
        let interrupt = Interrupt::install()?;
        let (batches, work) = flume::bounded::<Batch>(self.in_flight.into());
        let (results, outcomes) = flume::unbounded();
        thread::scope(|scope| {
            for _ in 0..self.in_flight {
                let (rest, work, results) = (rest.clone(), work.clone(), results.clone());
                scope.spawn(move || {
                    for batch in work {
                        // The reader is gone only when the command ends anyway.
                        let _ = results.send(submit(&rest, batch));
                    }
                });
            }
            drop((work, results));
            let mut running = Running::new(self, &rest, outcomes);
            let read = running.feed(input, &batches, &interrupt);
            drop(batches);
            running.finish(read)
        })
    }

    fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or_else(|| Path::new("-"))
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let cannot = |error| CliError::Argument(format!("cannot read {}: {error}", path.display()));
    Ok(Box::new(BufReader::with_capacity(1 << 20, File::open(path).map_err(cannot)?)))
}

/// An import at work.
struct Running<'a> {
    arguments: &'a Import,
    outcomes: flume::Receiver<Outcome>,
    progress: Progress,
    /// Lines that were read.
    line: u64,
    done: u64,
    failed: u64,
    /// Batches under way: by their first line, in rising order, the devices that they touch.
    under_way: BTreeMap<u64, HashSet<String>>,
    scopes: Scopes<'a>,
    fatal: Option<(u64, ClientError)>,
}

impl<'a> Running<'a> {
    fn new(
        arguments: &'a Import,
        rest: &'a RestClient,
        outcomes: flume::Receiver<Outcome>,
    ) -> Self {
        Self {
            arguments,
            outcomes,
            progress: Progress::start(),
            line: 0,
            done: 0,
            failed: 0,
            under_way: BTreeMap::new(),
            scopes: Scopes::new(rest),
            fatal: None,
        }
    }

    /// Reads all lines and hands them to the workers; ends early when nothing can succeed.
    fn feed(
        &mut self,
        input: Box<dyn BufRead>,
        batches: &flume::Sender<Batch>,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        let mut batch = Batch::default();
        let mut lines = LineReader::new(input, 0);
        let mode = self.arguments.mode.into();
        while self.fatal.is_none() && !interrupt.is_set() {
            let Some(text) = lines.next_line()? else {
                self.hand_over(&mut batch, batches);
                return Ok(());
            };
            self.line += 1;
            if self.line < self.arguments.from_line {
                continue;
            }
            match text.and_then(|text| Line::parse(text, self.line, mode)) {
                Ok(Some(line)) => self.add(line, &mut batch, batches),
                Ok(None) => {}
                Err(error) => self.fail(self.line, &error.to_string()),
            }
        }
        // What was read and not sent counts as under way: the next import begins there.
        self.under_way.extend(batch.first_line().map(|line| (line, HashSet::new())));
        Ok(())
    }

    /// Puts a line into the batch, after all before it that concern the same device or the one
    /// above it.
    fn add(&mut self, mut line: Line, batch: &mut Batch, batches: &flume::Sender<Batch>) {
        if let Some(parent) = line.parent() {
            if batch.touches(&parent) {
                self.hand_over(batch, batches);
            }
            self.wait_for(&parent);
            match self.scopes.of(&parent) {
                Ok(scope) => line.put_below(scope),
                Err(error) => self.fatal = Some((line.number, error)),
            }
        }
        if !batch.takes(&line) {
            self.hand_over(batch, batches);
        }
        self.wait_for(line.device());
        batch.push(line);
    }

    /// Waits until no request that is under way touches `device`.
    fn wait_for(&mut self, device: &str) {
        while self.fatal.is_none()
            && self.under_way.values().any(|devices| devices.contains(device))
            && let Ok(outcome) = self.outcomes.recv()
        {
            self.take(outcome);
        }
    }

    fn hand_over(&mut self, batch: &mut Batch, batches: &flume::Sender<Batch>) {
        let Some(first) = batch.first_line() else { return };
        self.under_way.insert(first, batch.devices());
        // Workers end only when the sender does.
        let _ = batches.send(std::mem::take(batch));
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.take(outcome);
        }
        let Self { done, failed, line, .. } = *self;
        let per_second = done as f64 / self.progress.elapsed().as_secs_f64();
        self.progress.tell(|| {
            format!(
                "line {line}: {done} identities done, {failed} failed, {per_second:.0} a second"
            )
        });
    }

    fn take(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Answered { first_line, done, errors } => {
                self.under_way.remove(&first_line);
                self.done += done;
                errors.iter().for_each(|(line, error)| self.fail(*line, error));
            }
            Outcome::Failed { first_line, error } => {
                let earlier = self.fatal.as_ref().is_none_or(|(line, _)| first_line < *line);
                if earlier {
                    self.fatal = Some((first_line, error));
                }
            }
        }
    }

    fn fail(&mut self, line: u64, error: &str) {
        self.failed += 1;
        if self.failed <= ERRORS_TOLD_MAX {
            let file = self.arguments.file().display();
            self.progress.note(&format!("{file}:{line}: {error}"));
        }
        if self.failed == ERRORS_TOLD_MAX {
            self.progress.note("further errors are counted only");
        }
    }

    /// Waits for what is under way and says what came of it all.
    fn finish(mut self, read: io::Result<()>) -> Result<(), CliError> {
        while let Ok(outcome) = self.outcomes.recv() {
            self.take(outcome);
        }
        self.progress.clear();
        let Self { done, failed, .. } = self;
        eprintln!("{done} identities done, {failed} failed, in {:.1?}", self.progress.elapsed());
        let resume = self
            .under_way
            .first_key_value()
            .map(|(line, _)| format!("; go on with --from-line {line}"));
        let resume = resume.unwrap_or_default();
        if let Some((line, error)) = self.fatal {
            eprintln!("the import ended at line {line}{resume}");
            return Err(error.into());
        }
        read.map_err(|error| CliError::Argument(format!("line {}: {error}", self.line)))?;
        if !resume.is_empty() {
            return Err(CliError::Interrupted(format!("interrupted{resume}")));
        }
        if failed > 0 {
            return Err(CliError::Items(format!("{failed} lines failed; each is told above")));
        }
        Ok(())
    }
}
