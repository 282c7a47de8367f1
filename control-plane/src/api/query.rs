//! Queries over twins: from a request to what the engine does, and from a page to the answer.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ringhub_core::limits::QUERY_PAGE_ROWS_MAX;
use serde_json::json;

use super::device_list::{CONTINUATION, PAGE_SIZE};
use super::json::{Members, parse};
use super::request::Context;
use super::route::Resource;
use super::{ApiError, Response};
use crate::directory::{Directory, Hub};
use crate::query::{Execution, Page, Plan, Query, QueryFailure, Sealer, Sources};
use crate::registry::RegistryError;
use crate::store::{ScanPlan, SqliteStore, StoreError};

pub(super) const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");

impl Context {
    /// Whether it is for the threads that answer queries: it is one, or has some answered.
    pub(crate) fn is_query(&self) -> bool {
        self.resource == Resource::Query || self.reads_configurations()
    }
}

/// A query that was understood.
pub(super) struct Asked {
    text: String,
    pub(super) execution: Execution,
    item_type: &'static str,
    /// Whether the way to the answer is asked for instead of the answer.
    pub(super) is_explained: bool,
}

impl Asked {
    /// Source: control-plane reference, "Call" and "Paging headers" of the query language.
    pub(super) fn parse(context: &Context, hub: &Hub) -> Result<Self, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        let text = members.text("query")?;
        let text = text.ok_or(RegistryError::Argument("the body needs the member query"))?;
        let plan = Plan::new(Query::parse(text).map_err(|error| refusal(&error.into()))?);
        let headers = &context.request.headers;
        let token = headers.get(CONTINUATION).filter(|token| !token.is_empty());
        let sealer = Sealer::new(hub, text);
        let place = token.map(|token| sealer.open(token.as_bytes())).transpose();
        let place = place.map_err(|failure| refusal(&failure))?;
        let item_type = plan.item_type();
        Ok(Self {
            is_explained: members.flag("explain")?.unwrap_or_default(),
            execution: Execution::new(context.hub, plan, rows_max(headers), place),
            text: text.to_owned(),
            item_type,
        })
    }

    /// The answer with a page.
    pub(super) fn answer(
        &self,
        hub: &Hub,
        store: &SqliteStore,
        page: Result<Page, QueryFailure>,
    ) -> Response {
        let Page { body, next } = match page {
            Ok(page) => page,
            Err(failure) => return failed(store, &failure).response(),
        };
        let mut response = Response::json_text(StatusCode::OK, body);
        response.headers.insert(ITEM_TYPE, HeaderValue::from_static(self.item_type));
        let token = next.map(|place| Sealer::new(hub, &self.text).seal(&place));
        if let Some(token) = token.and_then(|token| HeaderValue::try_from(token).ok()) {
            response.headers.insert(CONTINUATION, token);
        }
        response
    }

    /// One row that tells how the query is answered.
    pub(super) fn explanation(&self, store: &SqliteStore, directory: &Directory) -> Response {
        let plan = match self.execution.explain(Sources { store, directory }) {
            Ok(plan) => plan,
            Err(error) => return failed(store, &error.into()).response(),
        };
        let (rows, condition) = self.execution.describe(directory);
        let (sql, steps) = plan.map(|ScanPlan { sql, steps }| (sql, steps)).unwrap_or_default();
        let row = json!({
            "rows": rows,
            "condition": condition,
            "sql": sql,
            "steps": steps,
        });
        let mut response = Response::json(StatusCode::OK, &[row]);
        response.headers.insert(ITEM_TYPE, HeaderValue::from_static("Raw"));
        response
    }
}

/// The hub that a request is for.
pub(super) fn hub(directory: &Directory, context: &Context) -> Result<Arc<Hub>, ApiError> {
    directory.hub(context.hub).ok_or(ApiError::HubNotFound)
}

/// Rows of a page: what is no sensible number, or too large a one, means as many as there may be.
pub(super) fn rows_max(headers: &HeaderMap) -> usize {
    let text = headers.get(PAGE_SIZE).and_then(|text| text.to_str().ok());
    let number = text.and_then(|text| text.trim().parse().ok());
    number
        .filter(|number| (1..=QUERY_PAGE_ROWS_MAX).contains(number))
        .unwrap_or(QUERY_PAGE_ROWS_MAX)
}

fn failed(store: &SqliteStore, failure: &QueryFailure) -> ApiError {
    match failure {
        QueryFailure::Store(error) => unreadable(store, error),
        failure => refusal(failure),
    }
}

pub(super) fn refusal(failure: &QueryFailure) -> ApiError {
    ApiError::Query(failure.to_string())
}

pub(super) fn unreadable(store: &SqliteStore, error: &StoreError) -> ApiError {
    let error = store.explain(error);
    tracing::error!(%error, "a query could not read the registry");
    RegistryError::Storage.into()
}
