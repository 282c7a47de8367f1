//! What is wrong with a scenario, and how to mend it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the scenario or of its file.
    pub origin: String,
    /// The line, counted from one.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.line)
    }
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No built-in scenario has this name.
    #[error(
        "there is no scenario `{name}`: choose one of {known}, or name a file, with a `/` or \
         `.toml` at the end"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The file cannot be read.
    #[error(
        "cannot read the scenario {}: {source}; `ringhub-loadgen scenarios` lists the built-in \
         ones, which need no file",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line says what cannot be.
    #[error("{place}: {problem}")]
    Invalid {
        /// The line.
        place: Place,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// It is not said what devices do, or more than one thing.
    #[error("{origin}: {problem}")]
    Work {
        /// Name of the scenario or of its file.
        origin: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}
