//! What configurations do with twins, and when.

use serde_json::{Value, json};

use super::world::Owner;
use crate::tests::{TempDir, open};

/// A fan with a speed.
fn fan(speed: u64) -> Value {
    json!({ "properties.desired.fan": { "speed": speed } })
}

#[test]
fn a_device_enters_and_leaves_by_its_tags() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("before", &json!({ "site": "a" }));
    owner.device("other", &json!({ "site": "b" }));
    let own = json!({ "properties": { "desired": { "own": 1 } } });
    owner.send("PATCH", "/twins/before", &own);
    owner.configure("c", 1, "tags.site = 'a'", &fan(3));
    let wanted = json!({ "fan": { "speed": 3 }, "own": 1 });
    owner.settles("before", &wanted, &json!({ "c": "Applied" }));
    owner.device("after", &json!({ "site": "a" }));
    owner.settles("after", &json!({ "fan": { "speed": 3 } }), &json!({ "c": "Applied" }));

    owner.tag("before", &json!({ "site": "b" }));
    owner.settles("before", &json!({ "own": 1 }), &json!({}));
    owner.tag("other", &json!({ "site": "a" }));
    owner.settles("other", &json!({ "fan": { "speed": 3 } }), &json!({ "c": "Applied" }));
    assert!(owner.twin("before").get("configurations").is_none());

    let shown = owner.get("/configurations/c");
    assert_eq!(shown["systemMetrics"]["results"], json!({ "targetedCount": 2, "appliedCount": 2 }));
    let query = "SELECT deviceId FROM devices WHERE configurations.[[c]].status = 'Applied'";
    assert_eq!(owner.query(query), [json!({"deviceId": "after"}), json!({"deviceId": "other"})]);
    let twins = owner.query("SELECT * FROM devices WHERE deviceId = 'after'");
    assert_eq!(twins[0]["configurations"], json!({ "c": { "status": "Applied" } }));
    control.shutdown();
}

#[test]
fn reports_count_where_a_condition_looks_at_them() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("d", &json!({}));
    owner.configure("c", 1, "properties.reported.firmware < 2", &fan(1));
    owner.report("d", &json!({ "firmware": 1 }));
    owner.settles("d", &json!({ "fan": { "speed": 1 } }), &json!({ "c": "Applied" }));
    owner.report("d", &json!({ "firmware": 2 }));
    owner.settles("d", &json!({}), &json!({}));
    control.shutdown();
}

#[test]
fn the_highest_priority_wins_each_place_and_then_the_newest() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("d", &json!({}));
    let both = json!({ "properties.desired.fan": { "speed": 1 }, "properties.desired.lamp": 1 });
    owner.configure("low", 1, "*", &both);
    owner.settles("d", &json!({ "fan": { "speed": 1 }, "lamp": 1 }), &json!({ "low": "Applied" }));
    owner.configure("high", 2, "*", &fan(2));
    let both = json!({ "low": "Applied", "high": "Applied" });
    owner.settles("d", &json!({ "fan": { "speed": 2 }, "lamp": 1 }), &both);
    // The same priority: what was made last.
    std::thread::sleep(std::time::Duration::from_millis(2));
    owner.configure("newer", 2, "*", &fan(3));
    let covered = json!({ "low": "Applied", "high": "Targeted", "newer": "Applied" });
    owner.settles("d", &json!({ "fan": { "speed": 3 }, "lamp": 1 }), &covered);
    owner.reconfigure("high", &json!({ "priority": 3 }));
    let covered = json!({ "low": "Applied", "high": "Applied", "newer": "Targeted" });
    owner.settles("d", &json!({ "fan": { "speed": 2 }, "lamp": 1 }), &covered);

    owner.send("DELETE", "/configurations/high", &Value::Null);
    let left = json!({ "low": "Applied", "newer": "Applied" });
    owner.settles("d", &json!({ "fan": { "speed": 3 }, "lamp": 1 }), &left);
    owner.reconfigure("newer", &json!({ "targetCondition": "" }));
    owner.settles("d", &json!({ "fan": { "speed": 1 }, "lamp": 1 }), &json!({ "low": "Applied" }));
    owner.send("DELETE", "/configurations/low", &Value::Null);
    owner.settles("d", &json!({}), &json!({}));
    control.shutdown();
}

#[test]
fn what_somebody_else_writes_over_it_is_set_again() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("d", &json!({}));
    owner.configure("c", 1, "*", &fan(1));
    let wanted = json!({ "fan": { "speed": 1 } });
    owner.settles("d", &wanted, &json!({ "c": "Applied" }));
    let version = |twin: Value| twin["properties"]["desired"]["$version"].as_u64();
    let before = version(owner.twin("d"));
    let over = json!({ "properties": { "desired": { "fan": { "speed": 9, "more": 1 } } } });
    owner.send("PATCH", "/twins/d", &over);
    owner.settles("d", &wanted, &json!({ "c": "Applied" }));
    // Theirs and ours, and no more: what is as it should be is not written.
    owner.tag("d", &json!({ "x": 1 }));
    owner.configure("unrelated", 9, "tags.none = 1", &fan(2));
    owner.device("last", &json!({}));
    owner.settles("last", &wanted, &json!({ "c": "Applied" }));
    assert_eq!(version(owner.twin("d")), before.map(|version| version + 2));
    control.shutdown();
}

#[test]
fn modules_are_targets_of_their_own() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("d", &json!({}));
    owner.create("/devices/d/modules/fan", &json!({}));
    owner.create("/devices/d/modules/lamp", &json!({}));
    let configuration = json!({
        "content": { "moduleContent": { "properties.desired.level": 5 } },
        "targetCondition": "FROM devices.modules WHERE moduleId = 'fan'",
    });
    owner.create("/configurations/m", &configuration);
    let applied = json!({ "m": "Applied" });
    owner.settles("d/modules/fan", &json!({ "level": 5 }), &applied);
    owner.create("/devices/e", &json!({}));
    owner.create("/devices/e/modules/fan", &json!({}));
    owner.settles("e/modules/fan", &json!({ "level": 5 }), &applied);
    assert_eq!(owner.statuses("d/modules/lamp"), json!({}));
    assert_eq!(owner.statuses("d"), json!({}));
    let results = &owner.get("/configurations/m")["systemMetrics"]["results"];
    assert_eq!(*results, json!({ "targetedCount": 2, "appliedCount": 2 }));
    owner.send("DELETE", "/configurations/m", &Value::Null);
    owner.settles("d/modules/fan", &json!({}), &json!({}));
    control.shutdown();
}

#[test]
fn conditions_that_contradict_their_own_content_come_to_rest() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("d", &json!({}));
    owner.configure(
        "never",
        2,
        "NOT is_defined(properties.desired.x)",
        &json!({
            "properties.desired.x": 1
        }),
    );
    owner.configure("chain", 1, "properties.desired.y.z = 1", &fan(1));
    let y = json!({ "properties": { "desired": { "y": { "z": 1 } } } });
    owner.send("PATCH", "/twins/d", &y);
    // One that follows from what another has set is found, however the first one ends.
    owner.device("e", &json!({}));
    owner.configure("base", 1, "deviceId = 'e'", &json!({ "properties.desired.y": { "z": 1 } }));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while ["d", "e"].iter().any(|id| owner.statuses(id)["chain"] != "Applied") {
        assert!(std::time::Instant::now() < until, "{} {}", owner.twin("d"), owner.twin("e"));
    }
    let version = |id| owner.twin(id)["properties"]["desired"]["$version"].as_u64();
    let rest = || {
        let before = version("d");
        owner.device("probe", &json!({ "probe": true }));
        owner.configure("probe", 1, "deviceId = 'probe'", &json!({ "properties.desired.p": 1 }));
        while owner.statuses("probe")["probe"] != "Applied" {
            assert!(std::time::Instant::now() < until, "{}", owner.twin("probe"));
        }
        owner.send("DELETE", "/configurations/probe", &Value::Null);
        owner.send("DELETE", "/devices/probe", &Value::Null);
        before == version("d")
    };
    while !rest() {
        assert!(std::time::Instant::now() < until, "{}", owner.twin("d"));
    }
    assert!(version("d").is_some_and(|version| version < 100), "{}", owner.twin("d"));
    control.shutdown();
}

#[test]
fn what_a_twin_cannot_have_stays_targeted_and_leaves_the_rest() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    owner.device("d", &json!({}));
    let text = |n: usize| Value::from("x".repeat(n));
    let own: Vec<_> = (0..6).map(|_| text(4000)).collect();
    let large = json!({ "properties": { "desired": { "own": own } } });
    owner.send("PATCH", "/twins/d", &large);
    let settings: Vec<_> = (0..3).map(|_| text(4000)).collect();
    owner.configure("c", 1, "*", &json!({ "properties.desired.more": settings }));
    let own = large["properties"]["desired"].clone();
    owner.settles("d", &own, &json!({ "c": "Targeted" }));
    let room = json!({ "properties": { "desired": { "own": null } } });
    owner.send("PATCH", "/twins/d", &room);
    owner.settles("d", &json!({ "more": settings }), &json!({ "c": "Applied" }));
    control.shutdown();
}

#[test]
fn a_restart_goes_on_where_the_scan_was() {
    let dir = TempDir::new();
    let control = open(&dir);
    let owner = Owner::of(&control);
    let items: Vec<_> =
        (0..100).map(|n| json!({ "id": format!("d{n:03}"), "importMode": "create" })).collect();
    owner.send("POST", "/devices", &json!(items));
    owner.configure("c", 1, "*", &fan(1));
    drop(owner);
    control.shutdown();
    let control = open(&dir);
    let owner = Owner::of(&control);
    for id in ["d000", "d050", "d099"] {
        owner.settles(id, &json!({ "fan": { "speed": 1 } }), &json!({ "c": "Applied" }));
    }
    let count = "SELECT COUNT() AS n FROM devices WHERE configurations.[[c]].status = 'Applied'";
    assert_eq!(owner.query(count), [json!({ "n": 100 })]);
    owner.send("DELETE", "/configurations/c", &Value::Null);
    drop(owner);
    control.shutdown();
    let control = open(&dir);
    let owner = Owner::of(&control);
    for id in ["d000", "d099"] {
        owner.settles(id, &json!({}), &json!({}));
    }
    control.shutdown();
}
