//! Kills the hub at random instants while both sides change twins, and checks that no promise was
//! broken.
//!
//! Goal: a positive answer to a patch means that it is on disk, and versions never fall. Method:
//! devices in plain Rust report counters, a back end counts in the desired properties of each; both
//! note every answer. `kill -9` comes at a random time. After each restart the twins must hold at
//! least what was answered and at most what was asked, from the device's side as from the back
//! end's.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::hub::{Hub, HubOptions};
use support::kill::kill_after;
use support::mqtt::Login;
use support::random::Random;
use support::rest::{Device, exchange};
use support::seed::{number_from, seed_from};
use support::twin_client::TwinClient;

const ROUNDS: u64 = 10;
const DEVICES: usize = 4;
/// Answers to either side in every second round at least; in the others, the kill may come before
/// any.
const ANSWERS_MIN: u64 = 3;

/// One counter that its writer raises by one with each patch.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// The last patch that was sent.
    sent: u64,
    /// The last patch that was answered with success, and the version of the section after it.
    stored: u64,
    version: u64,
}

impl Counter {
    /// Judges what a section says after a restart, and goes on from there.
    fn judge(&mut self, section: &Value) {
        let found = section["n"].as_u64().unwrap_or(0);
        let version = section["$version"].as_u64().expect("a section has a version");
        assert!((self.stored..=self.sent).contains(&found), "{self:?} but {section}");
        assert!(version >= self.version, "the version has fallen: {self:?} but {section}");
        // Every patch raises both by one, so they cannot drift apart.
        assert_eq!(version, found + 1, "{self:?} but {section}");
        *self = Self { sent: found, stored: found, version };
    }
}

/// Patches of one round that were answered, over all devices.
#[derive(Debug, Default)]
struct Answered {
    reports: AtomicU64,
    changes: AtomicU64,
}

impl Answered {
    fn is_at_least(&self, count: u64) -> bool {
        [&self.reports, &self.changes].iter().all(|of| of.load(Ordering::SeqCst) >= count)
    }
}

struct Writer {
    device: Device,
    reported: Counter,
    desired: Counter,
}

impl Writer {
    fn device_side(
        login: &Login,
        counter: &mut Counter,
        hub: &Hub,
        answered: &AtomicU64,
    ) -> io::Result<()> {
        let mut client = TwinClient::connect(hub, login, true)?;
        loop {
            counter.sent += 1;
            let patch = json!({"n": counter.sent, "text": "x".repeat(200)}).to_string();
            let answer = client.report(patch.as_bytes(), None)?;
            assert_eq!(answer.status, 204, "{answer:?}");
            counter.stored = counter.sent;
            counter.version = answer.version.expect("a success names the version");
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn service_side(
        id: &str,
        counter: &mut Counter,
        hub: &Hub,
        answered: &AtomicU64,
    ) -> io::Result<()> {
        loop {
            counter.sent += 1;
            let patch = json!({"properties": {"desired": {"n": counter.sent}}}).to_string();
            let (status, body) = exchange(hub, "PATCH", &format!("/twins/{id}"), &patch)?;
            assert_eq!(status, 200, "{body}");
            // An answer that the kill has cut short is none.
            let Ok(twin) = serde_json::from_str::<Value>(&body) else { return Ok(()) };
            counter.stored = counter.sent;
            counter.version = twin["properties"]["desired"]["$version"].as_u64().expect("one");
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn no_answered_patch_is_lost_however_the_hub_ends() {
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let mut writers: Vec<Writer> = (0..DEVICES)
        .map(|n| Writer {
            device: Device::create(&hub, &format!("pump-{n}")),
            reported: Counter::default(),
            desired: Counter::default(),
        })
        .collect();
    for round in 0..rounds {
        let life = Duration::from_millis(100 + random.below(400));
        let answers_min = if round.is_multiple_of(2) { ANSWERS_MIN } else { 0 };
        run_round(&mut hub, &mut writers, answers_min, life);
        hub.launch();
        for writer in &mut writers {
            judge(&hub, writer);
        }
    }
    let reports: u64 = writers.iter().map(|writer| writer.reported.stored).sum();
    let changes: u64 = writers.iter().map(|writer| writer.desired.stored).sum();
    println!("crash: {rounds} rounds, {reports} reports and {changes} changes stored, none lost");
    assert!(reports > rounds && changes > rounds, "too little traffic to prove anything");
}

/// Changes all twins from both sides until the kill, `life` after `answers_min` answers to either.
fn run_round(hub: &mut Hub, writers: &mut [Writer], answers_min: u64, life: Duration) {
    let (killed, answered) = (AtomicBool::new(false), Answered::default());
    thread::scope(|scope| {
        let (target, killed, answered): (&Hub, &AtomicBool, _) = (hub, &killed, &answered);
        let check = move |result: io::Result<()>| {
            if let Err(error) = result {
                assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
            }
        };
        for Writer { device, reported, desired } in writers {
            let login = Login::device(target, device);
            let (reports, changes) = (&answered.reports, &answered.changes);
            scope.spawn(move || check(Writer::device_side(&login, reported, target, reports)));
            let id = &device.id;
            scope.spawn(move || check(Writer::service_side(id, desired, target, changes)));
        }
        kill_after(target, killed, || answered.is_at_least(answers_min), life);
    });
    hub.reap();
}

/// Both sides must see the same twin, and it must keep what was promised.
fn judge(hub: &Hub, writer: &mut Writer) {
    let id = &writer.device.id;
    let login = Login::device(hub, &writer.device);
    let mut client = TwinClient::connect(hub, &login, false).expect("the device may connect");
    let own = client.get().expect("the device is answered").body;
    let (status, body) = exchange(hub, "GET", &format!("/twins/{id}"), "").expect("an answer");
    assert_eq!(status, 200, "{body}");
    let twin: Value = serde_json::from_str(&body).expect("a twin is JSON");
    for (name, counter) in [("reported", &mut writer.reported), ("desired", &mut writer.desired)] {
        counter.judge(&own[name]);
        let mut section = twin["properties"][name].clone();
        let metadata = section.as_object_mut().and_then(|section| section.remove("$metadata"));
        assert!(metadata.is_some(), "{twin}");
        assert_eq!(section, own[name]);
    }
    let expected = writer.reported.version + writer.desired.version;
    assert_eq!(twin["version"], expected, "{twin}");
}
