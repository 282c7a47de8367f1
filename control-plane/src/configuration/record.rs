//! Configurations as the store keeps them.

use std::collections::BTreeMap;

use ringhub_core::limits::{CONFIGURATION_BYTES_MAX, CONFIGURATION_METRICS_MAX};
use ringhub_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ContentProblem;
use super::{ConfigurationError, ConfigurationId, Content, Kind, Target};
use crate::query::Query;
use crate::registry::ETag;

/// A configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) id: ConfigurationId,
    pub(crate) etag: ETag,
    pub(crate) created: UnixMillis,
    pub(crate) updated: UnixMillis,
    /// The highest wins.
    pub(crate) priority: u32,
    pub(crate) schema_version: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) target: Target,
    pub(crate) content: Content,
    /// Queries by the names of metrics.
    pub(crate) metrics: BTreeMap<String, String>,
}

/// A configuration as a request describes it. `None` keeps what is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigurationDraft {
    pub(crate) id: ConfigurationId,
    pub(crate) priority: Option<u32>,
    pub(crate) schema_version: Option<String>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) target: Option<String>,
    pub(crate) content: Option<Content>,
    pub(crate) metrics: Option<BTreeMap<String, String>>,
}

/// The part of a configuration that only people and the hub read, as JSON in one column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: String,
    labels: BTreeMap<String, String>,
    target_condition: String,
    content: Map<String, Value>,
    metrics: BTreeMap<String, String>,
}

/// What a stored configuration has in columns of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigurationKey {
    pub(crate) id: ConfigurationId,
    pub(crate) etag: ETag,
    pub(crate) created: UnixMillis,
    pub(crate) updated: UnixMillis,
    pub(crate) priority: u32,
}

impl Configuration {
    pub(crate) fn kind(&self) -> Kind {
        self.content.kind()
    }

    /// What decides between configurations: priority, then age, the higher the better.
    ///
    /// Source: control-plane reference, "Object" of configurations.
    pub(super) fn rank(&self) -> (u32, UnixMillis, &ConfigurationId) {
        (self.priority, self.created, &self.id)
    }

    /// Makes a new one from a draft.
    ///
    /// # Errors
    /// What cannot be.
    pub(super) fn create(
        draft: ConfigurationDraft,
        now: UnixMillis,
    ) -> Result<Self, ConfigurationError> {
        let content = draft.content.ok_or(ContentProblem::Kind)?;
        let target = Target::parse(&draft.target.unwrap_or_default(), content.kind())?;
        let metrics = draft.metrics.unwrap_or_default();
        check_metrics(&metrics)?;
        let made = Self {
            id: draft.id,
            etag: ETag(1),
            created: now,
            updated: now,
            priority: draft.priority.unwrap_or_default(),
            schema_version: draft.schema_version.unwrap_or_else(|| "1.0".to_owned()),
            labels: draft.labels.unwrap_or_default(),
            target,
            content,
            metrics,
        };
        made.checked()
    }

    /// The same as a draft changes it.
    ///
    /// # Errors
    /// What cannot be, above all other content.
    pub(super) fn update(
        self,
        draft: ConfigurationDraft,
        now: UnixMillis,
    ) -> Result<Self, ConfigurationError> {
        if draft.content.is_some_and(|content| content != self.content) {
            return Err(ConfigurationError::ContentChanged);
        }
        let target = draft.target.map(|text| Target::parse(&text, self.kind()));
        if let Some(metrics) = &draft.metrics {
            check_metrics(metrics)?;
        }
        let made = Self {
            etag: self.etag.next(),
            updated: now,
            priority: draft.priority.unwrap_or(self.priority),
            schema_version: draft.schema_version.unwrap_or(self.schema_version),
            labels: draft.labels.unwrap_or(self.labels),
            target: target.transpose()?.unwrap_or(self.target),
            metrics: draft.metrics.unwrap_or(self.metrics),
            ..self
        };
        made.checked()
    }

    /// Refuses one that is too large to be kept.
    fn checked(self) -> Result<Self, ConfigurationError> {
        if self.document().len() > CONFIGURATION_BYTES_MAX {
            return Err(ContentProblem::TooLarge.into());
        }
        Ok(self)
    }

    /// Everything but the key, as JSON.
    pub(crate) fn document(&self) -> String {
        let document = Document {
            schema_version: self.schema_version.clone(),
            labels: self.labels.clone(),
            target_condition: self.target.text().to_owned(),
            content: self.content.json().clone(),
            metrics: self.metrics.clone(),
        };
        // Names are text and numbers finite.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Puts together a key and what [`document`](Self::document) was; `None` when it was not.
    pub(crate) fn decode(key: ConfigurationKey, document: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(document).ok()?;
        let content = Content::read(&Value::Object(document.content)).ok()?;
        let ConfigurationKey { id, etag, created, updated, priority } = key;
        Some(Self {
            id,
            etag,
            created,
            updated,
            priority,
            schema_version: document.schema_version,
            labels: document.labels,
            target: Target::parse(&document.target_condition, content.kind()).ok()?,
            content,
            metrics: document.metrics,
        })
    }
}

/// Reads the query of a metric.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn check_metric(query: &str) -> Result<(), String> {
    Query::parse(query).map(drop).map_err(|error| error.to_string())
}

fn check_metrics(metrics: &BTreeMap<String, String>) -> Result<(), ConfigurationError> {
    if metrics.len() > CONFIGURATION_METRICS_MAX {
        return Err(ConfigurationError::TooManyMetrics);
    }
    metrics.iter().try_for_each(|(name, query)| {
        let name = name.clone();
        check_metric(query).map_err(|why| ConfigurationError::Metric { name, why })
    })
}
