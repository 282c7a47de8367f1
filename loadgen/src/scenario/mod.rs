//! SCENARIO: runs with a name: what would be typed otherwise, written down once.
//!
//! ```text
//!  name ─▶ library ─▶ document ─▶ words ─┬─▶ arguments of connect, telemetry or storm
//!            text      keys, lines       │   (checked in one place, whoever said what)
//!                        command line ───┘
//! ```
//!
//! What the command line says wins over the scenario.

mod document;
mod error;
mod keys;
mod library;
mod words;

use std::ffi::OsString;
use std::io::Write as _;

use clap::Args;

use crate::cli::{Command, RunArguments, ScenariosArguments};
use crate::error::Error;
use document::{Document, list};
pub use error::{Place, ScenarioError};

/// Sections that say what devices do.
const WORKS: [&str; 5] = ["hold", "telemetry", "storm", "churn", "conversation"];

/// The command that a scenario stands for.
///
/// # Errors
/// [`Error::Scenario`] for a scenario that cannot be, [`Error::Arguments`] for options that cannot.
pub fn resolve(arguments: &RunArguments) -> Result<Command, Error> {
    let RunArguments { scenario: name, options } = arguments;
    let document = Document::parse(name, &library::find(name)?)?;
    Ok(match work(&document)? {
        "telemetry" => Command::Telemetry(parse(&document, options)?),
        "storm" => Command::Storm(parse(&document, options)?),
        _ => Command::Connect(parse(&document, options)?),
    })
}

/// Prints what scenarios there are, or one of them.
///
/// # Errors
/// [`Error::Scenario`] when there is none of that name.
pub fn show(arguments: &ScenariosArguments) -> Result<(), Error> {
    let text = match &arguments.scenario {
        Some(name) => library::find(name)?.into_owned(),
        None => library::overview()?,
    };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// The section that says what devices do.
fn work(document: &Document) -> Result<&'static str, ScenarioError> {
    let found = WORKS.iter().filter(|work| document.sections.contains(work));
    let found: Vec<&str> = found.copied().collect();
    let problem = match found[..] {
        ["conversation"] => "conversation is beside something else".to_owned(),
        [work] | [work @ "telemetry", "churn" | "conversation"] => return Ok(work),
        [] => "it does not say what devices do".to_owned(),
        _ => format!("{} exclude each other", list(found.iter().copied())),
    };
    let problem = format!(
        "{problem}: write one of the sections hold, telemetry, storm and churn, or beside \
         telemetry one of churn and conversation"
    );
    Err(ScenarioError::Work { origin: document.origin.clone(), problem })
}

/// The arguments of a command, from the scenario and the command line.
fn parse<A: Args>(document: &Document, options: &[OsString]) -> Result<A, Error> {
    let usage = format!("ringhub-loadgen run {} [OPTIONS]", document.origin);
    let command = clap::Command::new("ringhub-loadgen").no_binary_name(true).override_usage(usage);
    let command = A::augment_args(command);
    let mut words = words::words(document, &command, options)?;
    let said = words.iter().map(|word| word.to_string_lossy());
    let stands_for = format!("This scenario says:\n  {}", said.collect::<Vec<_>>().join(" "));
    words.extend_from_slice(options);
    let command = command.about(document.about.clone()).after_help(stands_for);
    let matches = command.try_get_matches_from(words).map_err(Error::Arguments)?;
    A::from_arg_matches(&matches).map_err(Error::Arguments)
}

#[cfg(test)]
mod tests;
