//! Kills the hub at random instants while administrators make, change and delete hubs, and checks
//! that each step was done or was not, and never half.
//!
//! Goal: after each restart a hub is what its last answer said, or what the step that was under way
//! would have made of it: tags, retention, policies with their keys, consumer groups. Method: each
//! administrator has a model of one hub and takes a random step at a time; a step without an answer
//! may have happened. After the restart all of the hub is read and compared with both states, and
//! its key must open it. Hubs whose end was acknowledged must not come back, nor leave anything.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use support::http::HttpConnection;
use support::hub::Hub;
use support::kill::kill_after;
use support::patience::eventually;
use support::provider::{Administrator, PLANT};
use support::random::Random;
use support::seed::{number_from, seed_from};
use support::{sas, tls};

const ROUNDS: u64 = 6;
const ADMINISTRATORS: u64 = 3;
/// Steps that are answered in every second round at least; in the others, the kill may come before
/// any.
const ANSWERS_MIN: u64 = 6;

/// One time between a start and a kill.
#[derive(Debug, Default)]
struct Round {
    killed: AtomicBool,
    answered: AtomicU64,
}

/// What a hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// Number of the description that counts; it decides tags, comment, retention and key.
    version: u64,
    patched: u64,
    groups: BTreeSet<String>,
}

impl State {
    fn new(version: u64) -> Self {
        Self { version, patched: version, groups: BTreeSet::new() }
    }

    fn key(&self) -> String {
        STANDARD.encode(format!("key {:028}", self.version))
    }

    fn days(&self) -> u64 {
        1 + self.version % 7
    }

    fn description(&self) -> Value {
        let rights = "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect";
        json!({
            "location": "here",
            "sku": { "name": "S1", "capacity": 1 },
            "tags": { "n": self.patched.to_string() },
            "properties": {
                "comments": self.version.to_string(),
                "eventHubEndpoints": { "events": { "retentionTimeInDays": self.days() } },
                "authorizationPolicies": [{
                    "keyName": "own", "rights": rights,
                    "primaryKey": self.key(), "secondaryKey": self.key(),
                }],
            },
        })
    }
}

/// A request, and what becomes of the hub by it.
struct Step {
    method: &'static str,
    path: String,
    body: Value,
    after: Option<State>,
}

/// An administrator with a hub of its own.
struct Owner {
    number: u64,
    random: Random,
    /// Hubs that there were before the present one; none comes back.
    lives: u64,
    steps: u64,
    state: Option<State>,
    /// What a step without an answer would have made of the hub.
    pending: Option<Option<State>>,
}

impl Owner {
    fn name(&self, life: u64) -> String {
        format!("h{}-{life}", self.number)
    }

    fn path(&self) -> String {
        format!("{PLANT}/{}", self.name(self.lives))
    }

    fn groups(&self) -> String {
        format!("{}/eventHubEndpoints/events/ConsumerGroups", self.path())
    }

    fn next_step(&mut self) -> Step {
        self.steps += 1;
        let (path, steps) = (self.path(), self.steps);
        let Some(state) = self.state.clone() else {
            let made = State::new(steps);
            return Step { method: "PUT", path, body: made.description(), after: Some(made) };
        };
        let mut after = state.clone();
        let step = |method, path, body, after| Step { method, path, body, after: Some(after) };
        match self.random.below(6) {
            0 | 1 => {
                (after.version, after.patched) = (steps, steps);
                step("PUT", path, after.description(), after)
            }
            2 => {
                after.patched = steps;
                step("PATCH", path, json!({ "tags": { "n": steps.to_string() } }), after)
            }
            3 if after.groups.len() < 5 => {
                let group = format!("g{steps}");
                let path = format!("{}/{group}", self.groups());
                after.groups.insert(group);
                step("PUT", path, json!({}), after)
            }
            4 if !after.groups.is_empty() => {
                let group = after.groups.pop_first().unwrap_or_default();
                step("DELETE", format!("{}/{group}", self.groups()), Value::Null, after)
            }
            _ => Step { method: "DELETE", path, body: Value::Null, after: None },
        }
    }

    /// Takes steps until the hub is gone.
    fn work(&mut self, hub: &Hub, round: &Round) {
        let Ok(mut administrator) = Administrator::connect(hub) else {
            assert!(round.killed.load(Ordering::SeqCst), "it listens until it is killed");
            return;
        };
        loop {
            let Step { method, path, body, after } = self.next_step();
            self.pending = Some(after.clone());
            let answer = administrator.exchange(method, &path, &body);
            let Ok((status, answer)) = answer else {
                assert!(round.killed.load(Ordering::SeqCst), "before the kill: {answer:?}");
                return;
            };
            assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
            self.settle(after);
            round.answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The hub is so now.
    fn settle(&mut self, state: Option<State>) {
        self.pending = None;
        if self.state.is_some() && state.is_none() {
            self.lives += 1;
        }
        self.state = state;
    }

    /// Compares the hub with the model; takes over what a step without an answer has done.
    fn check(&mut self, hub: &Hub, administrator: &mut Administrator) {
        let seen = self.read(administrator);
        if seen != self.state {
            let (before, pending) = (&self.state, self.pending.take());
            assert_eq!(Some(&seen), pending.as_ref(), "it was {before:?}");
            self.settle(seen);
        }
        self.pending = None;
        if let Some(state) = &self.state {
            let host = format!("{}.localhost", self.name(self.lives));
            assert_eq!(use_hub(hub, &host, &state.key()).expect("it answers"), 200, "{host}");
        }
        for life in 0..self.lives {
            let path = format!("{PLANT}/{}", self.name(life));
            let (status, _) = administrator.exchange("GET", &path, &Value::Null).expect("answered");
            assert_eq!(status, 404, "{path} is back");
        }
    }

    fn read(&self, administrator: &mut Administrator) -> Option<State> {
        let answer = administrator.exchange("GET", &self.path(), &Value::Null);
        let (status, document) = answer.expect("the hub answers");
        if status == 404 {
            return None;
        }
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        let version = number(&document["properties"]["comments"]).expect("a number");
        let patched = number(&document["tags"]["n"]).expect("a number");
        let list = administrator.good("GET", &self.groups(), &Value::Null);
        let names = list["value"].as_array().expect("a list").iter();
        let names = names.map(|group| group["name"].as_str().expect("a name").to_owned());
        let groups = names.filter(|name| name != "$Default").collect();
        let state = State { version, patched, groups };
        let events = &document["properties"]["eventHubEndpoints"]["events"];
        assert_eq!(events["retentionTimeInDays"], state.days(), "{document}");
        let keys = administrator.good("POST", &format!("{}/listkeys", self.path()), &Value::Null);
        assert_eq!(keys["value"].as_array().map(Vec::len), Some(1), "{keys}");
        assert_eq!(keys["value"][0]["primaryKey"], state.key(), "half a change: {document}");
        Some(state)
    }
}

/// What the registry of a hub answers to its own key, over TLS with its own certificate.
fn use_hub(hub: &Hub, host: &str, key: &str) -> io::Result<u16> {
    let token = sas::token(host, key, Some("own"));
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = tls::connect_to(hub, hub.address.https_port, name)?;
    let mut http = HttpConnection::over(stream, host.to_owned(), token);
    Ok(http.exchange("GET", "/devices", "", "")?.status)
}

/// Certificates and keys of hubs that were made.
fn certificates(hub: &Hub) -> Vec<String> {
    let folder = hub.data_dir().join("tls/hubs");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn each_step_is_done_or_not_however_the_hub_ends() {
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let mut hub = Hub::start();
    let mut owners: Vec<_> = (0..ADMINISTRATORS)
        .map(|number| {
            let random = Random(random.below(u64::MAX) | 1);
            Owner { number, random, lives: 0, steps: 0, state: None, pending: None }
        })
        .collect();
    let (mut cut_short, mut done) = (0, 0);
    for number in 0..rounds {
        let life = Duration::from_millis(20 + random.below(400));
        let answers_min = if number.is_multiple_of(2) { ANSWERS_MIN } else { 0 };
        let round = Round::default();
        thread::scope(|scope| {
            let (hub, round) = (&hub, &round);
            owners.iter_mut().for_each(|owner| drop(scope.spawn(move || owner.work(hub, round))));
            let is_enough = || round.answered.load(Ordering::SeqCst) >= answers_min;
            kill_after(hub, &round.killed, is_enough, life);
        });
        hub.reap();
        hub.launch();
        let mut administrator = Administrator::connect(&hub).expect("the hub listens");
        for owner in &mut owners {
            cut_short += u64::from(owner.pending.is_some());
            owner.check(&hub, &mut administrator);
        }
        done += round.answered.load(Ordering::SeqCst);
    }
    println!("crash: {done} steps were answered, {cut_short} were cut short");
    assert!(done >= rounds / 2 * ANSWERS_MIN, "too few steps to prove anything");

    let mut administrator = Administrator::connect(&hub).expect("the hub listens");
    for owner in &owners {
        administrator.exchange("DELETE", &owner.path(), &Value::Null).expect("answered");
    }
    let listed = administrator.good("GET", PLANT, &Value::Null);
    assert_eq!(listed["value"], json!([]));
    eventually("what deleted hubs had is removed", || certificates(&hub).is_empty());
}
