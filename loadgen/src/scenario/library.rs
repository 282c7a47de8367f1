//! The scenarios that come with the program.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use super::document::{Document, list};
use super::error::ScenarioError;

/// Names and texts: the files of `scenarios/`.
pub(super) const BUILT_IN: [(&str, &str); 9] = [
    ("churn", include_str!("../../scenarios/churn.toml")),
    ("conn-tcp", include_str!("../../scenarios/conn-tcp.toml")),
    ("conversation", include_str!("../../scenarios/conversation.toml")),
    ("fan-in", include_str!("../../scenarios/fan-in.toml")),
    ("gateway", include_str!("../../scenarios/gateway.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
    ("pipelined", include_str!("../../scenarios/pipelined.toml")),
    ("single", include_str!("../../scenarios/single.toml")),
    ("storm", include_str!("../../scenarios/storm.toml")),
];

/// The text of a scenario: of a file if the name has a `/` or ends in `.toml`, else one of ours.
pub(super) fn find(name: &str) -> Result<Cow<'static, str>, ScenarioError> {
    if name.contains('/') || name.ends_with(".toml") {
        let path = Path::new(name);
        let unreadable = |source| ScenarioError::Unreadable { path: path.to_owned(), source };
        return Ok(fs::read_to_string(path).map_err(unreadable)?.into());
    }
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    let unknown = || ScenarioError::Unknown {
        name: name.to_owned(),
        known: list(BUILT_IN.iter().map(|(known, _)| *known)),
    };
    Ok(found.ok_or_else(unknown)?.1.into())
}

/// A line about each, for those who look for one.
pub(super) fn overview() -> Result<String, ScenarioError> {
    let mut lines = String::new();
    for (name, text) in BUILT_IN {
        let about = Document::parse(name, text)?.about;
        lines.push_str(&format!("{name:<13} {about}\n"));
    }
    Ok(lines)
}
