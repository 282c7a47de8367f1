//! File upload in the description of a hub: where files go, and notifications of them.

use std::sync::Arc;
use std::time::Duration;

use ringhub_core::limits::UPLOAD_ADDRESS_TTL_MAX;
use ringhub_core::storage::{ContainerName, StorageAccount};
use serde_json::{Map, Value, json};

use super::description::{KEY_MASK, masked};
use super::properties::{batch_limits, span};
use super::{ProviderError, duration};
use crate::api::Members;
use crate::file_upload::{FileUpload, UploadStorage};

/// The only storage endpoint that a hub has.
const DEFAULT: &str = "$default";

/// The only notifications that a hub sends besides feedback.
const NOTIFICATIONS: &str = "fileNotifications";

/// Properties of file upload, each with a key of the configuration that decides it of its hub.
const CONFIGURED: [(&str, &str); 3] = [
    ("storageEndpoints", "file_upload.storage"),
    ("messagingEndpoints", "file_upload.notification_ttl"),
    ("enableFileUploadNotifications", "file_upload.notifications"),
];

/// Reads what the properties say of file upload. Without an account files go to the one that each
/// hub has of its own.
///
/// # Errors
/// [`ProviderError`] that names the member.
///
/// Source: control-plane reference, "Settings".
pub(super) fn file_upload(kept: &Map<String, Value>) -> Result<FileUpload, ProviderError> {
    only(kept, "storageEndpoints", DEFAULT)?;
    only(kept, "messagingEndpoints", NOTIFICATIONS)?;
    let mut settings = FileUpload::default();
    if let Some(endpoint) = endpoint(kept)? {
        read_endpoint(endpoint, &mut settings)?;
    }
    let members = Members::from(kept);
    if let Some(endpoints) = members.object("messagingEndpoints")?
        && let Some(notifications) = endpoints.object(NOTIFICATIONS)?
    {
        settings.notifications = batch_limits(notifications, settings.notifications)?;
    }
    if let Some(notifies) = members.flag("enableFileUploadNotifications")? {
        settings.notifies = notifies;
    }
    Ok(settings)
}

fn endpoint(kept: &Map<String, Value>) -> Result<Option<Members<'_>>, ProviderError> {
    match Members::from(kept).object("storageEndpoints")? {
        Some(endpoints) => Ok(endpoints.object(DEFAULT)?),
        None => Ok(None),
    }
}

fn read_endpoint(endpoint: Members<'_>, settings: &mut FileUpload) -> Result<(), ProviderError> {
    let lives = Duration::from_mins(1)..=UPLOAD_ADDRESS_TTL_MAX;
    if let Some(ttl) = span(endpoint, "sasTtlAsIso8601", lives)? {
        settings.address_ttl = ttl;
    }
    let kind = endpoint.filled("authenticationType")?.unwrap_or("keyBased");
    if !kind.eq_ignore_ascii_case("keyBased") {
        let rule = format!("'{kind}' must be keyBased here, with the key in connectionString");
        return Err(ProviderError::member("authenticationType", rule));
    }
    let said = (endpoint.filled("connectionString")?, endpoint.filled("containerName")?);
    let (string, container) = match said {
        (Some(string), Some(container)) => (string, container),
        (None, None) => return Ok(()),
        _ => {
            let rule = "needs both connectionString and containerName, or neither";
            return Err(ProviderError::member("storageEndpoints.$default", rule));
        }
    };
    let account = StorageAccount::parse(string)
        .map_err(|why| ProviderError::member("connectionString", why.to_string()))?;
    settings.storage = UploadStorage::Account(Arc::new(account));
    settings.container = ContainerName::parse(container)
        .map_err(|why| ProviderError::member("containerName", why.to_string()))?;
    Ok(())
}

/// File upload as it is shown, by the names of the properties. Keys stay here.
pub(super) fn shown_upload(
    settings: &FileUpload,
    kept: &Map<String, Value>,
) -> [(&'static str, Value); 3] {
    let FileUpload { storage, container, address_ttl, notifies, notifications, .. } = settings;
    let said = endpoint(kept).ok().flatten().map(|endpoint| endpoint.filled("connectionString"));
    let (string, container) = match (storage, said) {
        (UploadStorage::Own | UploadStorage::None, _) => (String::new(), ""),
        (UploadStorage::Account(_), Some(Ok(Some(said)))) => (masked(said), container.as_str()),
        (UploadStorage::Account(account), _) => (address_of(account), container.as_str()),
    };
    let storage = json!({ DEFAULT: {
        "sasTtlAsIso8601": duration::text(*address_ttl),
        "connectionString": string,
        "containerName": container,
        "authenticationType": "keyBased",
    } });
    let notifications = json!({ NOTIFICATIONS: {
        "lockDurationAsIso8601": duration::text(notifications.lock_time),
        "ttlAsIso8601": duration::text(notifications.ttl),
        "maxDeliveryCount": notifications.delivery_count_max,
    } });
    let [storage_name, notifications_name, notifies_name] = CONFIGURED.map(|(name, _)| name);
    [(storage_name, storage), (notifications_name, notifications), (notifies_name, json!(notifies))]
}

/// The connection string of an account that only the configuration names, without its key.
fn address_of(account: &StorageAccount) -> String {
    let (name, host, path) = (&account.name, account.host(), account.container_path(""));
    let endpoint = format!("https://{host}/{path}");
    let endpoint = endpoint.trim_end_matches('/');
    format!(
        "DefaultEndpointsProtocol=https;AccountName={name};AccountKey={KEY_MASK};\
         BlobEndpoint={endpoint}"
    )
}

/// Takes out what the configuration says of its hub. A client may say the same, as it was shown.
///
/// # Errors
/// [`ProviderError::Configured`] for anything else.
pub(super) fn leave_to_configuration(
    kept: &mut Map<String, Value>,
    shown: &Value,
) -> Result<(), ProviderError> {
    for (member, key) in CONFIGURED {
        let said = kept.remove(member).unwrap_or_default();
        if !agrees(&said, &shown[member]) {
            return Err(ProviderError::Configured { member, key });
        }
    }
    Ok(())
}

fn agrees(said: &Value, shown: &Value) -> bool {
    match (said, shown) {
        (Value::Null, _) => true,
        (Value::Object(said), Value::Object(shown)) => said
            .iter()
            .all(|(name, said)| agrees(said, member(shown, name).unwrap_or(&Value::Null))),
        (said, shown) => said == shown,
    }
}

fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
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
                if let Some(before) = member(before, name) {
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
