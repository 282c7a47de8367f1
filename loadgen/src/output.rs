//! Where the result of a run goes, and what is said meanwhile.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::error::Error;
use crate::latency::Latency;

/// What is told, and where to.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// Show no progress, which else goes to standard error: a view of the run where that is a
    /// terminal, a line a second where it is not
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Write latencies into this folder, as percentile distributions (.hgrm)
    #[arg(long, value_name = "DIR")]
    pub hgrm: Option<PathBuf>,
    /// Write a page with plots into this file, which needs nothing else to be looked at
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A result in all its forms; as text it is what people read.
pub(crate) trait Findings: fmt::Display {
    /// As one JSON object.
    fn to_json(&self) -> Value;
    /// Each latency, by the name of its file.
    fn latencies(&self) -> Vec<(&'static str, &Latency)>;
    /// As a page with plots.
    fn to_page(&self) -> String;
}

impl Output {
    /// Prints a result and writes what was asked for.
    ///
    /// # Errors
    /// [`Error::Result`] when a file cannot be written; the rest is not told then.
    pub(crate) fn tell(&self, findings: &impl Findings) -> Result<(), Error> {
        if let Some(folder) = &self.hgrm {
            fs::create_dir_all(folder).map_err(failed(folder))?;
            for (name, latency) in findings.latencies() {
                write_distribution(folder, name, latency)?;
            }
        }
        if let Some(path) = &self.html {
            fs::write(path, findings.to_page()).map_err(failed(path))?;
        }
        if self.json {
            println!("{}", findings.to_json());
        } else {
            print!("{findings}");
        }
        Ok(())
    }
}

/// Writes one percentile distribution, unless there is none.
fn write_distribution(folder: &Path, name: &str, latency: &Latency) -> Result<(), Error> {
    if latency.is_empty() {
        return Ok(());
    }
    let path = folder.join(name).with_extension("hgrm");
    fs::write(&path, latency.to_hgrm()).map_err(failed(&path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    |source| Error::Result { path, source }
}
