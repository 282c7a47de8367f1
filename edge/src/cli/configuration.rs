//! `ringhub configuration`.

mod metric;
mod settings;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::{Precondition, encode_segment};
use metric::ShowMetric;
use settings::{Settings, json_or_file};

const PATH: &str = "/configurations";

const COLUMNS: [Column; 6] = [
    ("ID", "/id"),
    ("PRIORITY", "/priority"),
    ("TARGET CONDITION", "/targetCondition"),
    ("TARGETED", "/systemMetrics/results/targetedCount"),
    ("APPLIED", "/systemMetrics/results/appliedCount"),
    ("LAST UPDATED", "/lastUpdatedTimeUtc"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub configuration create -c fans -k fans.json --target-condition 'tags.site = \"north\"'
  ringhub configuration create -c all -k '{\"deviceContent\": {\"properties.desired.on\": true}}'
  ringhub configuration create -c cameras --content modules.json --labels '{\"team\": \"vision\"}'
  ringhub configuration list
  ringhub configuration show-metric -c fans -m appliedCount --metric-type system
  ringhub configuration update -c fans --priority 20
  ringhub configuration update -c fans --set 'targetCondition=tags.site = \"south\"'
  ringhub configuration delete -c fans                takes its settings back from all devices

Content is deviceContent, moduleContent (with a condition that begins with FROM devices.modules
WHERE), or modulesContent, a deployment for edge devices.";

/// Set desired properties of all devices or modules that a condition takes
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Configuration {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Make one
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// Show it, with the numbers of its metrics
    Show(Show),
    /// List all of them
    List(List),
    /// Change what it is for, its priority, labels or metrics; its content stays
    #[command(after_help = EXAMPLES)]
    Update(Update),
    /// Remove it, and its settings from whom it has
    Delete(Delete),
    /// Show whom a metric counts
    ShowMetric(ShowMetric),
}

/// The id of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Name {
    /// Id of the configuration: lower-case letters, digits and signs
    #[arg(long, short, visible_alias = "configuration-id", value_name = "ID")]
    config_id: String,
}

impl Name {
    fn path(&self) -> String {
        format!("{PATH}/{}", encode_segment(&self.config_id))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Create {
    #[command(flatten)]
    name: Name,
    /// What it sets: JSON, or a file with it
    #[arg(long, short = 'k', value_name = "JSON|FILE")]
    content: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    /// How many at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    top: Option<u64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Update {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    settings: Settings,
    /// The same as in the Azure CLI: targetCondition, priority, labels, metrics
    #[arg(long, value_name = "MEMBER=VALUE", num_args = 1.., value_parser = settings::member)]
    set: Vec<(String, Value)>,
    /// Only if this is its ETag [default: the one that is read just before]
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Delete {
    #[command(flatten)]
    name: Name,
    /// Only if this is its ETag
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

impl Configuration {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::Show(show) => {
                let rest = show.target.rest()?;
                Ok(show.output.document(&rest.read(&show.name.path())?)?)
            }
            Action::List(list) => {
                let query = list.top.map(|top| format!("?top={top}")).unwrap_or_default();
                let found = list.target.rest()?.read(&format!("{PATH}{query}"))?;
                let items = found.as_array().map_or(&[][..], Vec::as_slice);
                Ok(list.output.list(&COLUMNS, items)?)
            }
            Action::Update(update) => update.run(),
            Action::Delete(delete) => {
                let when = Precondition::of(delete.etag.as_deref());
                let rest = delete.target.rest()?;
                Ok(rest.send(Method::DELETE, &delete.name.path(), when, None).map(drop)?)
            }
            Action::ShowMetric(metric) => metric.run(),
        }
    }
}

impl Create {
    fn run(&self) -> Result<(), CliError> {
        let content = json_or_file(&self.content)?;
        // Files of the Azure CLI may hold the member around it.
        let content = content.get("content").cloned().unwrap_or(content);
        let mut body = json!({ "id": self.name.config_id, "content": content });
        self.settings.apply(&mut body)?;
        let rest = self.target.rest()?;
        let path = self.name.path();
        let created = rest.send(Method::PUT, &path, Precondition::Absent, Some(&body))?;
        Ok(self.output.document(&created)?)
    }
}

impl Update {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let path = self.name.path();
        let mut body = rest.read(&path)?;
        let read = body["etag"].as_str().map(ToOwned::to_owned);
        self.settings.apply(&mut body)?;
        for (member, value) in &self.set {
            settings::put(&mut body, member, value.clone());
        }
        let when = Precondition::of(self.etag.as_deref().or(read.as_deref()));
        let changed = rest.send(Method::PUT, &path, when, Some(&body))?;
        Ok(self.output.document(&changed)?)
    }
}
