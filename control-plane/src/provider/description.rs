//! A hub as its clients see it: the description.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::duration;
use super::resource::Resource;
use super::routing::fallback_route;
use super::storage::shown_upload;
use crate::c2d::CloudToDevice;
use crate::directory::{Hub, HubProperties};

const DAY: Duration = Duration::from_hours(24);

/// What stands in place of the key of a storage account.
pub(super) const KEY_MASK: &str = "****";

/// What a description is made of.
pub(super) struct Description<'a> {
    pub(super) hub: &'a Hub,
    pub(super) resource: &'a Resource,
    /// Name of the Event-Hubs-compatible entity.
    pub(super) event_hub: &'a str,
}

impl Description<'_> {
    /// The document, without keys.
    ///
    /// Source: control-plane reference, "IotHubDescription".
    pub(super) fn json(&self) -> Value {
        let Resource { subscription, group, name, location, sku, tags, identity, .. } =
            self.resource;
        let mut document = json!({
            "id": self.resource.path().to_string(),
            "name": name,
            "type": "Microsoft.Devices/IotHubs",
            "location": location,
            "tags": tags,
            "subscriptionid": subscription,
            "resourcegroup": group,
            "etag": self.resource.etag_text(),
            "properties": self.properties(),
            "sku": sku.json(),
        });
        if !identity.is_null() {
            document["identity"] = identity.clone();
        }
        document
    }

    fn properties(&self) -> Value {
        let mut properties = defaults();
        for (name, value) in &self.resource.properties {
            properties.insert(name.clone(), shown(name, value));
        }
        let Hub { host_name, partition_count, .. } = self.hub;
        let governing = self.hub.properties();
        let HubProperties { retention, cloud_to_device: c2d, file_upload, .. } = &*governing;
        let own: BTreeMap<&str, Value> = [
            ("locations", json!([{ "location": self.resource.location, "role": "primary" }])),
            ("state", json!("Active")),
            ("provisioningState", json!("Succeeded")),
            ("hostName", json!(host_name)),
            ("cloudToDevice", cloud_to_device(c2d)),
            (
                "eventHubEndpoints",
                json!({ "events": {
                    "retentionTimeInDays": days(*retention),
                    "partitionCount": partition_count,
                    "partitionIds":
                        (0..*partition_count).map(|id| id.to_string()).collect::<Vec<_>>(),
                    "path": self.event_hub,
                    "endpoint": format!("sb://{host_name}/"),
                } }),
            ),
        ]
        .into();
        let upload = shown_upload(file_upload, &self.resource.properties);
        let own = own.into_iter().chain(upload);
        properties.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(properties)
    }
}

/// What a hub has that was created with the bare minimum.
fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "ipFilterRules": [],
        "routing": {
            "endpoints": {
                "serviceBusQueues": [],
                "serviceBusTopics": [],
                "eventHubs": [],
                "storageContainers": [],
            },
            "routes": [],
            "fallbackRoute": fallback_route(true),
        },
        "features": "None",
        "disableLocalAuth": false,
        "allowedFqdnList": [],
        "enableDataResidency": false,
    });
    match defaults {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn cloud_to_device(settings: &CloudToDevice) -> Value {
    let CloudToDevice { default_ttl, max_delivery_count, feedback, .. } = settings;
    json!({
        "maxDeliveryCount": max_delivery_count,
        "defaultTtlAsIso8601": duration::text(*default_ttl),
        "feedback": {
            "lockDurationAsIso8601": duration::text(feedback.lock_time),
            "ttlAsIso8601": duration::text(feedback.ttl),
            "maxDeliveryCount": feedback.delivery_count_max,
        },
    })
}

/// Whole days, the last one begun counts.
fn days(span: Duration) -> u64 {
    span.as_secs().div_ceil(DAY.as_secs())
}

/// A property as it is shown: keys of endpoints stay here.
fn shown(name: &str, value: &Value) -> Value {
    if name != "routing" {
        return value.clone();
    }
    let mut shown = value.clone();
    mask(&mut shown);
    shown
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name.eq_ignore_ascii_case("connectionString") => {
                        *text = masked(text);
                    }
                    _ => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// A connection string whose keys are masked.
pub(super) fn masked(text: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) if is_key(name) => format!("{name}={KEY_MASK}"),
        _ => part.to_owned(),
    };
    text.split(';').map(part).collect::<Vec<_>>().join(";")
}

fn is_key(name: &str) -> bool {
    ["AccountKey", "SharedAccessKey"].iter().any(|key| name.trim().eq_ignore_ascii_case(key))
}

/// A version as clients see it: base64 of eight bytes, without quotes.
pub(super) fn etag_text(etag: u64) -> String {
    STANDARD.encode(etag.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_storage_accounts_are_masked() {
        let string = "AccountName=a;AccountKey=c2VjcmV0==;EndpointSuffix=e";
        let mut value = json!({ "$default": { "connectionString": string, "n": [string] } });
        mask(&mut value);
        let masked = "AccountName=a;AccountKey=****;EndpointSuffix=e";
        assert_eq!(value, json!({ "$default": { "connectionString": masked, "n": [string] } }));
        assert_eq!(super::masked(""), "");
    }

    #[test]
    fn days_count_that_have_begun() {
        let hours = [(1, 1), (24, 1), (25, 2), (168, 7)];
        assert!(hours.iter().all(|&(hours, count)| days(Duration::from_hours(hours)) == count));
    }
}
