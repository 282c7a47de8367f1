//! Kills the hub while configurations come to many devices, and checks that none is forgotten.
//!
//! Goal: once a change of a configuration was answered, every device comes to what it says, however
//! the hub ends meanwhile, and nothing is written twice. Method: a configuration moves between two
//! halves of a fleet; `kill -9` comes while the new half gets it. After the last restart each
//! device of the one half must have its settings, and no other, and versions must have risen by
//! exactly one for each time that a device entered or left.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::hub::Hub;
use support::patience::eventually;
use support::random::Random;
use support::rest::{exchange, replace};
use support::seed::{number_from, seed_from};

const ROUNDS: u64 = 6;
const DEVICES: u64 = 3000;
/// Items of one bulk call.
const ITEMS: u64 = 100;

fn register(hub: &Hub) {
    for first in (0..DEVICES).step_by(ITEMS as usize) {
        let items: Vec<_> = (first..first + ITEMS)
            .map(|n| {
                json!({ "id": format!("d-{n:05}"), "importMode": "create",
                "tags": { "half": n % 2 } })
            })
            .collect();
        let (status, body) =
            exchange(hub, "POST", "/devices", &json!(items).to_string()).expect("an answer");
        assert_eq!(status, 200, "{body}");
    }
}

fn count(hub: &Hub, condition: &str) -> u64 {
    let query = json!({ "query": format!("SELECT COUNT() AS n FROM devices WHERE {condition}") });
    let (status, body) =
        exchange(hub, "POST", "/devices/query", &query.to_string()).expect("an answer");
    assert_eq!(status, 200, "{body}");
    let rows: Value = serde_json::from_str(&body).expect("rows are JSON");
    rows[0]["n"].as_u64().expect("a number")
}

fn has_it(half: u64) -> String {
    format!("tags.half = {half} AND properties.desired.fan.speed = 3")
}

#[test]
fn no_device_is_forgotten_however_the_hub_ends() {
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let mut hub = Hub::start();
    register(&hub);
    let content = json!({ "deviceContent": { "properties.desired.fan": { "speed": 3 } } });
    let body = json!({ "content": content, "targetCondition": "" }).to_string();
    let made = exchange(&hub, "PUT", "/configurations/c", &body).expect("an answer");
    assert_eq!(made.0, 201, "{}", made.1);
    let mut in_between = 0;
    for round in 0..rounds {
        let half = round % 2;
        let body = json!({ "targetCondition": format!("tags.half = {half}") }).to_string();
        let changed = replace(&hub, "/configurations/c", &body);
        assert_eq!(changed.0, 200, "{}", changed.1);
        thread::sleep(Duration::from_millis(random.below(80)));
        hub.kill();
        hub.reap();
        hub.launch();
        let found = count(&hub, &has_it(half));
        in_between += u64::from(found < DEVICES / 2);
        if random.below(2) == 0 {
            settle(&hub, half);
        }
    }
    assert!(in_between > 0, "every kill came too late to prove anything");
    let half = (rounds + 1) % 2;
    settle(&hub, half);
    assert_eq!(count(&hub, "configurations.[[c]].status = 'Applied'"), DEVICES / 2);
    assert_eq!(count(&hub, "is_defined(properties.desired.fan)"), DEVICES / 2);
    assert_eq!(count(&hub, "is_defined(configurations)"), DEVICES / 2);
    // Who has it has entered once more than it has left, and began with version 1.
    for tagged in [0, 1] {
        let expected = if tagged == half { DEVICES / 2 } else { 0 };
        let even = format!("tags.half = {tagged} AND properties.desired.$version % 2 = 0");
        assert_eq!(count(&hub, &even), expected);
    }
    println!("crash: {rounds} rounds, {in_between} kills in between, no device forgotten");
    hub.assert_sound();
}

/// Waits until all of one half have it and nobody else.
fn settle(hub: &Hub, half: u64) {
    eventually("the half has it, and nobody else", || {
        count(hub, &has_it(half)) == DEVICES / 2 && count(hub, &has_it(1 - half)) == 0
    });
}
