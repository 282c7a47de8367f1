//! `ringhub device-identity export`: all identities into a file, in the form that import takes, or
//! into a container of a storage account.

mod lines;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::error::CliError;
use super::job::{self, container_uri};
use super::new_file::NewFile;
use super::output::Output;
use super::progress::Progress;
use super::target::TargetArguments;
use crate::client::{Interrupt, Pages};
use lines::Lines;

const EXAMPLES: &str = "\
Examples:
  ringhub device-identity export --file devices.jsonl
  ringhub device-identity export --file - | gzip > devices.jsonl.gz
  ringhub device-identity export --file devices.jsonl --exclude-keys
                                                      whoever imports it makes new keys
  ringhub storage container-uri -c fleet > uri        where to, for the next line
  ringhub device-identity export --blob-container-uri uri --include-keys
                                                      by a job of the hub, twins included

A JSON object a line: each device, then its modules; edge devices before those below them. Another
hub takes the file with `ringhub device-identity import`. It holds keys, so only you may read it.
Twins are not in it.

With a container, the hub does it by itself, as in the Azure CLI: into the blob devices.txt, with
twins, and with keys only if --include-keys says so. The command follows the job to its end; Ctrl-C
leaves it running.";

/// Arguments of `ringhub device-identity export`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// File to write, which appears when it is whole; `-` is standard output
    #[arg(long, value_name = "FILE", required_unless_present = "blob_container_uri")]
    file: Option<PathBuf>,
    /// Leave the keys out
    #[arg(long, conflicts_with = "include_keys")]
    exclude_keys: bool,
    /// Container that the hub writes into: its URI with a signature for create and write, or a file
    /// that holds it
    #[arg(long, visible_alias = "bcu", value_name = "URI", conflicts_with = "file")]
    blob_container_uri: Option<String>,
    /// Write keys into the container
    #[arg(long, visible_alias = "ik", requires = "blob_container_uri", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    include_keys: Option<bool>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), CliError> {
        if let Some(container) = &self.blob_container_uri {
            let container = container_uri("--blob-container-uri", container)?;
            let request = job::export(&container, self.include_keys == Some(true));
            return job::run(&self.target, &request, self.output);
        }
        let path = self.file.as_deref().unwrap_or_else(|| Path::new("-"));
        if path == Path::new("-") {
            let waiting = std::env::temp_dir().join("ringhub-export");
            return self.write(&mut io::BufWriter::new(io::stdout().lock()), &waiting);
        }
        let cannot = |error: io::Error| {
            CliError::Argument(format!("cannot write {}: {error}", path.display()))
        };
        let mut file = NewFile::create(path).map_err(cannot)?;
        self.write(&mut file, path)?;
        file.finish().map_err(cannot)
    }

    fn write(&self, output: &mut dyn Write, waiting: &Path) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let interrupt = Interrupt::install()?;
        let mut progress = Progress::start();
        let mut lines = Lines::new(output, waiting, self.exclude_keys)?;
        for page in Pages::of_devices_with_modules(&rest) {
            for device in page? {
                lines.add(device)?;
            }
            if interrupt.is_set() {
                progress.clear();
                return Err(CliError::Interrupted("interrupted; nothing is written".to_owned()));
            }
            let per_second = lines.count() as f64 / progress.elapsed().as_secs_f64();
            progress.tell(|| format!("{} identities, {per_second:.0} a second", lines.count()));
        }
        let count = lines.finish()?;
        progress.clear();
        eprintln!("{count} identities written in {:.1?}", progress.elapsed());
        Ok(())
    }
}
