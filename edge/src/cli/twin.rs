//! `ringhub device-twin` and `ringhub module-twin`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::assignment::Assignment;
use super::error::CliError;
use super::json_argument::json_object;
use super::names::Named;
use super::output::Output;
use super::target::TargetArguments;
use crate::client::Precondition;

pub(super) const DEVICE_EXAMPLES: &str = "\
Examples:
  ringhub device-twin show -d pump-7
  ringhub device-twin update -d pump-7 --desired '{\"interval\": 5}' --tags '{\"site\": \"north\"}'
  ringhub device-twin update -d pump-7 --desired '{\"interval\": null}'     removes a property
  ringhub device-twin replace -d pump-7 --json '{\"tags\": {}}'          or the name of a file";

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
    #[arg(long, value_name = "JSON", value_parser = json_object, required_unless_present_any = ["tags", "set"])]
    desired: Option<Value>,
    /// Tags to merge, a JSON object
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    tags: Option<Value>,
    /// One member by its path: `tags.site=north`; null removes, and it may come several times
    #[arg(long, value_name = "PATH=VALUE", num_args = 1..)]
    set: Vec<Assignment>,
    /// Only if this is the ETag of the twin
    #[arg(long, short, value_name = "ETAG")]
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
    /// The twin as `show` prints it, or the sections of it that are to be replaced: JSON, or the
    /// name of a file with it
    #[arg(long, short, visible_alias = "file", value_name = "JSON", value_parser = json_object)]
    json: Value,
    /// Only if this is the ETag of the twin
    #[arg(long, short, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
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
                let rest = replace.target.rest()?;
                let path = replace.name.identity().path("twins");
                let when = Precondition::of(replace.etag.as_deref());
                let twin = rest.send(Method::PUT, &path, when, Some(&replace.json))?;
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
        let mut body = Value::Object(body);
        self.set.iter().for_each(|assignment| assignment.apply(&mut body));
        body
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
        let set = body(&["--set", "tags.site=north", "properties.desired.interval=5"]);
        let expected = json!({
            "tags": { "site": "north" }, "properties": { "desired": { "interval": 5 } },
        });
        assert_eq!(set, expected);
        let both = body(&["--tags", r#"{"t":1}"#, "--desired", "{}"]);
        assert_eq!(both, json!({ "tags": { "t": 1 }, "properties": { "desired": {} } }));
    }
}
