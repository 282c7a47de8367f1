//! Indexes: queries use them, and answer what they answer without.

use ringhub_core::limits::{QUERY_INDEX_LOOK_DEVICES, QUERY_INDEX_TURN_TWINS, QUERY_INDEXES_MAX};
use serde_json::{Value, json};

use super::fleet::Asker;
use crate::api::tests::{Client, verdict};
use crate::tests::{TempDir, open};

const BUILDINGS: usize = 3;

/// Devices of which every third is in the same building.
fn fleet(asker: &Asker<'_>, devices: usize) -> Vec<String> {
    let ids: Vec<_> = (0..devices).map(|number| format!("d{number:04}")).collect();
    for some in ids.chunks(100) {
        let item = |id: &String| {
            let building: usize = id[1..].parse().expect("a number");
            let tags = json!({ "building": building % BUILDINGS, "all": "x" });
            json!({ "id": id, "importMode": "create", "tags": tags })
        };
        asker.bulk(&some.iter().map(item).collect());
    }
    ids
}

fn rows(asker: &Asker<'_>, condition: &str) -> String {
    let query = format!("SELECT deviceId FROM devices WHERE {condition}");
    asker.explain(&query)["rows"].as_str().expect("a text").to_owned()
}

#[test]
fn an_index_is_built_used_kept_up_to_date_and_dropped() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    let ids = fleet(&asker, 2 * QUERY_INDEX_TURN_TWINS + 100);
    let condition = "tags.building = 1 AND tags.all != 'y'";
    let expected = asker.ids(condition);
    assert_eq!(rows(&asker, condition), "every device");
    assert_eq!(asker.index("building", "tags.building", "devices"), ids.len() as u64);
    assert_eq!(rows(&asker, condition), "those of 1 values in the index building");
    let plan = asker.explain(&format!("SELECT * FROM devices WHERE {condition}"));
    let steps = plan["steps"].to_string();
    assert!(
        steps.contains("query_index_by_key (number=? AND key=?") && !steps.contains("TEMP"),
        "{plan}"
    );
    assert_eq!(asker.ids(condition), expected);
    for id in &ids[..6] {
        asker.change(&format!("/twins/{id}"), &json!({"tags": {"building": 7}}));
    }
    assert_eq!(asker.ids("tags.building = 7"), ids[..6]);
    assert_eq!(asker.ids(condition), expected[2..]);
    asker.change("/twins/d0003", &json!({"tags": {"building": null}}));
    asker.delete("/devices/d0004");
    assert_eq!(asker.ids("tags.building IN [7, 'x', 7.0]"), ["d0000", "d0001", "d0002", "d0005"]);
    let named = "SELECT deviceId FROM devices WHERE deviceId > 'd0001' AND tags.building = 7";
    assert_eq!(
        asker.rows_by(named, 1),
        [json!({"deviceId": "d0002"}), json!({"deviceId": "d0005"})]
    );
    asker.drop_index("building");
    assert_eq!(rows(&asker, condition), "every device");
    assert_eq!(
        asker.ids(condition),
        expected[2..].iter().filter(|id| *id != "d0004").cloned().collect::<Vec<_>>()
    );
    control.shutdown();
    let control = open(&dir);
    let asker = Asker::new(&control);
    // The number of one that is gone means no other.
    assert_eq!(asker.index("all", "tags.all", "devices"), ids.len() as u64 - 1);
    control.shutdown();
}

#[test]
fn devices_that_are_named_are_looked_up() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    fleet(&asker, 100);
    for condition in [
        "deviceId = 'd0050'",
        "tags.all = 'x' AND deviceId IN ['d0050', 'd0070'] AND status = 'enabled'",
        "(deviceId = 'd0050' OR deviceId = 'd0070' AND tags.building = 1) AND deviceId > 'd0010'",
    ] {
        for from in ["devices", "devices.modules"] {
            let plan = asker.explain(&format!("SELECT * FROM {from} WHERE {condition}"));
            let steps = plan["steps"].to_string();
            let is_found = steps.contains("SEARCH i USING PRIMARY KEY (hub_id=? AND device_id=?)");
            assert!(is_found && !steps.contains("TEMP"), "{condition}: {plan}");
        }
    }
    control.shutdown();
}

#[test]
fn pages_over_several_values_have_every_device_once_and_in_order() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    let ids = fleet(&asker, BUILDINGS * (QUERY_INDEX_LOOK_DEVICES + 10));
    asker.index("building", "tags.building", "devices");
    asker.index("all", "tags.all", "devices");
    for (condition, wanted) in [
        ("tags.building IN [2, 0]", &[0, 2][..]),
        ("tags.all = 'x'", &[0, 1, 2]),
        ("tags.building = 1 OR tags.building = 2 AND tags.all = 'x'", &[1, 2]),
    ] {
        assert!(rows(&asker, condition).contains("in the index"), "{condition}");
        let number = |id: &&String| {
            wanted.contains(&(id[1..].parse::<usize>().expect("a number") % BUILDINGS))
        };
        let expected: Vec<_> = ids.iter().filter(number).cloned().collect();
        assert_eq!(asker.ids(condition), expected, "{condition}");
        let count = format!("SELECT COUNT() AS n FROM devices WHERE {condition}");
        assert_eq!(asker.rows(&count), [json!({ "n": expected.len() })]);
    }
    control.shutdown();
}

#[test]
fn an_index_that_is_being_built_goes_on_after_a_restart() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    let ids = fleet(&asker, 4 * QUERY_INDEX_TURN_TWINS);
    asker.begin_index("building", "tags.building", "devices");
    // Changes meet the building wherever it is.
    asker.change("/twins/d0000", &json!({"tags": {"building": 9}}));
    asker.change(&format!("/twins/{}", ids[ids.len() - 1]), &json!({"tags": {"building": 9}}));
    control.shutdown();
    let control = open(&dir);
    let asker = Asker::new(&control);
    asker.await_index("building");
    assert_eq!(asker.ids("tags.building = 9"), [ids[0].clone(), ids[ids.len() - 1].clone()]);
    assert_eq!(rows(&asker, "tags.building = 9"), "those of 1 values in the index building");
    control.shutdown();
}

#[test]
fn what_cannot_be_an_index_is_refused() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    let client = Client::new(&control, "iothubowner");
    let refused = |name: &str, body: &Value| {
        let answer = client.put(&format!("/queryIndexes/{name}"), None, body);
        assert_eq!(verdict(&answer).0, 400, "{name} {body}");
    };
    for body in [
        json!({}),
        json!({"path": 1}),
        json!({"path": "deviceId"}),
        json!({"path": "tags"}),
        json!({"path": "tags.a = 1"}),
        json!({"path": "tags.a", "from": "devices.jobs"}),
    ] {
        refused("a", &body);
    }
    refused("a%20b", &json!({"path": "tags.a"}));
    asker.index("a", "tags.a", "devices");
    asker.index("A", "tags.a", "devices");
    refused("a", &json!({"path": "tags.b"}));
    for number in 1..QUERY_INDEXES_MAX {
        asker.index(&format!("n{number}"), &format!("tags.n{number}"), "devices");
    }
    refused("more", &json!({"path": "tags.more"}));
    assert_eq!(verdict(&client.send("DELETE", "/queryIndexes/no", None, &Value::Null)).0, 404);
    let reader = Client::new(&control, "registryRead");
    assert_eq!(verdict(&reader.get("/queryIndexes")).0, 200);
    assert_eq!(verdict(&reader.put("/queryIndexes/b", None, &json!({"path": "tags.b"}))).0, 401);
    control.shutdown();
}
