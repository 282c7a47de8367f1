//! The SDKs of the resource provider, unmodified but for address, credential and CA.
//!
//! Scripts: `tests/interop/python/provider_calls.py` and `tests/interop/node/provider_calls.js`.

mod support;

use serde_json::{Value, json};
use support::hub::Hub;
use support::node::Node;
use support::provider::{CONFIGURED_GROUP, CONFIGURED_SUBSCRIPTION, admin_token, base_url};
use support::python::Python;

/// What calls have given, one by one.
struct Results(Vec<Value>);

impl Results {
    /// The result of a call that went well.
    fn of(&self, call: usize) -> &Value {
        let result = self.0[call].get("result");
        result.unwrap_or_else(|| panic!("call {call}: {}", self.0[call]))
    }

    /// Status and text of a refusal.
    fn refusal(&self, call: usize) -> (u64, &str) {
        let status = self.0[call]["status"].as_u64();
        let status = status.unwrap_or_else(|| panic!("call {call}: {}", self.0[call]));
        (status, self.0[call]["text"].as_str().unwrap_or_default())
    }
}

fn python(python: &Python, hub: &Hub, token: &str, calls: &Value) -> Results {
    let lines = python
        .script("provider_calls.py")
        .args([&base_url(hub), token, CONFIGURED_SUBSCRIPTION, &calls.to_string()])
        .env("REQUESTS_CA_BUNDLE", hub.ca_file())
        .run();
    Results(lines.all("call").into_iter().cloned().collect())
}

fn node(node: &Node, hub: &Hub, token: &str, calls: &Value) -> Results {
    let lines = node
        .script(hub, "provider_calls.js")
        .args([&base_url(hub), token, CONFIGURED_SUBSCRIPTION, &calls.to_string()])
        .run();
    Results(lines.all("call").into_iter().cloned().collect())
}

#[test]
fn the_python_sdk_reads_the_hub_of_the_configuration() {
    let Some(interpreter) = Python::provisioned() else { return };
    let hub = Hub::start();
    let token = admin_token(&hub);
    let group = CONFIGURED_GROUP;
    let calls = json!([
        ["iot_hub_resource", "list_by_subscription"],
        ["iot_hub_resource", "get", group, { "of": 0, "at": [0, "name"] }],
        ["iot_hub_resource", "list_keys", group, { "of": 0, "at": [0, "name"] }],
        ["iot_hub_resource", "get_keys_for_key_name", group, { "of": 0, "at": [0, "name"] }, "service"],
        ["iot_hub_resource", "get_valid_skus", group, { "of": 0, "at": [0, "name"] }],
        ["iot_hub_resource", "get_quota_metrics", group, { "of": 0, "at": [0, "name"] }],
        ["iot_hub_resource", "get_stats", group, { "of": 0, "at": [0, "name"] }],
        ["iot_hub_resource", "check_name_availability", { "name": "another" }],
        ["resource_provider_common", "get_subscription_quota"],
        ["operations", "list"],
        ["iot_hub_resource", "list_event_hub_consumer_groups", group, { "of": 0, "at": [0, "name"] }, "events"],
        ["iot_hub_resource", "get", group, "nowhere"],
        ["iot_hub_resource", "get_endpoint_health", group, { "of": 0, "at": [0, "name"] }],
    ]);
    let results = python(&interpreter, &hub, &token, &calls);
    assert_eq!(results.of(0)[0]["properties"]["host_name"], hub.address.host());
    assert_eq!(results.of(1)["properties"]["state"], "Active");
    let keys = results.of(2).as_array().expect("a list");
    assert!(keys.contains(results.of(3)));
    assert_eq!(results.of(3)["primary_key"], hub.policy_key("service"));
    assert_eq!(results.of(4)[0]["sku"]["name"], "S1");
    assert_eq!(results.of(5)[0]["current_value"], 0);
    assert_eq!(results.of(6)["total_device_count"], 0);
    assert_eq!(results.of(7)["name_available"], true);
    assert_eq!(results.of(8)["value"][1]["current_value"], 1);
    assert!(results.of(9).as_array().is_some_and(|all| all.len() > 20));
    assert_eq!(results.of(10)[0]["name"], "$Default");
    let (status, text) = results.refusal(11);
    assert_eq!(status, 404);
    assert!(text.contains("(ResourceNotFound)"), "{text}");
    assert_eq!(results.of(12), &json!([]));

    let stranger = json!([["iot_hub_resource", "list_by_subscription"]]);
    let refused = python(&interpreter, &hub, "of-somebody-else", &stranger);
    assert_eq!(refused.refusal(0).0, 401);
}

#[test]
fn the_node_sdk_reads_the_hub_of_the_configuration() {
    let Some(interpreter) = Node::provisioned() else { return };
    let hub = Hub::start();
    let token = admin_token(&hub);
    let group = CONFIGURED_GROUP;
    let name = json!({ "of": 0, "at": [0, "name"] });
    let calls = json!([
        ["iotHubResource", "listBySubscription"],
        ["iotHubResource", "get", group, name],
        ["iotHubResource", "listKeys", group, name],
        ["iotHubResource", "getKeysForKeyName", group, name, "service"],
        ["iotHubResource", "listValidSkus", group, name],
        ["iotHubResource", "getStats", group, name],
        ["iotHubResource", "checkNameAvailability", { "name": "another" }],
        ["resourceProviderCommon", "getSubscriptionQuota"],
        ["operations", "list"],
        ["iotHubResource", "listEventHubConsumerGroups", group, name, "events"],
        ["iotHubResource", "get", group, "nowhere"],
    ]);
    let results = node(&interpreter, &hub, &token, &calls);
    assert_eq!(results.of(1)["properties"]["hostName"], hub.address.host());
    let keys = results.of(2).as_array().expect("a list");
    assert!(keys.contains(results.of(3)));
    assert_eq!(results.of(4)[0]["sku"]["name"], "S1");
    assert_eq!(results.of(5)["totalDeviceCount"], 0);
    assert_eq!(results.of(6)["nameAvailable"], true);
    assert_eq!(results.of(7)["value"][1]["currentValue"], 1);
    assert!(results.of(8).as_array().is_some_and(|all| all.len() > 20));
    assert_eq!(results.of(9)[0]["name"], "$Default");
    assert_eq!(results.refusal(10).0, 404);

    let stranger = json!([["iotHubResource", "listBySubscription"]]);
    let refused = node(&interpreter, &hub, "of-somebody-else", &stranger);
    assert_eq!(refused.refusal(0).0, 401);
}
