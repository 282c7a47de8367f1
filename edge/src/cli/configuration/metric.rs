//! `ringhub configuration show-metric`.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Name;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::target::TargetArguments;
use crate::client::Pages;

/// Whose metric it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One of the configuration's own
    #[default]
    User,
    /// One that every configuration has, such as targetedCount and appliedCount
    System,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct ShowMetric {
    #[command(flatten)]
    name: Name,
    /// Name of the metric
    #[arg(long, short, value_name = "NAME")]
    metric_id: String,
    /// Whose metric it is
    #[arg(long, visible_alias = "mt", value_enum, default_value = "user")]
    metric_type: Kind,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ShowMetric {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let configuration = rest.read(&self.name.path())?;
        let member = match self.metric_type {
            Kind::User => "metrics",
            Kind::System => "systemMetrics",
        };
        let queries = &configuration[member]["queries"];
        let Some(query) = queries[&self.metric_id].as_str() else {
            let known = queries.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let known: Vec<_> = known.collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let name = &self.metric_id;
            return Err(CliError::Argument(format!("no metric `{name}`; there are: {known}")));
        };
        let mut rows: Vec<Value> = Vec::new();
        for page in Pages::of_query(&rest, query, u64::MAX) {
            rows.extend(page?);
        }
        let found = json!({ "metric": self.metric_id, "query": query, "result": rows });
        Ok(self.output.document(&found)?)
    }
}
