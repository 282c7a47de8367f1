//! `ringhub device-twin` and `ringhub module-twin`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::error::CliError;
use super::names::Named;
use super::output::Output;
use super::target::TargetArguments;
use crate::client::Precondition;

pub(super) const DEVICE_EXAMPLES: &str = "\
Examples:
  ringhub device-twin show -d pump-7
  ringhub device-twin update -d pump-7 --desired '{\"interval\": 5}' --tags '{\"site\": \"north\"}'
  ringhub device-twin update -d pump-7 --desired '{\"interval\": null}'     removes a property
  ringhub device-twin replace -d pump-7 --file twin.json";

pub(super) const MODULE_EXAMPLES: &str = "\
Examples:
  ringhub module-twin show -d pump-7 -m fan
  ringhub module-twin update -d pump-7 -m fan --desired '{\"speed\": 3}'";

/// What is done to a twin.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum TwinAction<N: Named> {
    /// Show it, with desired and reported properties
    Show(Show<N>),
    /// Merge into its desired properties or tags; null removes
    Update(Update<N>),
    /// Replace its desired properties or tags
    Replace(Replace<N>),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Show<N: Named> {
    #[command(flatten)]
    name: N,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Update<N: Named> {
    #[command(flatten)]
    name: N,
    /// Desired properties to merge, a JSON object
    #[arg(long, value_name = "JSON", value_parser = object, required_unless_present = "tags")]
    desired: Option<Value>,
    /// Tags to merge, a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    tags: Option<Value>,
    /// Only if this is the ETag of the twin
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Replace<N: Named> {
    #[command(flatten)]
    name: N,
    /// File with the twin as `show` prints it, or the sections of it that are to be replaced
    #[arg(long, value_name = "FILE", required_unless_present = "json")]
    file: Option<PathBuf>,
    /// The same as text
    #[arg(long, value_name = "JSON", value_parser = object, conflicts_with = "file")]
    json: Option<Value>,
    /// Only if this is the ETag of the twin
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

/// Reads a JSON object.
fn object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("is not JSON: {error}; quote it from the shell with '…'"))?;
    if value.is_object() { Ok(value) } else { Err("is not a JSON object".to_owned()) }
}

impl<N: Named> TwinAction<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match self {
            Self::Show(show) => {
                let rest = show.target.rest()?;
                Ok(show.output.document(&rest.read(&show.name.identity().path("twins"))?)?)
            }
            Self::Update(update) => {
                let rest = update.target.rest()?;
                let path = update.name.identity().path("twins");
                let when = Precondition::of(update.etag.as_deref());
                let twin = rest.send(Method::PATCH, &path, when, Some(&update.body()))?;
                Ok(update.output.document(&twin)?)
            }
            Self::Replace(replace) => {
                let body = replace.body()?;
                let rest = replace.target.rest()?;
                let path = replace.name.identity().path("twins");
                let when = Precondition::of(replace.etag.as_deref());
                let twin = rest.send(Method::PUT, &path, when, Some(&body))?;
                Ok(replace.output.document(&twin)?)
            }
        }
    }
}

impl<N: Named> Update<N> {
    /// Source: control-plane reference, "PATCH semantics".
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.extend(self.tags.clone().map(|tags| ("tags".to_owned(), tags)));
        let desired = self.desired.as_ref();
        body.extend(desired.map(|d| ("properties".to_owned(), json!({ "desired": d }))));
        Value::Object(body)
    }
}

impl<N: Named> Replace<N> {
    fn body(&self) -> Result<Value, CliError> {
        let Some(path) = &self.file else { return Ok(self.json.clone().unwrap_or_default()) };
        let wrong = |reason| CliError::Argument(format!("{}: {reason}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        object(&text).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::names::DeviceName;
    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        update: Update<DeviceName>,
    }

    fn body(arguments: &[&str]) -> Value {
        let arguments = [&["ringhub", "-d", "pump"], arguments].concat();
        Arguments::try_parse_from(arguments).unwrap().update.body()
    }

    #[test]
    fn an_update_holds_the_sections_that_were_given() {
        let desired = body(&["--desired", r#"{"a":null}"#]);
        assert_eq!(desired, json!({ "properties": { "desired": { "a": null } } }));
        assert_eq!(body(&["--tags", "{}"]), json!({ "tags": {} }));
        let both = body(&["--tags", r#"{"t":1}"#, "--desired", "{}"]);
        assert_eq!(both, json!({ "tags": { "t": 1 }, "properties": { "desired": {} } }));
    }
}
