//! File upload in the description of a hub: where files go, and notifications of them.

use std::time::Duration;

use ringhub_core::limits::C2D_TTL_MAX;
use serde_json::{Map, Value};

use super::ProviderError;
use super::description::masked;
use super::properties::{LOCKS, deliveries, span};
use crate::api::Members;

/// The only storage endpoint that a hub has.
const DEFAULT: &str = "$default";

/// Checks the storage endpoint and the notifications.
///
/// # Errors
/// [`ProviderError`] that names the member.
///
/// Source: control-plane reference, "Settings".
pub(super) fn check_storage(
    members: Members<'_>,
    kept: &Map<String, Value>,
) -> Result<(), ProviderError> {
    only(kept, "storageEndpoints", DEFAULT)?;
    only(kept, "messagingEndpoints", "fileNotifications")?;
    let endpoint = match members.object("storageEndpoints")? {
        Some(endpoints) => endpoints.object(DEFAULT)?,
        None => None,
    };
    let mut has_storage = false;
    if let Some(endpoint) = endpoint {
        span(endpoint, "sasTtlAsIso8601", Duration::from_mins(1)..=Duration::from_hours(24))?;
        let kind = endpoint.filled("authenticationType")?.unwrap_or("keyBased");
        if !["keyBased", "identityBased"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            let rule = format!("'{kind}' must be keyBased or identityBased");
            return Err(ProviderError::member("authenticationType", rule));
        }
        let [string, container] =
            [endpoint.filled("connectionString")?, endpoint.filled("containerName")?];
        if string.is_some() != container.is_some() {
            let rule = "needs both connectionString and containerName, or neither";
            return Err(ProviderError::member("storageEndpoints.$default", rule));
        }
        has_storage = string.is_some();
    }
    if let Some(endpoints) = members.object("messagingEndpoints")?
        && let Some(notifications) = endpoints.object("fileNotifications")?
    {
        span(notifications, "ttlAsIso8601", Duration::from_mins(1)..=C2D_TTL_MAX)?;
        span(notifications, "lockDurationAsIso8601", LOCKS)?;
        deliveries(notifications)?;
    }
    if members.flag("enableFileUploadNotifications")? == Some(true) && !has_storage {
        let rule = "needs storageEndpoints.$default with a connection string and a container";
        return Err(ProviderError::member("enableFileUploadNotifications", rule));
    }
    Ok(())
}

/// Refuses members other than the one that there may be.
fn only(kept: &Map<String, Value>, name: &str, one: &str) -> Result<(), ProviderError> {
    let Some(value) = kept.get(name) else { return Ok(()) };
    let others = value.as_object().into_iter().flat_map(Map::keys);
    match others.into_iter().find(|other| !other.eq_ignore_ascii_case(one)) {
        None => Ok(()),
        Some(_) => Err(ProviderError::member(name, format!("can have {one} and nothing else"))),
    }
}

/// Puts keys back that a client has read masked and sends along.
pub(super) fn unmask(kept: &mut Map<String, Value>, before: &Map<String, Value>) {
    for name in ["storageEndpoints", "routing"] {
        if let (Some(value), Some(before)) = (kept.get_mut(name), before.get(name)) {
            unmask_value(value, before);
        }
    }
}

fn unmask_value(value: &mut Value, before: &Value) {
    match (value, before) {
        (Value::Object(members), Value::Object(before)) => {
            for (name, value) in members {
                if let Some(before) = before.get(name) {
                    unmask_value(value, before);
                }
            }
        }
        (Value::Array(items), Value::Array(before)) => {
            items.iter_mut().zip(before).for_each(|(item, before)| unmask_value(item, before));
        }
        (Value::String(text), Value::String(before)) if *text == masked(before) => {
            text.clone_from(before);
        }
        _ => {}
    }
}
