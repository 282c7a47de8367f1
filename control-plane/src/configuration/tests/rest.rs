//! What the calls take, refuse and answer.

use serde_json::{Map, Value, json};

use super::world::Owner;
use crate::api::tests::{Client, body, verdict};
use crate::tests::{TempDir, open};

fn refused(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

fn good() -> Value {
    json!({
        "id": "c",
        "schemaVersion": "1.0",
        "labels": { "team": "cooling" },
        "content": { "deviceContent": { "properties.desired.fan": { "on": true } } },
        "targetCondition": "tags.site = 'a'",
        "priority": 7,
        "metrics": { "queries": { "hot": "SELECT deviceId FROM devices WHERE tags.t > 1" } },
        "etag": null,
    })
}

/// The good one with another member.
fn with(name: &str, value: Value) -> Value {
    let mut configuration = good();
    configuration[name] = value;
    configuration
}

#[test]
fn a_configuration_is_made_read_changed_and_deleted() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    let client = &owner.client;
    let made = client.put("/configurations/c", None, &good());
    assert_eq!(verdict(&made), (201, String::new()));
    assert_eq!(made.headers["etag"], "\"MQ==\"");
    let shown = client.get("/configurations/c");
    assert_eq!(shown.headers["etag"], "\"MQ==\"");
    let shown = body(&shown);
    for name in ["id", "schemaVersion", "labels", "content", "targetCondition", "priority"] {
        assert_eq!(shown[name], good()[name], "{name}");
    }
    assert_eq!(shown["etag"], "MQ==");
    assert_eq!(shown["createdTimeUtc"], shown["lastUpdatedTimeUtc"]);
    assert_eq!(shown["metrics"]["results"], json!({ "hot": 0 }));
    assert_eq!(shown["systemMetrics"]["results"], json!({ "targetedCount": 0, "appliedCount": 0 }));
    assert_eq!(
        shown["systemMetrics"]["queries"],
        json!({
            "targetedCount": "select deviceId from devices where tags.site = 'a'",
            "appliedCount":
                "select deviceId from devices where configurations.[[c]].status = 'Applied'",
        })
    );

    let exists = refused(409, "ConfigurationAlreadyExists");
    assert_eq!(owner.try_send("PUT", "/configurations/c", &good()), exists);
    let stale = client.put("/configurations/c", Some("\"Mg==\""), &good());
    assert_eq!(verdict(&stale), refused(412, "PreconditionFailed"));
    // Whole objects come back, with what is the hub's.
    let mut changed = shown;
    changed["priority"] = json!(8);
    changed["labels"] = json!({});
    let changed = client.put("/configurations/c", Some("\"MQ==\""), &changed);
    assert_eq!(verdict(&changed), (200, String::new()));
    let changed = body(&changed);
    assert_eq!((&changed["priority"], &changed["labels"]), (&json!(8), &json!({})));
    assert_eq!(changed["etag"], "Mg==");

    let all = owner.get("/configurations/");
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    assert_eq!(all[0]["id"], "c");
    let stale = client.send("DELETE", "/configurations/c", Some("\"MQ==\""), &Value::Null);
    assert_eq!(verdict(&stale), refused(412, "PreconditionFailed"));
    let gone = owner.try_send("DELETE", "/configurations/c", &Value::Null);
    assert_eq!(gone, (204, String::new()));
    let none = refused(404, "ConfigurationNotFound");
    assert_eq!(verdict(&client.get("/configurations/c")), none);
    assert_eq!(owner.try_send("DELETE", "/configurations/c", &Value::Null), none);
    assert_eq!(verdict(&client.put("/configurations/c", Some("*"), &good())), none);
    control.shutdown();
}

#[test]
fn what_cannot_be_is_refused_by_its_name_and_writes_nothing() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    let argument = refused(400, "ArgumentInvalid");
    let target = refused(400, "InvalidConfigurationTargetCondition");
    let content = refused(400, "InvalidConfigurationContent");
    let metric = refused(400, "InvalidConfigurationCustomMetricsQuery");
    let many: Map<_, _> =
        (0..6).map(|n| (format!("m{n}"), json!("SELECT deviceId FROM devices"))).collect();
    for (body, expected) in [
        (with("id", json!("other")), &argument),
        (with("priority", json!(-1)), &argument),
        (with("priority", json!("x")), &argument),
        (with("labels", json!({"a": 1})), &argument),
        (json!([]), &argument),
        (with("targetCondition", json!("tags.site = ")), &target),
        (with("targetCondition", json!("FROM devices.modules WHERE tags.a = 1")), &target),
        (with("targetCondition", json!("configurations.[[c]].status = 'Applied'")), &target),
        (with("content", Value::Null), &content),
        (with("content", json!({})), &content),
        (with("content", json!({"deviceContent": {"tags.a": 1}})), &content),
        (with("content", json!({"moduleContent": {"properties.desired.a": [null]}})), &content),
        (with("metrics", json!({"queries": {"m": "SELECT FROM"}})), &metric),
        (with("metrics", json!({ "queries": many })), &metric),
        (with("labels", json!({"long": "x".repeat(300_000)})), &content),
    ] {
        assert_eq!(&owner.try_send("PUT", "/configurations/c", &body), expected, "{body}");
    }
    assert_eq!(owner.try_send("PUT", "/configurations/C", &good()), argument);
    assert_eq!(owner.get("/configurations"), json!([]));

    owner.create("/configurations/c", &good());
    let other = with("content", json!({"deviceContent": {"properties.desired.fan": 1}}));
    let changed = owner.client.put("/configurations/c", Some("*"), &other);
    let immutable = refused(400, "CannotModifyImmutableConfigurationContent");
    assert_eq!(verdict(&changed), immutable);
    assert_eq!(owner.get("/configurations/c")["content"], good()["content"]);
    control.shutdown();
}

#[test]
fn there_are_as_many_as_may_be_of_either_kind() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    let full = refused(413, "ConfigurationCountLimitExceeded");
    let device = json!({"content": {"deviceContent": {"properties.desired.a": 1}}});
    let edge = json!({"content": {"modulesContent": {"m": {"properties.desired.a": 1}}}});
    for (kind, configuration) in [("d", device), ("e", edge)] {
        for number in 0..100 {
            owner.create(&format!("/configurations/{kind}{number}"), &configuration);
        }
        let path = format!("/configurations/{kind}more");
        assert_eq!(owner.try_send("PUT", &path, &configuration), full);
    }
    owner.send("DELETE", "/configurations/d7", &Value::Null);
    let device = json!({"content": {"moduleContent": {"properties.desired.a": 1}}});
    owner.create("/configurations/dmore", &device);
    assert_eq!(owner.get("/configurations").as_array().map(Vec::len), Some(200));
    control.shutdown();
}

#[test]
fn queries_are_tested_and_errors_have_their_place() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    let test = |input: Value| owner.send("POST", "/configurations/testQueries", &input);
    let good = test(json!({
        "targetCondition": "tags.a = 'b'",
        "customMetricQueries": { "m": "select deviceId from devices where tags.a = 1" },
    }));
    assert_eq!(good, json!({ "targetConditionError": null, "customMetricQueryErrors": {} }));
    let bad = test(json!({
        "targetCondition": "tags.a = ",
        "customMetricQueries": { "m": "select", "ok": "select * from devices" },
    }));
    assert!(bad["targetConditionError"].as_str().is_some_and(|text| text.contains("column")));
    let errors = bad["customMetricQueryErrors"].as_object().expect("a map");
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["m"]);
    assert_eq!(test(json!({}))["targetConditionError"], Value::Null);
    control.shutdown();
}

#[test]
fn who_may_read_need_not_be_allowed_to_write() {
    let dir = TempDir::new();
    let control = open(&dir);
    Owner::of(&control).create("/configurations/c", &good());
    let no = refused(401, "IotHubUnauthorizedAccess");
    for (policy, reads, writes) in [
        ("registryRead", true, false),
        ("service", true, false),
        ("registryReadWrite", true, true),
        ("device", false, false),
    ] {
        let client = Client::new(&control, policy);
        let found = verdict(&client.get("/configurations/c"));
        assert_eq!(found == (200, String::new()), reads, "{policy}: {found:?}");
        let tested = client.send("POST", "/configurations/testQueries", None, &json!({}));
        assert_eq!(verdict(&tested).0 == 200, reads, "{policy}");
        let written = verdict(&client.put("/configurations/c", Some("*"), &json!({})));
        assert_eq!(written == (200, String::new()), writes, "{policy}: {written:?}");
        if !writes {
            assert_eq!(written, no);
            let path = "/devices/d/applyConfigurationContent";
            assert_eq!(verdict(&client.send("POST", path, None, &json!({}))), no);
        }
    }
    control.shutdown();
}
