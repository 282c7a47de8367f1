//! Configurations of a hub: written here, read by way of the query threads, which count metrics.
//!
//! Source: control-plane reference, "Configurations, edge deployments, digital twins".

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use ringhub_core::id::DeviceId;
use ringhub_core::limits::CONFIGURATIONS_MAX;
use serde_json::{Value, json};

use super::devices::check_same;
use super::json::{Members, parse, time_text};
use super::request::Context;
use super::route::Resource;
use super::{Answer, Api, ApiError, Response};
use crate::configuration::{
    Configuration, ConfigurationChange, ConfigurationDraft, ConfigurationError, ConfigurationId,
    ConfigurationOutcome, Content, Counted, Results, Target, check_metric, system_metrics,
};
use crate::registry::{Change, Outcome, RegistryError};
use crate::store::{ConfigurationStore as _, SqliteStore, StoreError};

impl Context {
    /// Whether it reads configurations, whose metrics take their time.
    pub(super) fn reads_configurations(&self) -> bool {
        let is_read = self.request.method == Method::GET;
        is_read && matches!(self.resource, Resource::Configurations | Resource::Configuration(_))
    }
}

/// The configurations that a request asks for.
pub(super) fn asked(
    context: &Context,
    store: &SqliteStore,
) -> Result<Result<Vec<Configuration>, ApiError>, StoreError> {
    if let Resource::Configuration(id) = &context.resource {
        let found = store.configuration(context.hub, id)?;
        return Ok(found.map(|found| vec![found]).ok_or_else(not_found));
    }
    let mut all = store.configurations(context.hub)?;
    // What cannot be is as if it were not there: the list has a bound anyway.
    let top = context.parameter("top").and_then(|text| text.trim().parse().ok());
    all.truncate(top.unwrap_or(usize::MAX).min(2 * CONFIGURATIONS_MAX));
    Ok(Ok(all))
}

/// The answer with what was asked for.
pub(super) fn answer(context: &Context, counted: &[Counted]) -> Response {
    if matches!(context.resource, Resource::Configurations) {
        let all: Vec<_> = counted.iter().map(counted_json).collect();
        return Response::json(StatusCode::OK, &all);
    }
    match counted {
        [one] => {
            let etag = one.configuration.etag.text();
            Response::json(StatusCode::OK, &counted_json(one)).with_etag(&etag)
        }
        _ => not_found().response(),
    }
}

fn not_found() -> ApiError {
    RegistryError::from(ConfigurationError::NotFound).into()
}

impl Api {
    pub(super) fn put_configuration(
        &self,
        context: &Context,
        id: ConfigurationId,
    ) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        check_same(members.filled("id")?, id.as_str())?;
        let draft = Box::new(draft(members, id)?);
        let change = ConfigurationChange::Put(draft, context.put_precondition());
        let map = |outcome| match outcome {
            Outcome::Configuration(ConfigurationOutcome::Put { configuration, is_new }) => {
                let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
                let etag = configuration.etag.text();
                let (system, own) = (Results::new(), Results::new());
                let counted = Counted { configuration: *configuration, system, own };
                Ok(Response::json(status, &counted_json(&counted)).with_etag(&etag))
            }
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(Change::Configuration(context.hub, change), Box::new(map)))
    }

    pub(super) fn delete_configuration(&self, context: &Context, id: ConfigurationId) -> Answer {
        let change = ConfigurationChange::Delete(id, context.change_precondition());
        no_content(context, change)
    }

    pub(super) fn apply_content(
        &self,
        context: &Context,
        device: DeviceId,
    ) -> Result<Answer, ApiError> {
        let content = Content::parse(&parse(&context.request.body)?);
        let content = Box::new(content.map_err(RegistryError::from)?);
        Ok(no_content(context, ConfigurationChange::ApplyContent(device, content)))
    }

    /// Says of a condition and of queries for metrics what is wrong with them.
    ///
    /// Source: control-plane reference, "`testQueries`".
    pub(super) fn test_queries(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        let target = members.text("targetCondition")?.map(Target::test);
        let target = target.and_then(Result::err).map(|error| error.to_string());
        let queries = texts(members, "customMetricQueries")?.unwrap_or_default();
        let errors = queries.into_iter().filter_map(|(name, query)| {
            check_metric(&query).err().map(|why| (name, Value::from(why)))
        });
        let body = json!({
            "targetConditionError": target,
            "customMetricQueryErrors": Value::Object(errors.collect()),
        });
        Ok(Answer::Ready(Response::json(StatusCode::OK, &body)))
    }
}

/// Reads a configuration that is not named elsewhere.
pub(crate) fn configuration_draft(body: &Value) -> Result<ConfigurationDraft, ApiError> {
    let members = Members::of(body)?;
    let id = members.filled("id")?.ok_or(RegistryError::Argument("a configuration has no id"))?;
    draft(members, ConfigurationId::parse(id).map_err(RegistryError::from)?)
}

/// A configuration without results of metrics.
pub(crate) fn configuration_json(configuration: Configuration) -> Value {
    counted_json(&Counted { configuration, system: Results::new(), own: Results::new() })
}

fn no_content(context: &Context, change: ConfigurationChange) -> Answer {
    let change = Change::Configuration(context.hub, change);
    Answer::After(change, Box::new(|_| Ok(Response::empty(StatusCode::NO_CONTENT))))
}

/// Reads the members that a configuration may set; the others are the hub's.
///
/// Source: control-plane reference, "Object" of configurations.
fn draft(members: Members<'_>, id: ConfigurationId) -> Result<ConfigurationDraft, ApiError> {
    let priority = members.whole("priority", 0..=u64::from(u32::MAX >> 1))?;
    let content = members.get("content").map(Content::parse).transpose();
    let metrics =
        members.object("metrics")?.map(|metrics| texts(metrics, "queries")).transpose()?;
    Ok(ConfigurationDraft {
        id,
        priority: priority.and_then(|priority| u32::try_from(priority).ok()),
        schema_version: members.filled("schemaVersion")?.map(ToOwned::to_owned),
        labels: texts(members, "labels")?,
        target: members.text("targetCondition")?.map(ToOwned::to_owned),
        content: content.map_err(RegistryError::from)?,
        metrics: metrics.flatten(),
    })
}

/// A map of texts.
fn texts(
    members: Members<'_>,
    name: &'static str,
) -> Result<Option<BTreeMap<String, String>>, RegistryError> {
    let refused = || RegistryError::Member { name, rule: "an object of texts".to_owned() };
    let Some(value) = members.get(name) else { return Ok(None) };
    let object = value.as_object().ok_or_else(refused)?;
    let text = |(key, value): (&String, &Value)| {
        value.as_str().map(|text| (key.clone(), text.to_owned())).ok_or_else(refused)
    };
    object.iter().map(text).collect::<Result<_, _>>().map(Some)
}

fn counted_json(counted: &Counted) -> Value {
    let Counted { configuration, system, own } = counted;
    json!({
        "id": configuration.id.as_str(),
        "schemaVersion": configuration.schema_version,
        "labels": configuration.labels,
        "content": configuration.content.json(),
        "targetCondition": configuration.target.text(),
        "createdTimeUtc": time_text(Some(configuration.created)),
        "lastUpdatedTimeUtc": time_text(Some(configuration.updated)),
        "priority": configuration.priority,
        "systemMetrics": { "results": system, "queries": system_metrics(configuration) },
        "metrics": { "results": own, "queries": configuration.metrics },
        "etag": configuration.etag.text(),
    })
}
