//! Kills the hub at random instants while jobs run, and checks that no promise was broken.
//!
//! Goal: a device is done exactly once by a twin job and at most once by a method job, and counts
//! are right whenever they are read. Method: a twin job over many devices and a method job over a
//! few that are connected in plain Rust and count their calls; `kill -9` comes at a random time, at
//! any stage of both. After each restart both must come to an end. Each twin then has one version
//! more than before and no other change, each device was called at most once, and every call that
//! was not recorded is in doubt and says so. Counts must always add up, and agree with the rows.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.
//! `RINGHUB_CRASH_DEVICES` makes the twin jobs larger or smaller.

mod support;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::hub::{Hub, HubOptions};
use support::kill::kill_after;
use support::methods::MethodDevice;
use support::patience::PATIENCE;
use support::random::Random;
use support::rest::{self, Device};
use support::seed::{number_from, seed_from};

const ROUNDS: u64 = 4;
/// Devices of a twin job: enough for it to run for some hundred turns.
const DEVICES: u64 = 4000;
/// Devices that are connected and called.
const CALLED: usize = 6;
/// Devices of one registration.
const BULK: usize = 100;

fn id(n: usize) -> String {
    format!("d{n:05}")
}

fn ask(hub: &Hub, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = rest::exchange(hub, method, path, &body).expect("the hub answers");
    assert_eq!(status, 200, "{method} {path}: {answer}");
    serde_json::from_str(&answer).expect("the answer is JSON")
}

fn register(hub: &Hub, devices: usize) {
    let all: Vec<_> =
        (0..devices).map(|n| json!({ "id": id(n), "importMode": "create" })).collect();
    for part in all.chunks(BULK) {
        ask(hub, "POST", "/devices", &json!(part));
    }
}

/// Devices of a job in all, failed, done, running and pending; checks that they add up.
fn counts(job: &Value) -> [u64; 5] {
    let statistics = &job["deviceJobStatistics"];
    let counts = ["deviceCount", "failedCount", "succeededCount", "runningCount", "pendingCount"]
        .map(|name| statistics[name].as_u64().unwrap_or_default());
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "counts do not add up: {job}");
    counts
}

fn create(hub: &Hub, round: u64) {
    let patch = json!({ "etag": "*", "properties": { "desired": { "round": round } } });
    let twins = json!({
        "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": patch,
    });
    ask(hub, "PUT", &format!("/jobs/v2/twins-{round}"), &twins);
    let call = json!({ "methodName": "count", "responseTimeoutInSeconds": 60 });
    let ids: Vec<_> = (0..CALLED).map(|n| format!("'{}'", id(n))).collect();
    let methods = json!({
        "type": "scheduleDeviceMethod", "cloudToDeviceMethod": call,
        "queryCondition": format!("deviceId IN [{}]", ids.join(",")),
    });
    ask(hub, "PUT", &format!("/jobs/v2/calls-{round}"), &methods);
}

/// Answers calls until the hub is gone, or only counts them.
fn answer(hub: &Hub, device: &Device, called: &AtomicU64, is_silent: bool) -> io::Result<()> {
    let mut device = MethodDevice::connect(hub, device)?;
    loop {
        let call = device.next_call()?;
        called.fetch_add(1, Ordering::SeqCst);
        if !is_silent {
            device.answer("200", &call.rid, "1")?;
        }
    }
}

/// Reads both jobs until they have ended; every state on the way must add up.
fn follow(hub: &Hub, round: u64) -> [Value; 2] {
    let until = Instant::now() + PATIENCE;
    loop {
        let jobs = ["twins", "calls"]
            .map(|kind| ask(hub, "GET", &format!("/jobs/v2/{kind}-{round}"), &Value::Null));
        for job in &jobs {
            counts(job);
        }
        if jobs.iter().all(|job| job["status"] == "completed") {
            return jobs;
        }
        assert!(Instant::now() < until, "not in time: {jobs:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// All rows that a query finds.
fn rows(hub: &Hub, query: &str) -> Vec<Value> {
    let rows = ask(hub, "POST", "/devices/query", &json!({ "query": query }));
    rows.as_array().expect("an array").clone()
}

/// The desired properties of all devices, by pages of the ids.
fn desired(hub: &Hub, devices: u64) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    while (all.len() as u64) < devices {
        let last = all.keys().next_back().cloned().unwrap_or_default();
        let query = "SELECT deviceId, properties.desired.round AS round, \
            properties.desired.$version AS version FROM devices WHERE deviceId > ";
        for row in rows(hub, &format!("{query} '{last}'")) {
            all.insert(row["deviceId"].as_str().expect("text").to_owned(), row);
        }
    }
    all
}

#[test]
fn no_device_is_done_twice_however_the_hub_ends() {
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    let size = number_from("RINGHUB_CRASH_DEVICES").unwrap_or(DEVICES).max(CALLED as u64);
    println!("crash: {rounds} rounds over {size} devices, seed {seed}");
    let mut random = Random(seed | 1);
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    register(&hub, size as usize);
    let devices: Vec<_> = (0..CALLED).map(|n| Device::known(&hub, &id(n))).collect();
    let (mut midway, mut done, mut in_doubt) = (0, 0, 0);
    for round in 1..=rounds {
        let called: Vec<_> = devices.iter().map(|_| AtomicU64::new(0)).collect();
        let life = Duration::from_millis(random.below(1500));
        // In every second round, the kill comes while a device has been called and is silent.
        let is_silent = round.is_multiple_of(2);
        let is_called = || !is_silent || called[0].load(Ordering::SeqCst) > 0;
        with_devices(&hub, &devices, &called, is_silent, |hub, killed| {
            create(hub, round);
            kill_after(hub, killed, is_called, life);
        });
        hub.reap();
        hub.launch();
        let before = ask(&hub, "GET", &format!("/jobs/v2/twins-{round}"), &Value::Null);
        midway += u64::from(before["status"] != "completed");
        println!("crash: round {round}, after the kill: {:?}", counts(&before));
        let jobs = with_devices(&hub, &devices, &called, false, |hub, killed| {
            let jobs = follow(hub, round);
            killed.store(true, Ordering::SeqCst);
            hub.kill();
            jobs
        });
        hub.reap();
        hub.launch();
        let ends = judge(&hub, round, &jobs, &called, size);
        assert!(!is_silent || ends[1] > 0, "the silent device must be in doubt");
        println!(
            "crash: round {round}, at the end: twins {:?}, each patched once; calls {:?}",
            counts(&jobs[0]),
            counts(&jobs[1])
        );
        done += ends[0];
        in_doubt += ends[1];
    }
    println!("crash: {done} called, {in_doubt} in doubt");
    assert!(done > 0 && in_doubt > 0, "too few ends of one kind to prove anything");
    println!("crash: {midway} of {rounds} kills came before the end of the twin job");
    assert!(midway > 0, "every job had ended before its kill: that proves nothing");
}

/// Lets the devices answer while `work` goes on, which ends with the hub; the first one may be
/// silent.
fn with_devices<T>(
    hub: &Hub,
    devices: &[Device],
    called: &[AtomicU64],
    is_silent: bool,
    work: impl FnOnce(&Hub, &AtomicBool) -> T,
) -> T {
    let killed = AtomicBool::new(false);
    thread::scope(|scope| {
        for (n, (device, called)) in devices.iter().zip(called).enumerate() {
            let killed = &killed;
            scope.spawn(move || {
                if let Err(error) = answer(hub, device, called, is_silent && n == 0) {
                    assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
                }
            });
        }
        work(hub, &killed)
    })
}

/// Both jobs have ended, and the hub has been killed once more since. Returns how many devices were
/// called, and how many are in doubt.
fn judge(hub: &Hub, round: u64, jobs: &[Value; 2], called: &[AtomicU64], devices: u64) -> [u64; 2] {
    let [twins, calls] = jobs;
    assert_eq!(counts(twins), [devices, 0, devices, 0, 0], "{twins}");
    for (id, row) in desired(hub, devices) {
        assert_eq!(
            (row["round"].as_u64(), row["version"].as_u64()),
            (Some(round), Some(round + 1)),
            "{id} was done once too often or not at all: {row}"
        );
    }
    let shown = ask(hub, "GET", &format!("/jobs/v2/calls-{round}"), &Value::Null);
    assert_eq!(shown, *calls, "what has ended stays");
    let [all, failed, succeeded, running, pending] = counts(calls);
    assert_eq!([all, running, pending], [CALLED as u64, 0, 0], "{calls}");
    let rows = rows(hub, &format!("SELECT * FROM devices.jobs WHERE jobId = 'calls-{round}'"));
    assert_eq!(rows.len(), CALLED);
    let (mut done, mut in_doubt) = (0, 0);
    for (row, called) in rows.iter().zip(called) {
        let called = called.load(Ordering::SeqCst);
        assert!(called <= 1, "called {called} times: {row}");
        match row["status"].as_str() {
            Some("completed") => {
                assert_eq!(called, 1, "recorded as done: {row}");
                done += 1;
            }
            Some("failed") => {
                assert_eq!(row["error"]["code"], "GatewayTimeout", "{row}");
                let text = row["error"]["description"].as_str().unwrap_or_default();
                assert!(text.contains("may have run the method"), "{row}");
                in_doubt += 1;
            }
            _ => panic!("{row}"),
        }
    }
    assert_eq!([succeeded, failed], [done, in_doubt], "{calls}");
    [done, in_doubt]
}
