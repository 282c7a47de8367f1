//! Queries through the service SDKs of Python and Node, unmodified.

mod support;

use serde_json::{Value, json};
use support::hub::Hub;
use support::node::Node;
use support::python::Python;
use support::rest;
use support::script::Lines;

/// Devices of the fleet; each has its number among its tags.
const DEVICES: usize = 12;
const SITES: [&str; 3] = ["north", "south", "it's \"east\""];

/// A query, and the numbers of the devices that it must find.
type Question = (String, Vec<usize>);

fn put(hub: &Hub, method: &str, path: &str, body: &Value) {
    let answer = rest::exchange(hub, method, path, &body.to_string()).expect("the hub answers");
    assert_eq!(answer.0, 200, "{method} {path}: {}", answer.1);
}

/// Devices with tags and desired properties, two of them disabled, and a module of each.
fn fleet() -> Hub {
    let hub = Hub::start();
    for n in 0..DEVICES {
        let id = format!("d{n:02}");
        let status = if n < 2 { "disabled" } else { "enabled" };
        let identity = json!({ "deviceId": id, "status": status });
        put(&hub, "PUT", &format!("/devices/{id}"), &identity);
        let tags = json!({
            "n": n, "half": n as f64 / 2.0, "site": SITES[n % 3], "even": n % 2 == 0,
            "list": [n, format!("x{n}")],
        });
        let twin = json!({ "tags": tags, "properties": { "desired": { "level": n % 4 } } });
        put(&hub, "PATCH", &format!("/twins/{id}"), &twin);
        let module = json!({ "deviceId": id, "moduleId": "fan" });
        put(&hub, "PUT", &format!("/devices/{id}/modules/fan"), &module);
    }
    hub
}

fn numbers(is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..DEVICES).filter(|n| is_wanted(*n)).collect()
}

/// Conditions of many kinds, with what must come of them.
fn questions() -> Vec<Question> {
    let mut questions: Vec<(String, Vec<usize>)> = Vec::new();
    let mut ask = |condition: String, found: Vec<usize>| questions.push((condition, found));
    for k in 0..DEVICES {
        ask(format!("tags.n = {k}"), numbers(|n| n == k));
        ask(format!("tags.n != {k}"), numbers(|n| n != k));
        ask(format!("tags.n < {k}"), numbers(|n| n < k));
        ask(format!("{k} <= tags.n"), numbers(|n| n >= k));
        ask(format!("NOT tags.half > {k}.0"), numbers(|n| n <= 2 * k));
        ask(format!("tags.n = '{k}'"), Vec::new());
        ask(format!("deviceId = 'd{k:02}'"), vec![k]);
        ask(format!("deviceId > 'd{k:02}' AND tags.even"), numbers(|n| n > k && n % 2 == 0));
        ask(format!("startswith(deviceId, 'd{k:02}') or 1 = 2"), vec![k]);
        ask(format!("startswith(deviceId, 'd{}')", k / 10), numbers(|n| n / 10 == k / 10));
        ask(format!("tags.list[0] = {k} OR tags.list[1] = 'x0'"), numbers(|n| n == k || n == 0));
        ask(format!("array_contains(tags.list, 'x{k}')"), vec![k]);
        ask(format!("tags.n IN [{k}, {}, 'x']", k + 1), numbers(|n| n == k || n == k + 1));
        ask(format!("tags.n NIN [{k}, 99]"), numbers(|n| n != k));
        ask(format!("tags.n % 5 = {} - 1", k + 1), numbers(|n| n % 5 == k));
        ask(format!("tags.n * 2 - {k} >= tags.n"), numbers(|n| n >= k));
        let level = format!("properties.desired.level = {k} and is_defined(tags.even)");
        ask(level, numbers(|n| n % 4 == k));
    }
    for (index, site) in SITES.iter().enumerate() {
        let doubled = site.replace('\'', "''");
        let escaped = site.replace('"', "\\\"");
        ask(format!("tags.site = '{doubled}'"), numbers(|n| n % 3 == index));
        ask(format!("tags.site = \"{escaped}\""), numbers(|n| n % 3 == index));
        ask(format!("tags.[[site]] <> '{doubled}'"), numbers(|n| n % 3 != index));
        ask(format!("endswith(tags['site'], '{doubled}')"), numbers(|n| n % 3 == index));
    }
    ask("status = 'disabled'".into(), numbers(|n| n < 2));
    ask("Status = 'enabled' and tags.N = 1".into(), Vec::new());
    ask("connectionState = 'Disconnected'".into(), numbers(|_| true));
    ask("tags.site = 'x'' OR ''1''=''1'".into(), Vec::new());
    ask("tags.none = null or tags.none != 1".into(), Vec::new());
    questions
}

/// What tools send (first the item type), and what is refused.
fn of_tools() -> Vec<(&'static str, &'static str, usize)> {
    vec![
        ("Twin", "select * from devices", DEVICES),
        ("Twin", "select * from devices where capabilities.iotEdge = true", 0),
        ("Raw", "SELECT deviceId FROM devices", DEVICES),
        ("Raw", "SELECT deviceId, deviceScope FROM devices", DEVICES),
        (
            "Raw",
            "select deviceId from devices where array_contains(parentScopes, \
            'ms-azure-iot-edge://gw-638')",
            0,
        ),
        (
            "Raw",
            "select deviceId from devices where configurations.[[cfg-1]].status = 'Applied'",
            0,
        ),
        (
            "Raw",
            "select deviceId from devices.modules where moduleId = '$edgeAgent' and \
            configurations.[[c12]].status = 'Applied' and properties.desired.$version = \
            properties.reported.lastDesiredVersion and \
            properties.reported.lastDesiredStatus.code = 200",
            0,
        ),
        (
            "Raw",
            "\n  SELECT deviceId as DeviceId,\n status as Status, lastActivityTime as \
            LastActivityTime, statusUpdatedTime as StatusUpdatedTime, authenticationType as \
            AuthenticationType, cloudToDeviceMessageCount as CloudToDeviceMessageCount, \
            connectionState as ConnectionState, capabilities.iotEdge as IotEdge, modelId as \
            ModelId FROM devices",
            DEVICES,
        ),
        ("Twin", "SELECT * FROM devices.modules WHERE deviceId in ['d07']", 1),
        ("DeviceJob", "SELECT * FROM devices.jobs", 0),
        ("Raw", "SELECT COUNT() AS n FROM devices", 1),
        ("Raw", "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site", 3),
    ]
}

/// Everything that is asked, as the scripts take it: by pages of five.
fn calls() -> Value {
    let tools = of_tools().into_iter().map(|(_, query, _)| query.to_owned());
    let questions = questions().into_iter();
    let questions =
        questions.map(|(condition, _)| format!("SELECT * FROM devices WHERE {condition}"));
    let refused = ["SELECT * FORM devices".to_owned()];
    tools.chain(questions).chain(refused).map(|query| json!([query, 5])).collect()
}

/// Checks what a script has got; `id` is how its SDK calls the id of a device.
fn check(sdk: &str, lines: &Lines, id: &str) {
    let calls = lines.all("call");
    let (tools, questions) = (of_tools(), questions());
    assert!(questions.len() > 200, "{}", questions.len());
    assert_eq!(calls.len(), tools.len() + questions.len() + 1);
    let (sent_by_tools, of_its_own) = (tools.len(), questions.len());
    let mut calls = calls.into_iter();
    for ((kind, query, count), call) in tools.into_iter().zip(calls.by_ref()) {
        assert_eq!(call["type"], kind, "{query}: {call}");
        assert_eq!(call["rows"].as_array().map(Vec::len), Some(count), "{query}: {call}");
        assert_eq!(call["pages"], count.div_ceil(5).max(1), "{query}");
    }
    for ((condition, found), call) in questions.into_iter().zip(calls.by_ref()) {
        let rows = call["rows"].as_array().unwrap_or_else(|| panic!("{condition}: {call}"));
        let ids: Vec<_> = rows.iter().filter_map(|row| row[id].as_str()).collect();
        let expected: Vec<_> = found.iter().map(|n| format!("d{n:02}")).collect();
        assert_eq!(ids, expected, "{condition}");
    }
    let refused = calls.next().expect("the last one is refused");
    assert_eq!(refused["status"], 400, "{refused}");
    println!(
        "{sdk}: {sent_by_tools} queries that tools send and {of_its_own} others answered right, \
        1 refused"
    );
}

#[test]
fn python_asks_what_tools_ask_and_two_hundred_queries_more() {
    let Some(python) = Python::provisioned() else { return };
    let hub = fleet();
    let lines = python
        .script("query_calls.py")
        .arg(hub.registry_connection_string(&hub.address.https_host()))
        .arg(calls().to_string())
        .env("REQUESTS_CA_BUNDLE", hub.ca_file())
        .run();
    check("Python", &lines, "device_id");
}

#[test]
fn node_asks_what_tools_ask_and_two_hundred_queries_more() {
    let Some(node) = Node::provisioned() else { return };
    let hub = fleet();
    let lines = node
        .script(&hub, "query_calls.js")
        .arg(hub.registry_connection_string(&hub.address.host()))
        .arg(hub.address.https_port.to_string())
        .arg(calls().to_string())
        .run();
    check("Node", &lines, "deviceId");
}
