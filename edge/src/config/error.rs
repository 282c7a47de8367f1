//! What is wrong with a configuration, said so that it can be mended at once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::check::Violation;

/// Similarity (Jaro-Winkler) from which a known key is offered for an unknown one.
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
    /// The file, or the command line over it, says something that is not allowed.
    #[error("{}{}: {message}{}", origin.display(), Line(*line), Suggestion(suggestion.as_deref()))]
    Invalid {
        /// File, or the words `command line`.
        origin: PathBuf,
        /// Line in the file, counted from one, where it is known.
        line: Option<usize>,
        /// What is wrong, with the key.
        message: String,
        /// A known key that looks like the unknown one.
        suggestion: Option<String>,
    },
}

impl ConfigError {
    /// Adds line and suggestion to an error of the TOML parser.
    pub(super) fn from_toml(error: &toml::de::Error, text: &str, origin: &Path) -> Self {
        let offset = error.span().map(|span| span.start);
        let line = offset.map(|offset| text[..offset.min(text.len())].matches('\n').count() + 1);
        let message = error.message().to_owned();
        let suggestion = unknown_key(&message).and_then(|(key, known)| closest(key, &known));
        let message = match line.and_then(|line| key_at(text, line)) {
            Some(key) if !message.contains(&format!("`{key}`")) => format!("`{key}`: {message}"),
            _ => message,
        };
        Self::Invalid { origin: origin.to_owned(), line, message, suggestion }
    }

    /// Finds the line that a violated rule is about; none when the value came from the command line
    /// or the defaults.
    pub(super) fn from_violation(violation: &Violation, text: &str, origin: &Path) -> Self {
        let message = format!("`{}.{}` {}", violation.section, violation.key, violation.rule);
        let line = line_of(text, violation.section, violation.key);
        Self::Invalid { origin: origin.to_owned(), line, message, suggestion: None }
    }
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

struct Suggestion<'a>(Option<&'a str>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |key| write!(f, "; did you mean `{key}`?"))
    }
}

/// The unknown key and the known ones of a message of serde ("unknown field a, expected one of b,
/// c", each in backticks).
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

/// The known key that `key` was probably meant to be; without regard to case.
pub(crate) fn closest(key: &str, known: &[&str]) -> Option<String> {
    let key = key.to_lowercase();
    let similarity = |known: &str| strsim::jaro_winkler(&key, &known.to_lowercase());
    known
        .iter()
        .map(|known| (similarity(known), known))
        .filter(|(similarity, _)| *similarity >= SUGGESTION_SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| (*known).to_owned())
}

/// The key that `line` (counted from one) assigns to.
fn key_at(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line - 1)?.split_once('=')?;
    Some(key.trim()).filter(|key| !key.is_empty() && !key.starts_with('#'))
}

/// The line that assigns to `key` below the header of `section`, counted from one.
fn line_of(text: &str, section: &str, key: &str) -> Option<usize> {
    let mut inside = "";
    text.lines().enumerate().find_map(|(at, line)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.strip_prefix('[').unwrap_or(header);
            inside = header.split(']').next().unwrap_or_default().trim();
        }
        let assigns = line.split_once('=').is_some_and(|(left, _)| left.trim() == key);
        (inside == section && assigns).then_some(at + 1)
    })
}
