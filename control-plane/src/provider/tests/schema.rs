//! Checks values against the schemas of an OpenAPI document.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::provider::duration;

/// The schemas that others refer to, by their names.
pub(super) struct Schemas<'d>(pub(super) &'d Map<String, Value>);

impl Schemas<'_> {
    /// What is wrong with a value, each with the place where.
    pub(super) fn problems(&self, name: &str, value: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        self.check(&self.0[name], value, name, &mut problems);
        problems
    }

    /// `null` stands for a member that is not there, as all clients of the provider take it.
    fn check(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        if value.is_null() {
            return;
        }
        if let Some(name) = schema["$ref"].as_str() {
            return self.check(&self.0[name], value, at, problems);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, at, problems);
        }
        let is_right = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !is_right || !is_of_format(schema["format"].as_str(), value) {
            return problems.push(format!("{at} is no {}: {value}", schema["type"]));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            problems.push(format!("{at} is none of {}: {value}", schema["enum"]));
        }
        if let Some(items) = value.as_array() {
            self.check_items(schema, items, at, problems);
        }
        if let Some(members) = value.as_object() {
            self.check_members(schema, members, at, problems);
        }
    }

    fn check_items(&self, schema: &Value, items: &[Value], at: &str, problems: &mut Vec<String>) {
        let count = items.len() as u64;
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        if !(least..=most).contains(&count) {
            problems.push(format!("{at} has {count} items"));
        }
        for (number, item) in items.iter().enumerate() {
            self.check(&schema["items"], item, &format!("{at}[{number}]"), problems);
        }
    }

    fn check_members(
        &self,
        schema: &Value,
        members: &Map<String, Value>,
        at: &str,
        problems: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if members.get(name).is_none_or(Value::is_null) {
                problems.push(format!("{at}.{name} is missing"));
            }
        }
        let own = schema["properties"].as_object();
        for (name, member) in members {
            let place = format!("{at}.{name}");
            match own.and_then(|own| own.get(name)) {
                Some(schema) => self.check(schema, member, &place, problems),
                None => self.check(&schema["additionalProperties"], member, &place, problems),
            }
        }
    }
}

fn is_of_format(format: Option<&str>, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match format {
        Some("date-time-rfc1123") => {
            text.ends_with("GMT")
                && OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).is_ok()
        }
        Some("duration") => duration::parse(text).is_some(),
        _ => true,
    }
}
