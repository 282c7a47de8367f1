//! Deployments, and content that is applied once.

use serde_json::{Value, json};

use super::world::Owner;
use crate::tests::{TempDir, open};

/// Content that says all that an edge device runs: one module with an image.
fn base(module: &str, image: &str) -> Value {
    json!({ "modulesContent": {
        "$edgeAgent": { "properties.desired": { "modules": { module: { "image": image } } } },
        "$edgeHub": { "properties.desired": { "routes": {} } },
        module: { "properties.desired": { "level": 1 } },
    } })
}

fn edge_device(owner: &Owner<'_>, id: &str) {
    let device = json!({ "capabilities": { "iotEdge": true } });
    owner.create(&format!("/devices/{id}"), &device);
}

fn module_ids(owner: &Owner<'_>, device: &str) -> Vec<String> {
    let modules = owner.get(&format!("/devices/{device}/modules"));
    let modules = modules.as_array().cloned().expect("a list");
    modules.iter().filter_map(|module| module["moduleId"].as_str()).map(ToOwned::to_owned).collect()
}

#[test]
fn deployments_are_layered_on_the_highest_base() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    edge_device(&owner, "e");
    owner.device("plain", &json!({}));
    let deploy = |id: &str, priority: u32, content: &Value| {
        let body = json!({ "content": content, "targetCondition": "*", "priority": priority });
        owner.create(&format!("/configurations/{id}"), &body);
    };
    let layer = json!({ "modulesContent": {
        "$edgeAgent": { "properties.desired.modules.extra": { "image": "x:1" } },
        "filter": { "properties.desired.level": 7 },
    } });
    deploy("layer", 5, &layer);
    owner.settles("e", &json!({}), &json!({ "layer": "Targeted" }));
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub"], "a layer needs a base");

    deploy("base", 1, &base("filter", "f:1"));
    let applied = json!({ "base": "Applied", "layer": "Applied" });
    let agent = json!({ "modules": { "filter": { "image": "f:1" }, "extra": { "image": "x:1" } } });
    owner.settles("e/modules/$edgeAgent", &agent, &applied);
    owner.settles("e/modules/filter", &json!({ "level": 7 }), &applied);
    owner.settles("e", &json!({}), &applied);
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub", "filter"]);
    assert_eq!(owner.get("/devices/e/modules/filter")["managedBy"], "IotEdge");
    assert_eq!(owner.statuses("plain"), json!({}));
    let shown = owner.get("/configurations/base");
    let expected = json!({ "targetedCount": 1, "appliedCount": 1,
        "reportedSuccessfulCount": 0, "reportedFailedCount": 0 });
    assert_eq!(shown["systemMetrics"]["results"], expected);

    deploy("higher", 9, &base("camera", "c:1"));
    let agent = json!({ "modules": { "camera": { "image": "c:1" } } });
    let covered = json!({ "base": "Targeted", "layer": "Targeted", "higher": "Applied" });
    owner.settles("e/modules/$edgeAgent", &agent, &covered);
    owner.settles("e", &json!({}), &covered);
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub", "camera"]);

    // A module that a deployment wants comes back.
    owner.send("DELETE", "/devices/e/modules/camera", &Value::Null);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !module_ids(&owner, "e").contains(&"camera".to_owned()) {
        assert!(std::time::Instant::now() < until, "the module has not come back");
    }
    for id in ["higher", "layer", "base"] {
        owner.send("DELETE", &format!("/configurations/{id}"), &Value::Null);
    }
    owner.settles("e/modules/$edgeAgent", &json!({}), &json!({}));
    owner.settles("e", &json!({}), &json!({}));
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub"]);
    control.shutdown();
}

#[test]
fn a_module_has_settings_of_a_deployment_and_of_a_configuration() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    edge_device(&owner, "e");
    let deployment = json!({ "content": base("filter", "f:1"), "targetCondition": "*" });
    owner.create("/configurations/edge", &deployment);
    let module = json!({
        "content": { "moduleContent": { "properties.desired.own": 2 } },
        "targetCondition": "FROM devices.modules WHERE moduleId = 'filter'",
    });
    owner.create("/configurations/module", &module);
    let both = json!({ "edge": "Applied", "module": "Applied" });
    owner.settles("e/modules/filter", &json!({ "level": 1, "own": 2 }), &both);
    owner.send("DELETE", "/configurations/module", &Value::Null);
    owner.settles("e/modules/filter", &json!({ "level": 1 }), &json!({ "edge": "Applied" }));
    // Who is no edge device any more runs nothing.
    let plain = json!({ "capabilities": { "iotEdge": false } });
    owner.send("PUT", "/devices/e", &plain);
    owner.settles("e", &json!({}), &json!({}));
    control.shutdown();
}

#[test]
fn content_is_applied_to_one_device_once() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    edge_device(&owner, "e");
    owner.device("plain", &json!({}));
    owner.create("/devices/e/modules/mine", &json!({}));
    let path = "/devices/e/applyConfigurationContent";
    assert_eq!(owner.try_send("POST", path, &base("filter", "f:1")), (204, String::new()));
    assert_eq!(owner.desired("e/modules/filter"), json!({ "level": 1 }));
    let agent = json!({ "modules": { "filter": { "image": "f:1" } } });
    assert_eq!(owner.desired("e/modules/$edgeAgent"), agent);
    assert_eq!(owner.statuses("e"), json!({}));
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub", "filter", "mine"]);
    assert_eq!(owner.try_send("POST", path, &base("camera", "c:1")), (204, String::new()));
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub", "camera", "mine"]);

    let code = |path: &str, content: &Value| owner.try_send("POST", path, content).1;
    let content = base("filter", "f:1");
    assert_eq!(code("/devices/none/applyConfigurationContent", &content), "DeviceNotFound");
    assert_eq!(code("/devices/plain/applyConfigurationContent", &content), "InvalidOperation");
    let device = json!({ "deviceContent": { "properties.desired.a": 1 } });
    assert_eq!(code(path, &device), "InvalidConfigurationContent");
    assert_eq!(code(path, &json!({})), "InvalidConfigurationContent");
    let many: serde_json::Map<_, _> =
        (0..49).map(|n| (format!("m{n}"), json!({ "properties.desired": {} }))).collect();
    let many = json!({ "modulesContent": many });
    assert_eq!(code(path, &many), "TooManyModulesOnDevice");
    assert_eq!(module_ids(&owner, "e"), ["$edgeAgent", "$edgeHub", "camera", "mine"]);
    control.shutdown();
}
