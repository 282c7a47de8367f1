//! What people may say of a configuration.

use std::fs;

use clap::Args;
use serde_json::Value;

use crate::cli::error::CliError;

/// Members that can be changed.
const MEMBERS: [&str; 4] = ["targetCondition", "priority", "labels", "metrics"];

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct Settings {
    /// Whom it is for: what stands behind WHERE of a query, or `*` for all [default: nobody]
    #[arg(long, visible_alias = "tc", value_name = "CONDITION")]
    target_condition: Option<String>,
    /// The highest wins where several set the same [default: 0]
    #[arg(long, visible_alias = "pri", value_name = "N")]
    priority: Option<u32>,
    /// Notes about it: a JSON object of texts, or a file with it
    #[arg(long, visible_alias = "lab", value_name = "JSON|FILE")]
    labels: Option<String>,
    /// Queries whose rows are counted: {"queries": {"name": "SELECT …"}}, or a file with it
    #[arg(long, short, value_name = "JSON|FILE")]
    metrics: Option<String>,
}

impl Settings {
    /// Puts what was said into the configuration as the API knows it; the rest stays.
    pub(super) fn apply(&self, body: &mut Value) -> Result<(), CliError> {
        if let Some(condition) = &self.target_condition {
            put(body, "targetCondition", condition.as_str().into());
        }
        if let Some(priority) = self.priority {
            put(body, "priority", priority.into());
        }
        if let Some(labels) = &self.labels {
            put(body, "labels", json_or_file(labels)?);
        }
        if let Some(metrics) = &self.metrics {
            put(body, "metrics", json_or_file(metrics)?);
        }
        Ok(())
    }
}

/// Puts one member into a configuration.
pub(super) fn put(body: &mut Value, member: &str, value: Value) {
    // The Azure CLI takes metrics with the member around them, too.
    let inner = value.get(member).cloned();
    body[member] = inner.unwrap_or(value);
}

/// Reads `member=value`; a value that is no JSON is a text.
pub(super) fn member(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("has no `=`")?;
    let known = MEMBERS.iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
    let name = known.ok_or_else(|| format!("`{name}` is none of {}", MEMBERS.join(", ")))?;
    let is_text = *name == "targetCondition";
    let parsed = if is_text { None } else { serde_json::from_str(value).ok() };
    Ok(((*name).to_owned(), parsed.unwrap_or_else(|| value.into())))
}

/// Reads JSON that was given, or a file with it.
pub(super) fn json_or_file(text: &str) -> Result<Value, CliError> {
    let is_json = text.trim_start().starts_with('{');
    let wrong = |reason: String| {
        let name = if is_json { "the JSON" } else { text };
        CliError::Argument(format!("{name}: {reason}"))
    };
    let file = text.strip_prefix('@').unwrap_or(text);
    let content = match is_json {
        true => text.to_owned(),
        false => fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?,
    };
    serde_json::from_str(&content).map_err(|error| wrong(format!("is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_json_where_they_can_be() {
        let read = |text| member(text).expect("a member");
        assert_eq!(read("priority=3"), ("priority".to_owned(), json!(3)));
        let condition = read("TargetCondition=tags.a = 'b'");
        assert_eq!(condition, ("targetCondition".to_owned(), json!("tags.a = 'b'")));
        assert_eq!(read("targetCondition=*").1, json!("*"));
        assert_eq!(read(r#"labels={"a":"b"}"#).1, json!({"a": "b"}));
        assert!(member("content={}").is_err());
        assert!(member("priority").is_err());
    }

    #[test]
    fn metrics_may_have_their_name_around_them() {
        let mut body = json!({});
        put(&mut body, "metrics", json!({"metrics": {"queries": {}}}));
        assert_eq!(body, json!({"metrics": {"queries": {}}}));
        put(&mut body, "metrics", json!({"queries": {"a": "b"}}));
        assert_eq!(body, json!({"metrics": {"queries": {"a": "b"}}}));
    }
}
