//! The whole identity registry through the service SDKs of Python and Node, unmodified.
//!
//! Each test is one conversation: the calls stand first, then what must have come of each.

mod support;

use serde_json::{Value, json};
use support::hub::Hub;
use support::node::Node;
use support::python::Python;
use support::script::Lines;

const THUMBPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";
const OTHER_THUMBPRINT: &str = "89ABCDEF0123456789ABCDEF0123456789ABCDEF";
const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NQ==";
const OTHER_KEY: &str = "QUJDREVGR0hJSktMTU5PUA==";

/// What the calls of a script have come to, in their order.
struct Answers(Vec<Value>);

impl Answers {
    fn of(lines: &Lines, count: usize) -> Self {
        let calls: Vec<Value> = lines.all("call").into_iter().cloned().collect();
        assert_eq!(calls.len(), count, "{calls:?}");
        Self(calls)
    }

    /// The result of a call that must have succeeded.
    #[track_caller]
    fn good(&self, call: usize) -> &Value {
        self.0[call].get("result").unwrap_or_else(|| panic!("call {call}: {}", self.0[call]))
    }

    /// Fails the test unless the call was refused with this status.
    #[track_caller]
    fn refused(&self, call: usize, status: u16) {
        assert_eq!(self.0[call]["status"], status, "call {call}: {}", self.0[call]);
    }
}

/// A member of the result of an earlier call.
fn of(call: usize, member: &str) -> Value {
    json!({ "of": call, "member": member })
}

fn sorted<'v>(list: &'v Value, member: &str) -> Vec<&'v str> {
    let items = list.as_array().expect("a list");
    let mut found: Vec<_> = items.iter().filter_map(|item| item[member].as_str()).collect();
    found.sort_unstable();
    found
}

#[test]
fn python_devices_of_every_authentication() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let calls = json!([
        ["create_device_with_sas", "sas", KEY, OTHER_KEY, "enabled"],
        ["create_device_with_x509", "self-signed", THUMBPRINT, OTHER_THUMBPRINT, "disabled"],
        ["create_device_with_certificate_authority", "authority", "enabled"],
        ["create_device_with_sas", "sas", KEY, OTHER_KEY, "enabled"],
        ["create_device_with_sas", "short", "AAAA", "AAAA", "enabled"],
        ["update_device_with_sas", "sas", of(0, "etag"), OTHER_KEY, KEY, "disabled"],
        ["update_device_with_sas", "sas", of(0, "etag"), KEY, KEY, "enabled"],
        ["update_device_with_x509", "sas", of(5, "etag"), THUMBPRINT, THUMBPRINT, "enabled"],
        ["update_device_with_certificate_authority", "self-signed", of(1, "etag"), "enabled"],
        ["get_device", "sas"],
        ["get_device", "nobody"],
        ["get_devices", 2],
        ["get_devices"],
        ["get_device_registry_statistics"],
        ["get_service_statistics"],
        ["delete_device", "sas", of(0, "etag")],
        ["delete_device", "sas", of(9, "etag")],
        ["delete_device", "sas"],
    ]);
    let answers = Answers::of(&python.registry_calls(&hub, &calls), 18);
    let created = answers.good(0);
    assert_eq!(created["authentication"]["symmetric_key"]["primary_key"], KEY);
    assert_eq!(created["authentication"]["type"], "sas");
    let authentication = &answers.good(1)["authentication"];
    assert_eq!(authentication["type"], "selfSigned");
    assert_eq!(authentication["x509_thumbprint"]["secondary_thumbprint"], OTHER_THUMBPRINT);
    assert_eq!(answers.good(2)["authentication"]["type"], "certificateAuthority");
    answers.refused(3, 409);
    answers.refused(4, 400);
    let updated = answers.good(5);
    assert_eq!(updated["authentication"]["symmetric_key"]["primary_key"], OTHER_KEY);
    assert_eq!(updated["status"], "disabled");
    assert_eq!(updated["generation_id"], created["generation_id"]);
    answers.refused(6, 412);
    assert_eq!(answers.good(7)["authentication"]["type"], "selfSigned");
    assert_eq!(answers.good(8)["authentication"]["type"], "certificateAuthority");
    assert_eq!(answers.good(9), answers.good(7));
    answers.refused(10, 404);
    assert_eq!(answers.good(11).as_array().map(Vec::len), Some(2));
    assert_eq!(sorted(answers.good(12), "device_id"), ["authority", "sas", "self-signed"]);
    assert_eq!(
        answers.good(13),
        &json!({
            "total_device_count": 3, "enabled_device_count": 3, "disabled_device_count": 0,
        })
    );
    assert_eq!(answers.good(14)["connected_device_count"], 0);
    answers.refused(15, 412);
    answers.good(16);
    answers.refused(17, 404);
}

#[test]
fn python_modules_and_bulk() {
    let Some(python) = Python::provisioned() else { return };
    let hub = Hub::start();
    let item = |id: &str, mode: &str| json!({ "import": { "id": id, "importMode": mode } });
    let calls = json!([
        ["create_device_with_sas", "pump", "", "", "enabled"],
        ["create_module_with_sas", "pump", "fan", "me", KEY, OTHER_KEY],
        ["create_module_with_x509", "pump", "valve", "", THUMBPRINT, THUMBPRINT],
        ["create_module_with_certificate_authority", "pump", "motor", ""],
        ["create_module_with_sas", "pump", "fan", "me", KEY, OTHER_KEY],
        ["create_module_with_sas", "nobody", "fan", "me", KEY, OTHER_KEY],
        ["update_module_with_sas", "pump", "fan", "you", of(1, "etag"), OTHER_KEY, KEY],
        ["update_module_with_sas", "pump", "fan", "you", of(1, "etag"), OTHER_KEY, KEY],
        ["get_module", "pump", "fan"],
        ["get_modules", "pump"],
        ["delete_module", "pump", "fan", of(1, "etag")],
        ["delete_module", "pump", "fan"],
        ["get_module", "pump", "fan"],
        ["bulk_create_or_update_devices", [item("a", "create"), item("b", "create")]],
        ["bulk_create_or_update_devices", [item("a", "create"), item("c", "create")]],
        ["bulk_create_or_update_devices", [item("a", "delete"), item("b", "delete")]],
        ["get_devices"],
    ]);
    let answers = Answers::of(&python.registry_calls(&hub, &calls), 17);
    assert_eq!(answers.good(1)["managed_by"], "me");
    assert_eq!(answers.good(2)["authentication"]["type"], "selfSigned");
    assert_eq!(answers.good(3)["authentication"]["type"], "certificateAuthority");
    answers.refused(4, 409);
    answers.refused(5, 404);
    assert_eq!(answers.good(6)["managed_by"], "you");
    answers.refused(7, 412);
    assert_eq!(answers.good(8), answers.good(6));
    assert_eq!(sorted(answers.good(9), "module_id"), ["fan", "motor", "valve"]);
    answers.refused(10, 412);
    answers.good(11);
    answers.refused(12, 404);
    assert_eq!(answers.good(13)["is_successful"], true);
    let partly = answers.good(14);
    assert_eq!(partly["is_successful"], false);
    assert_eq!(partly["errors"][0]["device_id"], "a");
    assert_eq!(partly["errors"][0]["error_code"], "DeviceAlreadyExists");
    assert_eq!(answers.good(15)["is_successful"], true);
    assert_eq!(sorted(answers.good(16), "device_id"), ["c", "pump"]);
}

#[test]
fn node_devices_modules_and_bulk() {
    let Some(node) = Node::provisioned() else { return };
    let hub = Hub::start();
    let keys = json!({ "symmetricKey": { "primaryKey": KEY, "secondaryKey": OTHER_KEY } });
    let thumbprints = json!({
        "type": "selfSigned",
        "x509Thumbprint": { "primaryThumbprint": THUMBPRINT, "secondaryThumbprint": null },
    });
    let calls = json!([
        ["create", { "deviceId": "sas", "authentication": keys }],
        ["create", { "deviceId": "self-signed", "authentication": thumbprints }],
        ["create", { "deviceId": "sas" }],
        ["update", { "deviceId": "sas", "authentication": keys, "statusReason": "stolen" }],
        ["update", { "deviceId": "nobody", "status": "disabled" }],
        ["get", "sas"],
        ["addDevices", [{ "deviceId": "a" }, { "deviceId": "b" }]],
        ["addDevices", [{ "deviceId": "a" }, { "deviceId": "c" }]],
        ["updateDevices", [{ "deviceId": "a", "status": "disabled" }], true],
        ["get", "a"],
        ["removeDevices", [{ "deviceId": "a" }, { "deviceId": "nobody" }], true],
        ["getRegistryStatistics"],
        ["addModule", { "deviceId": "sas", "moduleId": "fan" }],
        ["addModule", { "deviceId": "sas", "moduleId": "fan" }],
        ["getModulesOnDevice", "sas"],
        ["updateModule", { "deviceId": "sas", "moduleId": "fan", "managedBy": "me" }, true],
        ["getModule", "sas", "fan"],
        ["removeModule", "sas", "fan"],
        ["getModule", "sas", "fan"],
        ["list"],
        ["delete", "sas"],
        ["delete", "sas"],
    ]);
    let answers = Answers::of(&node.registry_calls(&hub, &calls), 22);
    assert_eq!(answers.good(0)["authentication"]["symmetricKey"]["primaryKey"], KEY);
    let authentication = &answers.good(1)["authentication"];
    assert_eq!(authentication["x509Thumbprint"]["primaryThumbprint"], THUMBPRINT);
    answers.refused(2, 409);
    assert_eq!(answers.good(3)["statusReason"], "stolen");
    answers.refused(4, 404);
    assert_eq!(answers.good(5)["authentication"], answers.good(0)["authentication"]);
    assert_eq!(answers.good(6)["isSuccessful"], true);
    // A partly refused list is a 400 with the result in its body; this SDK sees the 400.
    answers.refused(7, 400);
    assert_eq!(answers.good(8)["isSuccessful"], true);
    assert_eq!(answers.good(9)["status"], "disabled");
    answers.refused(10, 400);
    assert_eq!(answers.good(11)["totalDeviceCount"], 4);
    assert_eq!(answers.good(12)["moduleId"], "fan");
    answers.refused(13, 409);
    assert_eq!(sorted(answers.good(14), "moduleId"), ["fan"]);
    assert_eq!(answers.good(15)["managedBy"], "me");
    assert_eq!(answers.good(16)["managedBy"], "me");
    answers.good(17);
    answers.refused(18, 404);
    assert_eq!(sorted(answers.good(19), "deviceId"), ["b", "c", "sas", "self-signed"]);
    answers.good(20);
    answers.refused(21, 404);
}
