//! Policies and consumer groups of a hub.
//!
//! Paths and bodies are those that the resource provider has below the hub; new keys are asked for
//! in a way of our own, because the provider knows none.
//!
//! Source: control-plane reference, "Operations" and "Shared access policies".

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_core::codec::http::HttpDate;
use ringhub_core::id::ConsumerGroup;
use serde_json::{Value, json};

use super::json::{Members, parse};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::directory::{Hub, Policy};
use crate::hub::{HubChange, MadeGroup};
use crate::registry::{Change, KeyChoice, Outcome, RegistryError};
use crate::store::HubStore as _;

impl Api {
    pub(super) fn list_policies(&self, context: &Context) -> Result<Answer, ApiError> {
        let policies = self.hub(context)?.policies.read();
        Ok(page(policies.iter().map(policy_json).collect()))
    }

    /// Gives one policy new keys; the body says which: `{"keyType":"primary"}`, `secondary` or
    /// `both`.
    pub(super) fn regenerate_policy_keys(
        &self,
        context: &Context,
        name: String,
    ) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let which = match Members::of(&body)?.text("keyType")? {
            Some("primary") => KeyChoice::Primary,
            Some("secondary") => KeyChoice::Secondary,
            Some("both") => KeyChoice::Both,
            _ => {
                let text = "keyType is primary, secondary or both";
                return Err(RegistryError::Argument(text).into());
            }
        };
        let change = Change::Hub(context.hub, HubChange::RegenerateKeys(name, which));
        let map = |outcome| match outcome {
            Outcome::Policy(policy) => Ok(Response::json(StatusCode::OK, &policy_json(&policy))),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }

    pub(super) fn list_consumer_groups(&self, context: &Context) -> Result<Answer, ApiError> {
        let groups = self.made_groups(context)?;
        Ok(page(groups.iter().map(|made| group_json(context.parent(), made)).collect()))
    }

    fn made_groups(&self, context: &Context) -> Result<Vec<MadeGroup>, ApiError> {
        self.store.consumer_groups(context.hub).map_err(|error| self.unreadable(&error))
    }

    pub(super) fn show_consumer_group(
        &self,
        context: &Context,
        name: &str,
    ) -> Result<Answer, ApiError> {
        let wanted = ConsumerGroup::new(name);
        let mut groups = self.made_groups(context)?.into_iter();
        let made = groups.find(|made| made.group == wanted);
        let made = made.ok_or(RegistryError::ConsumerGroupNotFound)?;
        let shown = group_json(context.parent(), &made);
        Ok(Answer::Ready(Response::json(StatusCode::OK, &shown)))
    }

    /// One that was there already keeps its spelling.
    pub(super) fn put_consumer_group(context: &Context, name: &str) -> Result<Answer, ApiError> {
        let group = ConsumerGroup::parse(name).map_err(RegistryError::ConsumerGroup)?;
        let change = Change::Hub(context.hub, HubChange::PutConsumerGroup(group));
        let parent = context.parent().to_owned();
        let map = move |outcome| match outcome {
            Outcome::ConsumerGroup(made) => {
                Ok(Response::json(StatusCode::OK, &group_json(&parent, &made)))
            }
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }

    pub(super) fn delete_consumer_group(
        &self,
        context: &Context,
        name: &str,
    ) -> Result<Answer, ApiError> {
        let group = ConsumerGroup::new(name);
        let change = Change::Hub(context.hub, HubChange::DeleteConsumerGroup(group));
        Ok(Answer::After(change, Box::new(|_| Ok(Response::empty(StatusCode::OK)))))
    }

    fn hub(&self, context: &Context) -> Result<Arc<Hub>, ApiError> {
        self.directory.hub(context.hub).ok_or(ApiError::HubNotFound)
    }
}

/// A list that has no next page.
pub(super) fn page(items: Vec<Value>) -> Answer {
    Answer::Ready(Response::json(StatusCode::OK, &json!({ "value": items, "nextLink": null })))
}

/// A policy with its keys.
pub(crate) fn policy_json(policy: &Policy) -> Value {
    json!({
        "keyName": policy.name,
        "primaryKey": policy.keys.primary_text(),
        "secondaryKey": policy.keys.secondary_text(),
        "rights": policy.permissions.to_string(),
    })
}

fn group_json(parent: &str, made: &MadeGroup) -> Value {
    let MadeGroup { group, created } = made;
    let name = utf8_percent_encode(group.as_str(), NON_ALPHANUMERIC);
    json!({
        "id": format!("{parent}/eventHubEndpoints/events/ConsumerGroups/{name}"),
        "name": group.as_str(),
        "type": "Microsoft.Devices/IotHubs/EventHubEndpoints/ConsumerGroups",
        "etag": STANDARD.encode(created.as_millis().to_be_bytes()),
        "properties": { "created": HttpDate(*created).to_string() },
    })
}
