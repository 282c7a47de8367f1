//! Lines of a file that is exported.

use serde_json::{Value, json};

/// The line of a device, from what the registry says of it.
#[must_use]
pub fn device_line(mut device: Value, exclude_keys: bool) -> Value {
    json!({
        "id": device["deviceId"].take(),
        "eTag": device["etag"].take(),
        "status": device["status"].take(),
        "statusReason": device["statusReason"].take(),
        "authentication": authentication(&mut device, exclude_keys),
        "capabilities": device["capabilities"].take(),
        "deviceScope": device["deviceScope"].take(),
        "parentScopes": device["parentScopes"].take(),
    })
}

/// The line of a module, from what the registry says of it.
#[must_use]
pub fn module_line(mut module: Value, exclude_keys: bool) -> Value {
    json!({
        "id": module["deviceId"].take(),
        "moduleId": module["moduleId"].take(),
        "eTag": module["etag"].take(),
        "managedBy": module["managedBy"].take(),
        "authentication": authentication(&mut module, exclude_keys),
    })
}

/// Whoever imports a line without keys makes new ones.
fn authentication(identity: &mut Value, exclude_keys: bool) -> Value {
    let mut authentication = identity["authentication"].take();
    if exclude_keys {
        authentication["symmetricKey"] = json!({ "primaryKey": null, "secondaryKey": null });
    }
    authentication
}
