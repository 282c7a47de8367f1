//! What is wrong with a configuration, said so that it can be mended at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Origin;

/// Similarity (Jaro-Winkler) from which a known name is offered for an unknown one.
const SUGGESTION_SIMILARITY_MIN: f64 = 0.75;

/// A configuration that is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{origin}: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
    /// A section, a key or a variable that there is not.
    #[error("{origin}: there is no {what} `{name}`{}", Suggestion(suggestion.as_deref()))]
    Unknown {
        /// Where it was said.
        origin: Origin,
        /// What it would be.
        what: &'static str,
        /// As it was said.
        name: String,
        /// A known name that looks like it.
        suggestion: Option<String>,
    },
    /// A value that is not allowed, alone or beside another one.
    #[error("{origin}: {message}")]
    Invalid {
        /// Where it was said.
        origin: Origin,
        /// Key, value, and what is allowed.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn unknown<'a>(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        origin: Origin,
    ) -> Self {
        let suggestion = closest(name, known).map(ToOwned::to_owned);
        Self::Unknown { origin, what, name: name.to_owned(), suggestion }
    }
}

struct Suggestion<'a>(Option<&'a str>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
    }
}

/// The known name that `name` was probably meant to be; without regard to case.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let similarity = |known: &str| strsim::jaro_winkler(&name, &known.to_lowercase());
    known
        .into_iter()
        .map(|known| (similarity(known), known))
        .filter(|(similarity, _)| *similarity >= SUGGESTION_SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
