//! Bulk changes of identities and their twins.

use std::collections::HashSet;

use http::StatusCode;
use ringhub_core::limits::BULK_ITEMS_MAX;
use serde_json::{Value, json};

use super::bulk_item::{BulkItem, ItemName};
use super::json::parse;
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::identity_file::ImportMode;
use crate::registry::{Change, ItemOutcome, Outcome, RegistryError};

impl Api {
    pub(super) fn bulk_devices(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let list = items(&body)?;
        let read = |value| BulkItem::read(context.hub, value, ImportMode::Create);
        let items: Vec<_> = list.iter().map(read).collect::<Result<_, _>>()?;
        check_once(items.iter().map(|item| &item.name))?;
        let take_apart = |item: BulkItem| ((item.name, item.mode), item.change);
        let (names, changes): (Vec<_>, _) = items.into_iter().map(take_apart).unzip();
        let map = move |outcome| match outcome {
            Outcome::Bulk(outcomes) => Ok(bulk_response(&names, &outcomes)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(Change::Bulk(changes), Box::new(map)))
    }
}

/// The items of a list that is neither empty nor too long.
pub(super) fn items(list: &Value) -> Result<&[Value], ApiError> {
    match list.as_array().map(Vec::as_slice) {
        None => Err(RegistryError::Argument("the items must be an array").into()),
        Some([]) => Err(RegistryError::BodyMissing.into()),
        Some(items) if items.len() > BULK_ITEMS_MAX => Err(ApiError::TooManyItems),
        Some(items) => Ok(items),
    }
}

/// An identity may stand in a list once.
pub(super) fn check_once<'a>(names: impl Iterator<Item = &'a ItemName>) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(ApiError::DuplicateItem(twice.device.clone())),
        None => Ok(()),
    }
}

fn bulk_response(names: &[(ItemName, String)], outcomes: &[ItemOutcome]) -> Response {
    let results = || names.iter().zip(outcomes);
    let error = |((name, mode), outcome): (&(ItemName, String), &ItemOutcome)| {
        let error = outcome.identity.as_ref().err()?;
        Some(json!({
            "deviceId": name.device,
            "moduleId": name.module,
            "errorCode": error.code().name,
            "errorStatus": error.to_string(),
            "operation": mode,
        }))
    };
    let warning = |((name, _), outcome): (&(ItemName, String), &ItemOutcome)| {
        let error = outcome.twin.as_ref()?.as_ref().err()?;
        Some(json!({
            "deviceId": name.device,
            "warningCode": "DeviceRegisteredWithoutTwin",
            "warningStatus": error.to_string(),
        }))
    };
    let errors: Vec<_> = results().filter_map(error).collect();
    let warnings: Vec<_> = results().filter_map(warning).collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let body = json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": warnings });
    Response::json(status, &body)
}
