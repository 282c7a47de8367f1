//! `ringhub device-identity export`: all identities into a file, in the form that import takes.

mod lines;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CliError;
use super::new_file::NewFile;
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

A JSON object a line: each device, then its modules; edge devices before those below them. Another
hub takes the file with `ringhub device-identity import`. It holds keys, so only you may read it.
Twins are not in it.";

/// Arguments of `ringhub device-identity export`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// File to write, which appears when it is whole; `-` is standard output
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Leave the keys out
    #[arg(long)]
    exclude_keys: bool,
    #[command(flatten)]
    target: TargetArguments,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), CliError> {
        if self.file == Path::new("-") {
            let waiting = std::env::temp_dir().join("ringhub-export");
            return self.write(&mut io::BufWriter::new(io::stdout().lock()), &waiting);
        }
        let mut file = NewFile::create(&self.file).map_err(|error| self.cannot_write(error))?;
        self.write(&mut file, &self.file)?;
        file.finish().map_err(|error| self.cannot_write(error))
    }

    fn cannot_write(&self, error: io::Error) -> CliError {
        CliError::Argument(format!("cannot write {}: {error}", self.file.display()))
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
