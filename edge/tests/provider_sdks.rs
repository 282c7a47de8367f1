//! The SDKs of the resource provider, unmodified but for address, credential and CA.
//!
//! Scripts: `tests/interop/python/provider_calls.py` and `tests/interop/node/provider_calls.js`.

mod support;

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::azurite_account::AzuriteAccount;
use support::factory::Made;
use support::history::read_all;
use support::hub::Hub;
use support::node::Node;
use support::provider::{
    Administrator, CONFIGURED_GROUP, CONFIGURED_SUBSCRIPTION, admin_token, base_url,
};
use support::provision::scripts_dir;
use support::python::Python;
use support::registry_job::{ended, hub_with, lines};
use support::rest;
use support::storage_account::StorageAccount;

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

/// What a create with all its settings says, in the words of Python.
fn description() -> Value {
    json!({
        "location": "East US",
        "sku": { "name": "S1", "capacity": 1 },
        "tags": { "site": "north" },
        "properties": {
            "event_hub_endpoints": {
                "events": { "retention_time_in_days": 2, "partition_count": 4 },
            },
            "cloud_to_device": { "max_delivery_count": 7 },
        },
    })
}

/// A certificate authority in base64, as both SDKs take it.
fn authority() -> String {
    STANDARD.encode(&Made::authority("Factory").certificate.chain[0])
}

#[test]
fn a_hub_of_the_python_sdk_lives_from_create_to_delete() {
    let Some(interpreter) = Python::provisioned() else { return };
    let hub = Hub::start();
    let token = admin_token(&hub);
    let (group, name) = ("Plant", "plant-2");
    let certificate = authority();
    let calls = json!([
        ["iot_hub_resource", "begin_create_or_update", group, name, description()],
        ["iot_hub_resource", "get", group, name],
        ["iot_hub_resource", "begin_create_or_update", group, name,
            { "of": 1, "with": { "tags": { "site": "south" } } },
            { "named": { "if_match": { "of": 1, "at": ["etag"] } } }],
        ["iot_hub_resource", "begin_update", group, name, { "tags": { "line": "7" } }],
        ["iot_hub_resource", "begin_create_or_update", group, name, { "of": 1 },
            { "named": { "if_match": "AAAAAAAAAAA=" } }],
        ["iot_hub_resource", "list_by_resource_group", group],
        ["iot_hub_resource", "list_keys", group, name],
        ["iot_hub_resource", "create_event_hub_consumer_group", group, name, "events", "cold",
            { "properties": { "name": "cold" } }],
        ["iot_hub_resource", "get_event_hub_consumer_group", group, name, "events", "cold"],
        ["iot_hub_resource", "delete_event_hub_consumer_group", group, name, "events", "cold"],
        ["certificates", "create_or_update", group, name, "factory",
            { "properties": { "certificate": certificate } }],
        ["certificates", "generate_verification_code", group, name, "factory",
            { "of": 10, "at": ["etag"] }],
        ["certificates", "list_by_iot_hub", group, name],
        ["certificates", "delete", group, name, "factory", { "of": 11, "at": ["etag"] }],
        ["iot_hub_resource", "check_name_availability", { "name": name }],
        ["iot_hub_resource", "begin_create_or_update", group, "-bad", description()],
        ["iot_hub_resource", "begin_delete", group, name],
        ["iot_hub_resource", "get", group, name],
    ]);
    let results = python(&interpreter, &hub, &token, &calls);
    let properties = &results.of(0)["properties"];
    assert_eq!(properties["provisioning_state"], "Succeeded");
    assert_eq!(properties["host_name"], "plant-2.localhost");
    let events = &properties["event_hub_endpoints"]["events"];
    assert_eq!(
        (&events["retention_time_in_days"], &events["partition_count"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(properties["cloud_to_device"]["max_delivery_count"], 7);
    assert_eq!(results.of(2)["tags"], json!({ "site": "south" }));
    assert_eq!(results.of(3)["tags"], json!({ "line": "7" }));
    assert_eq!(results.refusal(4).0, 412);
    assert_eq!(results.of(5).as_array().map(Vec::len), Some(1));
    assert_eq!(results.of(6).as_array().map(Vec::len), Some(5));
    assert_eq!(results.of(8)["name"], "cold");
    assert!(results.of(11)["properties"]["verification_code"].as_str().is_some());
    assert_eq!(results.of(12)["value"].as_array().map(Vec::len), Some(1));
    assert_eq!(results.of(14)["name_available"], false);
    assert_eq!(results.refusal(15).0, 400);
    assert!(results.0[16].get("result").is_some(), "{}", results.0[16]);
    assert_eq!(results.refusal(17).0, 404);
}

#[test]
fn a_hub_of_the_node_sdk_lives_from_create_to_delete() {
    let Some(interpreter) = Node::provisioned() else { return };
    let hub = Hub::start();
    let token = admin_token(&hub);
    let (group, name) = ("Plant", "plant-2");
    let certificate = authority();
    let body = json!({
        "location": "East US",
        "sku": { "name": "S1", "capacity": 1 },
        "properties": { "eventHubEndpoints": { "events": { "retentionTimeInDays": 2, "partitionCount": 4 } } },
    });
    let calls = json!([
        ["iotHubResource", "beginCreateOrUpdateAndWait", group, name, body],
        ["iotHubResource", "get", group, name],
        ["iotHubResource", "beginCreateOrUpdateAndWait", group, name,
            { "of": 1, "with": { "tags": { "site": "south" } } },
            { "ifMatch": { "of": 1, "at": ["etag"] } }],
        ["iotHubResource", "beginUpdateAndWait", group, name, { "tags": { "line": "7" } }],
        ["iotHubResource", "listByResourceGroup", group],
        ["iotHubResource", "listKeys", group, name],
        ["iotHubResource", "createEventHubConsumerGroup", group, name, "events", "cold",
            { "properties": { "name": "cold" } }],
        ["iotHubResource", "getEventHubConsumerGroup", group, name, "events", "cold"],
        ["certificates", "createOrUpdate", group, name, "factory",
            { "properties": { "certificate": certificate } }],
        ["certificates", "delete", group, name, "factory", { "of": 8, "at": ["etag"] }],
        ["iotHubResource", "beginDeleteAndWait", group, name],
        ["iotHubResource", "get", group, name],
    ]);
    let results = node(&interpreter, &hub, &token, &calls);
    assert_eq!(results.of(0)["properties"]["provisioningState"], "Succeeded");
    assert_eq!(results.of(0)["properties"]["hostName"], "plant-2.localhost");
    assert_eq!(results.of(2)["tags"], json!({ "site": "south" }));
    assert_eq!(results.of(3)["tags"], json!({ "line": "7" }));
    assert_eq!(results.of(4).as_array().map(Vec::len), Some(1));
    assert_eq!(results.of(5).as_array().map(Vec::len), Some(5));
    assert_eq!(results.of(7)["name"], "cold");
    assert_eq!(results.of(8)["properties"]["isVerified"], false);
    assert!(results.0[10].get("result").is_some(), "{}", results.0[10]);
    assert_eq!(results.refusal(11).0, 404);
}

/// Both device SDKs send to a hub that was made beside the one of the configuration, and a back end
/// reads it there. The commands make the hub and give what all of them start from.
#[test]
fn devices_and_back_ends_use_a_hub_that_was_made() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = Hub::start();
    let name = "plant-2";
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
        command.args(arguments).arg("--data-dir").arg(hub.data_dir());
        let output = command.output().expect("the binary can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    command(&["hub", "create", "-n", name]);
    assert!(command(&["hub", "list"]).contains("plant-2.localhost"));
    let events = command(&["connection-string", "show", "-n", name, "--default-eventhub"]);
    for id in ["by-python", "by-node"] {
        command(&["device-identity", "create", "-d", id, "-n", name]);
    }
    let string = |id: &str| command(&["connection-string", "show", "-n", name, "-d", id]);
    let address = hub.address.host();
    let resolver = scripts_dir("python").join("resolver");
    let lines = python
        .script("device.py")
        .arg(string("by-python"))
        .arg("--ca")
        .arg(hub.ca_file())
        .args(["--prefix", "p", "--count", "2"])
        .env("PYTHONPATH", &resolver)
        .env("RINGHUB_ADDRESS", &address)
        .run();
    assert_eq!(lines.texts("acknowledged"), ["p-0", "p-1"]);
    let resolver_js = scripts_dir("node").join("resolver.js");
    let lines = node
        .script(&hub, "device.js")
        .args([&string("by-node"), "n", "2"])
        .env("NODE_OPTIONS", format!("--require {}", resolver_js.display()))
        .env("RINGHUB_ADDRESS", &address)
        .run();
    assert_eq!(lines.texts("acknowledged"), ["n-0", "n-1"]);
    let lines = python
        .reader_with(&hub, &events)
        .args(["--expect", "4"])
        .env("PYTHONPATH", &resolver)
        .env("RINGHUB_ADDRESS", &address)
        .run();
    assert_eq!(lines.events().len(), 4);
    assert!(read_all(&hub).is_empty(), "the other hub has none of it");
    command(&["hub", "delete", "-n", name]);
    assert!(!command(&["hub", "list"]).contains(name));
}

/// What both SDKs say of jobs and routes. The job of call 0 has ended; call 1 has made the import.
fn check_jobs(results: &Results, account: &StorageAccount, container: &str, words: [&str; 2]) {
    let [start, job_id] = words;
    let exported = account.get(container, "exported.txt").expect("it was exported");
    let ids: Vec<_> = lines(&exported).iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
    let (shown, imported) = (results.of(0), results.of(1));
    assert_eq!((&shown["type"], &shown["status"]), (&json!("export"), &json!("completed")));
    assert!(shown[start].is_string(), "{shown}");
    assert_eq!((&imported["type"], &imported["status"]), (&json!("import"), &json!("enqueued")));
    let jobs = results.of(2).as_array().expect("a list");
    let known: Vec<_> = jobs.iter().map(|job| &job[job_id]).collect();
    assert!(known.contains(&&shown[job_id]) && known.contains(&&imported[job_id]), "{jobs:?}");
    assert_eq!(results.refusal(3).0, 404);
    let (status, text) = results.refusal(4);
    assert_eq!(status, 400);
    assert!(text.contains("is not https"), "{text}");
    assert_eq!(results.of(5)["routes"][0]["properties"]["name"], "$fallback");
    assert_eq!(results.of(6)["result"], "true");
    let (status, text) = results.refusal(7);
    assert_eq!(status, 400);
    assert!(text.contains("is no location of the hub"), "{text}");
    assert_eq!(results.of(8), &json!([]));
}

/// A hub with two devices, its name and the token of its administrators.
fn hub_with_two_devices(account: &StorageAccount) -> (Hub, String, String) {
    let hub = hub_with(account, "1min");
    ["a", "b"].into_iter().for_each(|id| drop(rest::Device::create(&hub, id)));
    let path =
        format!("/subscriptions/{CONFIGURED_SUBSCRIPTION}/providers/Microsoft.Devices/IotHubs");
    let mut administrator = Administrator::connect(&hub).expect("the hub listens");
    let hubs = administrator.good("GET", &path, &Value::Null);
    let name = hubs["value"][0]["name"].as_str().expect("a name").to_owned();
    let token = admin_token(&hub);
    (hub, name, token)
}

#[test]
fn the_python_sdk_exports_and_imports_and_tests_routes() {
    let (Some(interpreter), Some(azurite)) = (Python::provisioned(), AzuriteAccount::start())
    else {
        return;
    };
    let account = &azurite.account;
    let (hub, name, token) = hub_with_two_devices(account);
    let (group, container) = (CONFIGURED_GROUP, account.container("python"));
    let export = json!({ "export_blob_container_uri": container, "exclude_keys": false,
        "export_blob_name": "exported.txt", "authentication_type": "keyBased" });
    let made = json!([["iot_hub_resource", "export_devices", group, name, export]]);
    let made = python(&interpreter, &hub, &token, &made);
    let id = made.of(0)["job_id"].as_str().expect("an id");
    ended(&hub, id, |_| {});
    let import = json!({ "input_blob_container_uri": container, "input_blob_name": "exported.txt",
        "output_blob_container_uri": container });
    let plain = json!({ "export_blob_container_uri": "http://a.example/c", "exclude_keys": false });
    let route = json!({ "route": { "name": "r", "source": "DeviceMessages", "condition": "true",
        "endpoint_names": ["events"], "is_enabled": true } });
    let calls = json!([
        ["iot_hub_resource", "get_job", group, name, id],
        ["iot_hub_resource", "import_devices", group, name, import],
        ["iot_hub_resource", "list_jobs", group, name],
        ["iot_hub_resource", "get_job", group, name, "none"],
        ["iot_hub_resource", "export_devices", group, name, plain],
        ["iot_hub_resource", "test_all_routes", name, group, { "routing_source": "DeviceMessages" }],
        ["iot_hub_resource", "test_route", name, group, route],
        ["iot_hub", "begin_manual_failover", name, group, { "failover_region": "West US" }],
        ["private_endpoint_connections", "list", group, name],
    ]);
    let results = python(&interpreter, &hub, &token, &calls);
    check_jobs(&results, account, &container, ["start_time_utc", "job_id"]);
}

#[test]
fn the_node_sdk_exports_and_imports_and_tests_routes() {
    let (Some(interpreter), Some(azurite)) = (Node::provisioned(), AzuriteAccount::start()) else {
        return;
    };
    let account = &azurite.account;
    let (hub, name, token) = hub_with_two_devices(account);
    let (group, container) = (CONFIGURED_GROUP, account.container("node"));
    let export = json!({ "exportBlobContainerUri": container, "excludeKeys": false,
        "exportBlobName": "exported.txt" });
    let made = json!([["iotHubResource", "exportDevices", group, name, export]]);
    let made = node(&interpreter, &hub, &token, &made);
    let id = made.of(0)["jobId"].as_str().expect("an id");
    ended(&hub, id, |_| {});
    let import = json!({ "inputBlobContainerUri": container, "inputBlobName": "exported.txt",
        "outputBlobContainerUri": container });
    let plain = json!({ "exportBlobContainerUri": "http://a.example/c", "excludeKeys": false });
    let route = json!({ "route": { "name": "r", "source": "DeviceMessages", "condition": "true",
        "endpointNames": ["events"], "isEnabled": true } });
    let calls = json!([
        ["iotHubResource", "getJob", group, name, id],
        ["iotHubResource", "importDevices", group, name, import],
        ["iotHubResource", "listJobs", group, name],
        ["iotHubResource", "getJob", group, name, "none"],
        ["iotHubResource", "exportDevices", group, name, plain],
        ["iotHubResource", "testAllRoutes", name, group, { "routingSource": "DeviceMessages" }],
        ["iotHubResource", "testRoute", name, group, route],
        ["iotHub", "beginManualFailoverAndWait", name, group, { "failoverRegion": "West US" }],
        ["privateEndpointConnections", "list", group, name],
    ]);
    let results = node(&interpreter, &hub, &token, &calls);
    check_jobs(&results, account, &container, ["startTimeUtc", "jobId"]);
}
