//! New keys for many identities.

use http::StatusCode;
use ringhub_core::auth::KeyPair;
use serde_json::{Value, json};

use super::bulk::{check_once, items};
use super::bulk_item::ItemName;
use super::json::{Members, parse};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::credentials::Credentials;
use crate::registry::{BulkChange, Change, ItemOutcome, KeyChoice, Outcome, RegistryError};

impl Api {
    /// Source: control-plane reference, "Key regeneration".
    pub(super) fn regenerate_keys(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        let policy_key = members.text("policyKey")?.ok_or(ApiError::PolicyKey)?.to_owned();
        let keys = choice(&policy_key).ok_or(ApiError::PolicyKey)?;
        let names = items(members.get("devices").unwrap_or(&Value::Null))?.iter();
        let names = names.map(|item| ItemName::read(Members::of(item)?));
        let names: Vec<_> = names.collect::<Result<_, _>>()?;
        check_once(names.iter())?;
        let hub = context.hub;
        let change = |name: &ItemName| {
            let change = Change::RotateKeys(hub, name.identity()?, keys);
            Ok(BulkChange { change, twin: None })
        };
        let change = Change::Bulk(names.iter().map(change).collect());
        let map = move |outcome| match outcome {
            Outcome::Bulk(outcomes) => Ok(response(&policy_key, &names, &outcomes)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }
}

fn choice(text: &str) -> Option<KeyChoice> {
    match text.to_ascii_lowercase().as_str() {
        "primarykey" => Some(KeyChoice::Primary),
        "secondarykey" => Some(KeyChoice::Secondary),
        "both" => Some(KeyChoice::Both),
        _ => None,
    }
}

/// 200 when all have new keys, 400 when none has, 207 in between.
fn response(policy_key: &str, names: &[ItemName], outcomes: &[ItemOutcome]) -> Response {
    let mut rotated = Vec::new();
    let mut errors = Vec::new();
    for (name, outcome) in names.iter().zip(outcomes) {
        match &outcome.identity {
            Err(error) => errors.push(json!({
                "id": name.device,
                "moduleId": name.module,
                "errorCode": error.code().name,
                "errorStatus": error.to_string(),
            })),
            Ok(outcome) => {
                let keys = keys(outcome);
                rotated.push(json!({
                    "id": name.device,
                    "moduleId": name.module,
                    "primaryKey": keys.map(KeyPair::primary_text),
                    "secondaryKey": keys.map(KeyPair::secondary_text),
                }));
            }
        }
    }
    let status = match (errors.is_empty(), rotated.is_empty()) {
        (true, _) => StatusCode::OK,
        (false, false) => StatusCode::MULTI_STATUS,
        (false, true) => StatusCode::BAD_REQUEST,
    };
    let body = json!({ "policyKey": policy_key, "rotatedKeys": rotated, "errors": errors });
    Response::json(status, &body)
}

fn keys(outcome: &Outcome) -> Option<&KeyPair> {
    let credentials = match outcome {
        Outcome::Device(device) => &device.credentials,
        Outcome::Module(module) => &module.credentials,
        _ => return None,
    };
    match credentials {
        Credentials::Keys(keys) => Some(keys),
        _ => None,
    }
}
