//! Kills the hub at random instants during bulk registration, and checks that no promise was
//! broken, item by item.
//!
//! Goal: an item that was answered with success is there after `kill -9`, and one that was refused
//! is not. Method: clients register devices in bulk, some of them with ids that are refused, and
//! note every answer; a request without an answer promises nothing. After each restart the whole
//! registry is listed.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::command::at;
use support::hub::Hub;
use support::kill::kill_after;
use support::random::Random;
use support::rest::exchange;
use support::seed::{number_from, seed_from};

const ROUNDS: u64 = 8;
const CLIENTS: u64 = 4;
const ITEMS: u64 = 50;
/// Requests that are answered in every second round at least; in the others, the kill may come
/// before any.
const ANSWERS_MIN: u64 = 3;

/// One time between a start and a kill.
#[derive(Debug, Default)]
struct Round {
    number: u64,
    killed: AtomicBool,
    answered: AtomicU64,
}

/// What the answers have promised.
#[derive(Debug, Default)]
struct Promises {
    registered: BTreeSet<String>,
    refused: u64,
}

/// Registers until the hub is gone. Every tenth item has an id that no device may have.
fn register(hub: &Hub, round: &Round, client: u64) -> Promises {
    let mut promises = Promises::default();
    for request in 0_u64.. {
        let id = |item| {
            let end = if item % 10 == 9 { " refused" } else { "" };
            format!("d-{}-{client}-{request}-{item}{end}", round.number)
        };
        let ids: Vec<String> = (0..ITEMS).map(id).collect();
        let items: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        let answer = exchange(hub, "POST", "/devices", &json!(items).to_string());
        let Ok((status, body)) = answer else {
            assert!(round.killed.load(Ordering::SeqCst), "before the kill: {answer:?}");
            break;
        };
        // An answer that the kill has cut short is none.
        let Ok(body) = serde_json::from_str::<Value>(&body) else { break };
        assert_eq!(status, 400, "{body}");
        let errors = body["errors"].as_array().expect("a list of errors");
        let refused: HashSet<_> = errors.iter().filter_map(|e| e["deviceId"].as_str()).collect();
        assert_eq!(refused.len() as u64, ITEMS / 10, "{body}");
        promises.refused += ITEMS / 10;
        promises.registered.extend(ids.into_iter().filter(|id| !refused.contains(id.as_str())));
        round.answered.fetch_add(1, Ordering::SeqCst);
    }
    promises
}

/// All devices, as the command line exports them.
fn registered(hub: &Hub) -> HashSet<String> {
    let file = hub.scratch("devices.jsonl");
    let path = file.to_str().expect("the target directory is UTF-8");
    at(hub, &["device-identity", "export", "--file", path]).good();
    let text = fs::read_to_string(&file).expect("it was written");
    let id = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        let key = line.pointer("/authentication/symmetricKey/primaryKey").and_then(Value::as_str);
        assert_eq!(key.map(str::len), Some(44), "{line}");
        line["id"].as_str().expect("an id").to_owned()
    };
    text.lines().map(id).collect()
}

#[test]
fn what_was_acknowledged_is_there_item_by_item() {
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let mut hub = Hub::start();
    let mut promised = BTreeSet::new();
    let mut refused = 0;
    for number in 0..rounds {
        let life = Duration::from_millis(100 + random.below(500));
        let answers_min = if number.is_multiple_of(2) { ANSWERS_MIN } else { 0 };
        let round = Round { number, ..Round::default() };
        let found: Vec<Promises> = thread::scope(|scope| {
            let (hub, round) = (&hub, &round);
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| scope.spawn(move || register(hub, round, client)))
                .collect();
            let is_enough = || round.answered.load(Ordering::SeqCst) >= answers_min;
            kill_after(hub, &round.killed, is_enough, life);
            clients.into_iter().map(|client| client.join().expect("no client fails")).collect()
        });
        for promises in found {
            promised.extend(promises.registered);
            refused += promises.refused;
        }
        hub.reap();
        hub.launch();
        let there = registered(&hub);
        let lost: Vec<_> = promised.iter().filter(|id| !there.contains(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert!(!there.iter().any(|id| id.contains("refused")), "refused and there");
    }
    println!("crash: {} devices acknowledged, none lost; {refused} refused", promised.len());
    assert!(promised.len() as u64 > rounds * ITEMS, "too little traffic to prove anything");
}
