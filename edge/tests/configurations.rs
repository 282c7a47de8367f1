//! Configurations as back ends and devices see them: over real sockets, and through the service
//! SDKs of Python and Node, unmodified.

mod support;

use std::time::Instant;

use serde_json::{Value, json};
use support::command::at;
use support::hub::Hub;
use support::mqtt::Login;
use support::node::Node;
use support::patience::eventually;
use support::python::Python;
use support::rest::{Device, exchange, replace};
use support::script::Lines;
use support::twin_client::TwinClient;

/// Sends a request that must succeed and gives the body of the answer.
#[track_caller]
fn send(hub: &Hub, method: &str, path: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = exchange(hub, method, path, &text).expect("the hub answers");
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    serde_json::from_str(&answer).unwrap_or_default()
}

fn configuration(condition: &str, priority: u32, speed: u32) -> Value {
    json!({
        "content": { "deviceContent": { "properties.desired.fan": { "speed": speed } } },
        "targetCondition": condition,
        "priority": priority,
    })
}

fn tag(hub: &Hub, id: &str, site: &str) {
    send(hub, "PATCH", &format!("/twins/{id}"), &json!({ "tags": { "site": site } }));
}

fn statuses(hub: &Hub, id: &str) -> Value {
    send(hub, "GET", &format!("/twins/{id}"), &Value::Null)["configurations"].clone()
}

#[test]
fn a_connected_device_hears_what_configurations_set_and_take_back() {
    let mut hub = Hub::start();
    let device = Device::create(&hub, "pump");
    let mut client = TwinClient::connect(&hub, &Login::device(&hub, &device), true).expect("login");
    let mut version = 1;
    let mut hears = |client: &mut TwinClient, patch: Value| {
        version += 1;
        let mut expected = patch;
        expected["$version"] = version.into();
        let heard = client.desired().expect("the device hears of it");
        assert_eq!((heard.version, heard.patch), (version, expected));
    };
    send(&hub, "PUT", "/configurations/low", &configuration("tags.site = 'a'", 1, 1));
    tag(&hub, "pump", "a");
    hears(&mut client, json!({ "fan": { "speed": 1 } }));
    send(&hub, "PUT", "/configurations/high", &configuration("*", 2, 2));
    hears(&mut client, json!({ "fan": { "speed": 2 } }));
    let both = json!({ "low": { "status": "Targeted" }, "high": { "status": "Applied" } });
    assert_eq!(statuses(&hub, "pump"), both);
    let change = json!({ "priority": 3 }).to_string();
    assert_eq!(replace(&hub, "/configurations/low", &change).0, 200);
    hears(&mut client, json!({ "fan": { "speed": 1 } }));
    tag(&hub, "pump", "b");
    hears(&mut client, json!({ "fan": { "speed": 2 } }));
    send(&hub, "DELETE", "/configurations/high", &Value::Null);
    hears(&mut client, json!({ "fan": null }));
    assert_eq!(statuses(&hub, "pump"), Value::Null);

    // What was made, and who is in it, outlives a restart.
    tag(&hub, "pump", "a");
    hears(&mut client, json!({ "fan": { "speed": 1 } }));
    hub.kill();
    hub.reap();
    hub.launch();
    let applied = json!({ "low": { "status": "Applied" } });
    assert_eq!(statuses(&hub, "pump"), applied);
    let mut client = TwinClient::connect(&hub, &Login::device(&hub, &device), true).expect("login");
    let own = client.get().expect("an answer").body;
    assert_eq!(own["desired"]["fan"], json!({ "speed": 1 }));
    tag(&hub, "pump", "b");
    hears(&mut client, json!({ "fan": null }));
    client.report(br#"{"done":true}"#, None).expect("reports go on");
    hub.assert_sound();
}

/// Answers of a script, one for each call.
fn answers(lines: &Lines, count: usize) -> Vec<Value> {
    let calls: Vec<Value> = lines.all("call").into_iter().cloned().collect();
    assert_eq!(calls.len(), count, "{calls:?}");
    calls
}

fn of(call: usize) -> Value {
    json!({ "of": call })
}

/// A hub with a device in `north` and an edge device.
fn fleet() -> Hub {
    let hub = Hub::start();
    Device::create(&hub, "pump");
    tag(&hub, "pump", "north");
    send(&hub, "PUT", "/devices/edge", &json!({ "capabilities": { "iotEdge": true } }));
    hub
}

fn edge_content() -> Value {
    json!({
        "$edgeAgent": { "properties.desired": { "modules": { "filter": { "image": "f:1" } } } },
        "$edgeHub": { "properties.desired": { "routes": {} } },
        "filter": { "properties.desired": { "level": 1 } },
    })
}

/// What must have come of the calls, however the SDK writes it.
fn judge(hub: &Hub) {
    eventually("the device has what is left", || {
        statuses(hub, "pump") == json!({ "kept": { "status": "Applied" } })
    });
    let filter = send(hub, "GET", "/twins/edge/modules/filter", &Value::Null);
    assert_eq!(filter["properties"]["desired"]["level"], 1, "{filter}");
    let shown = send(hub, "GET", "/configurations/kept", &Value::Null);
    assert_eq!(shown["systemMetrics"]["results"]["appliedCount"], 1, "{shown}");
    assert_eq!(shown["metrics"]["results"]["all"], 2, "{shown}");
}

#[test]
fn node_makes_reads_changes_and_deletes_them() {
    let Some(node) = Node::provisioned() else { return };
    let hub = fleet();
    let kept = json!({
        "id": "kept", "priority": 2, "targetCondition": "tags.site = 'north'",
        "labels": { "a": "b" },
        "content": { "deviceContent": { "properties.desired.fan": { "speed": 1 } } },
        "metrics": { "queries": { "all": "SELECT deviceId FROM devices" } },
    });
    let mut gone = kept.clone();
    gone["id"] = json!("gone");
    let mut changed = kept.clone();
    changed["priority"] = json!(5);
    let mut other = kept.clone();
    other["content"] = json!({ "deviceContent": { "properties.desired.fan": 1 } });
    let mut bad = kept.clone();
    bad["id"] = json!("bad");
    bad["targetCondition"] = json!("tags.");
    let calls = json!([
        ["addConfiguration", kept],
        ["addConfiguration", gone],
        ["addConfiguration", kept],
        ["getConfiguration", "kept"],
        ["getConfigurations"],
        ["updateConfiguration", of(3)],
        ["updateConfiguration", of(3)],
        ["updateConfiguration", changed, true],
        ["updateConfiguration", other, true],
        ["removeConfiguration", "gone"],
        ["getConfiguration", "gone"],
        ["applyConfigurationContentOnDevice", "edge", { "modulesContent": edge_content() }],
        ["applyConfigurationContentOnDevice", "pump", { "modulesContent": edge_content() }],
        ["addConfiguration", bad],
    ]);
    let calls = answers(&node.registry_calls(&hub, &calls), 14);
    let good = |call: usize| {
        calls[call].get("result").unwrap_or_else(|| panic!("call {call}: {}", calls[call]))
    };
    let refused = |call: usize| calls[call]["status"].as_u64();
    assert_eq!(good(0)["etag"], "MQ==");
    assert_eq!(good(3)["labels"], json!({ "a": "b" }));
    assert_eq!(good(4).as_array().map(Vec::len), Some(2));
    assert_eq!(good(5)["etag"], "Mg==");
    assert_eq!(good(7)["priority"], 5);
    good(9);
    good(11);
    let statuses = [2, 6, 8, 10, 12, 13].map(refused);
    assert_eq!(statuses, [409, 412, 400, 404, 400, 400].map(Some));
    judge(&hub);
}

#[test]
fn python_makes_reads_changes_and_deletes_them() {
    let Some(python) = Python::provisioned() else { return };
    let hub = fleet();
    let kept = json!({ "configuration": {
        "id": "kept", "priority": 2, "targetCondition": "tags.site = 'north'",
        "content": { "deviceContent": { "properties.desired.fan": { "speed": 1 } } },
        "metrics": { "queries": { "all": "SELECT deviceId FROM devices" } },
    } });
    let mut gone = kept.clone();
    gone["configuration"]["id"] = json!("gone");
    let content = json!({ "content": { "modulesContent": edge_content() } });
    let tested = json!({ "test": {
        "targetCondition": "tags.a = ",
        "customMetricQueries": { "m": "SELECT deviceId FROM devices" },
    } });
    let calls = json!([
        ["create_configuration", kept],
        ["create_configuration", gone],
        ["create_configuration", kept],
        ["get_configuration", "kept"],
        ["get_configurations", 1],
        ["get_configurations"],
        ["update_configuration", of(3), "*"],
        ["update_configuration", of(3), "\"MQ==\""],
        ["delete_configuration", "gone"],
        ["get_configuration", "gone"],
        ["test_configuration_queries", tested],
        ["apply_configuration_on_edge_device", "edge", content],
        ["apply_configuration_on_edge_device", "pump", content],
    ]);
    let lines = python
        .script("configuration_calls.py")
        .arg(hub.registry_connection_string(&hub.address.https_host()))
        .arg(calls.to_string())
        .env("REQUESTS_CA_BUNDLE", hub.ca_file())
        .run();
    let calls = answers(&lines, 13);
    let good = |call: usize| {
        calls[call].get("result").unwrap_or_else(|| panic!("call {call}: {}", calls[call]))
    };
    let refused = |call: usize| calls[call]["status"].as_u64();
    assert_eq!(good(0)["etag"], "MQ==");
    assert_eq!(good(3)["target_condition"], "tags.site = 'north'");
    assert_eq!(good(4).as_array().map(Vec::len), Some(1));
    assert_eq!(good(5).as_array().map(Vec::len), Some(2));
    assert_eq!(good(6)["etag"], "Mg==");
    good(8);
    assert!(good(10)["target_condition_error"].is_string(), "{}", good(10));
    good(11);
    assert_eq!([2, 7, 9, 12].map(refused), [409, 412, 404, 400].map(Some));
    judge(&hub);
}

#[test]
fn the_command_line_has_the_words_of_az() {
    let hub = fleet();
    let content = r#"{"deviceContent":{"properties.desired.fan":{"speed":1}}}"#;
    let query = "SELECT deviceId FROM devices WHERE tags.site = 'north'";
    let metrics = json!({ "metrics": { "queries": { "north": query } } }).to_string();
    let run = |arguments: &[&str]| at(&hub, &[&["configuration"], arguments].concat());
    let create = ["create", "-c", "fans", "--content", content, "--target-condition"];
    let condition = "tags.site = 'north'";
    let more = [condition, "--priority", "3", "--labels", r#"{"a":"b"}"#, "--metrics", &metrics];
    let created = run(&[&create[..], &more].concat()).json();
    assert_eq!((&created["priority"], &created["labels"]["a"]), (&json!(3), &json!("b")));
    run(&[&create[..], &more].concat()).refused(1, &["ConfigurationAlreadyExists"]);
    eventually("the device is in it", || {
        statuses(&hub, "pump") == json!({ "fans": { "status": "Applied" } })
    });
    let list = run(&["list"]).good();
    assert!(list.starts_with("ID    PRIORITY"), "{list}");
    assert!(list.lines().any(|line| line.starts_with("fans") && line.contains("north")), "{list}");
    let metric = run(&["show-metric", "-c", "fans", "-m", "north"]).json();
    assert_eq!(metric["result"], json!([{ "deviceId": "pump" }]));
    let applied = ["show-metric", "-c", "fans", "-m", "appliedCount", "--metric-type", "system"];
    assert_eq!(run(&applied).json()["result"], json!([{ "deviceId": "pump" }]));
    run(&["show-metric", "-c", "fans", "-m", "none"]).refused(2, &["there are: north"]);
    let update = ["update", "-c", "fans", "--set", "priority=9", "targetCondition=tags.site = 'x'"];
    assert_eq!(run(&update).json()["priority"], 9);
    eventually("the device has left it", || statuses(&hub, "pump").is_null());
    run(&["update", "-c", "fans", "--priority", "1", "--etag", "b2xk"]).refused(1, &["412"]);
    let file = hub.scratch("modules.json");
    let edge = json!({ "content": { "modulesContent": edge_content() } });
    std::fs::write(&file, edge.to_string()).expect("the home is writable");
    let path = file.to_str().expect("UTF-8");
    run(&["create", "-c", "edge", "-k", path, "--tc", "*"]).good();
    eventually("the edge device runs it", || {
        statuses(&hub, "edge") == json!({ "edge": { "status": "Applied" } })
    });
    let none = run(&["create", "-c", "bad", "--content", "{}"]);
    none.refused(1, &["InvalidConfigurationContent"]);
    run(&["delete", "-c", "fans"]).good();
    run(&["show", "-c", "fans"]).refused(3, &["ConfigurationNotFound"]);
}

/// Devices that change places, and how often they do.
const CROWD: usize = 1000;
const ROUNDS: usize = 4;

/// Where a device is in a round.
fn site_of(device: usize, round: usize) -> &'static str {
    ["north", "south", "sea"][(device + round) % 3]
}

/// Writes the tags of a round to all devices of the crowd, a hundred to a request.
fn move_crowd(hub: &Hub, mode: &str, round: usize) {
    let devices: Vec<usize> = (0..CROWD).collect();
    for some in devices.chunks(100) {
        let item = |device: &usize| {
            let tags = json!({ "site": site_of(*device, round) });
            json!({ "id": format!("d{device}"), "importMode": mode, "tags": tags })
        };
        send(hub, "POST", "/devices", &some.iter().map(item).collect());
    }
}

/// Devices that have other settings or statuses than their place asks for.
fn astray(hub: &Hub, round: usize) -> usize {
    let query = "SELECT deviceId, properties.desired.fan.speed AS speed, configurations \
                 FROM devices";
    let rows = at(hub, &["query", query, "--output", "json"]).json();
    let rows = rows.as_array().expect("rows are an array");
    assert_eq!(rows.len(), CROWD);
    let is_wrong = |row: &&Value| {
        let device = row["deviceId"].as_str().and_then(|id| id[1..].parse().ok());
        let applied = |id: &str| json!({ id: { "status": "Applied" } });
        let (speed, statuses) = match site_of(device.expect("a device of the crowd"), round) {
            "north" => (json!(1), applied("north")),
            "south" => (json!(2), applied("south")),
            _ => (Value::Null, Value::Null),
        };
        row["speed"] != speed || row["configurations"] != statuses
    };
    rows.iter().filter(is_wrong).count()
}

#[test]
fn a_thousand_devices_follow_their_tags() {
    let hub = Hub::start();
    for (site, speed) in [("north", 1), ("south", 2)] {
        let wanted = configuration(&format!("tags.site = '{site}'"), 1, speed);
        send(&hub, "PUT", &format!("/configurations/{site}"), &wanted);
    }
    for round in 0..ROUNDS {
        let began = Instant::now();
        move_crowd(&hub, if round == 0 { "create" } else { "updateTwin" }, round);
        let written = began.elapsed();
        eventually("all devices have what their place asks for", || astray(&hub, round) == 0);
        println!(
            "round {round}: {CROWD} devices, tags written in {:.2} s, applied {:.2} s later, \
             devices wrong {}",
            written.as_secs_f64(),
            (began.elapsed() - written).as_secs_f64(),
            astray(&hub, round)
        );
    }
}
