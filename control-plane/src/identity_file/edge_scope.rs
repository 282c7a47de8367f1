//! Scopes, by which devices name the edge device above them.

use serde_json::{Value, json};

/// What comes before id and generation.
///
/// Source: control-plane reference, "Device object".
const SCHEME: &str = "ms-azure-iot-edge://";

/// The edge device above a device, by its id; `None` when there is none. A device that is one
/// itself names itself in `deviceScope`.
pub fn parent(device: &Value, id: &str) -> Option<String> {
    let scopes = [device.get("deviceScope"), device.pointer("/parentScopes/0")];
    let named = scopes.into_iter().flatten().filter_map(Value::as_str).filter_map(scope_device);
    named.into_iter().find(|parent| *parent != id).map(ToOwned::to_owned)
}

/// Puts a device below the edge device that has `scope`.
pub fn set_parent(device: &mut Value, scope: &str) {
    if !is_edge(device) {
        device["deviceScope"] = scope.into();
    }
    device["parentScopes"] = json!([scope]);
}

/// Takes a device away from the edge device above it.
pub fn clear_parent(device: &mut Value) {
    if !is_edge(device) {
        device["deviceScope"] = "".into();
    }
    device["parentScopes"] = json!([]);
}

/// Whether a device is an edge device.
pub fn is_edge(device: &Value) -> bool {
    device.pointer("/capabilities/iotEdge") == Some(&Value::Bool(true))
}

/// The id in a scope; what follows it is the generation.
pub(crate) fn scope_device(scope: &str) -> Option<&str> {
    scope.strip_prefix(SCHEME)?.rsplit_once('-').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_another_edge_device() {
        let scope = |id: &str| format!("{SCHEME}{id}-638990000000000000");
        for (device, expected) in [
            (json!({}), None),
            (json!({ "deviceScope": null, "parentScopes": [] }), None),
            (json!({ "deviceScope": "elsewhere" }), None),
            (json!({ "deviceScope": scope("a-b") }), Some("a-b")),
            (json!({ "deviceScope": scope("me") }), None),
            (json!({ "deviceScope": scope("me"), "parentScopes": [scope("up")] }), Some("up")),
        ] {
            assert_eq!(parent(&device, "me").as_deref(), expected, "{device}");
        }
    }
}
