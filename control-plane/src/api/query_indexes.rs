//! Indexes for queries. The original has none, so paths and bodies are our own.

use http::StatusCode;
use serde_json::{Value, json};

use super::json::{Members, parse};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::query_index::{IndexChange, IndexStage, QueryIndex, QueryIndexDraft};
use crate::registry::{Change, RegistryError};
use crate::store::{QueryIndexStore as _, StoreError};

const COLLECTIONS: [&str; 2] = ["devices", "devices.modules"];

impl Api {
    pub(super) fn list_query_indexes(&self, context: &Context) -> Result<Answer, ApiError> {
        let indexes: Vec<Value> = self.query_indexes(context)?.iter().map(index_json).collect();
        Ok(Answer::Ready(Response::json(StatusCode::OK, &json!({ "value": indexes }))))
    }

    pub(super) fn show_query_index(
        &self,
        context: &Context,
        name: &str,
    ) -> Result<Answer, ApiError> {
        let indexes = self.query_indexes(context)?;
        let found = indexes.iter().find(|index| index.is_named(name));
        let found = found.ok_or(RegistryError::QueryIndexNotFound)?;
        Ok(Answer::Ready(Response::json(StatusCode::OK, &index_json(found))))
    }

    /// Answers 202: the index is used when it is built.
    pub(super) fn put_query_index(context: &Context, name: String) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        let [devices, modules] = COLLECTIONS;
        let of_modules = match members.text("from")? {
            None => false,
            Some(from) if from.eq_ignore_ascii_case(devices) => false,
            Some(from) if from.eq_ignore_ascii_case(modules) => true,
            Some(_) => {
                return Err(RegistryError::Argument("from is devices or devices.modules").into());
            }
        };
        let path = members.text("path")?.unwrap_or_default();
        let draft = QueryIndexDraft::new(name, path, of_modules)?;
        let change = IndexChange::Put(Box::new(draft));
        Ok(after(context, change, StatusCode::ACCEPTED))
    }

    pub(super) fn delete_query_index(context: &Context, name: String) -> Answer {
        after(context, IndexChange::Delete(name), StatusCode::NO_CONTENT)
    }

    fn query_indexes(&self, context: &Context) -> Result<Vec<QueryIndex>, ApiError> {
        self.store.query_indexes(context.hub).map_err(|error: StoreError| {
            let error = self.store.explain(&error);
            tracing::error!(%error, "the indexes for queries could not be read");
            RegistryError::Storage.into()
        })
    }
}

fn after(context: &Context, change: IndexChange, status: StatusCode) -> Answer {
    let change = Change::QueryIndex(context.hub, change);
    Answer::After(change, Box::new(move |_| Ok(Response::empty(status))))
}

fn index_json(index: &QueryIndex) -> Value {
    let [devices, modules] = COLLECTIONS;
    json!({
        "name": index.name,
        "path": index.path.text(),
        "from": if index.of_modules { modules } else { devices },
        "state": if index.stage == IndexStage::Ready { "ready" } else { "building" },
        "twins": index.twins,
    })
}
