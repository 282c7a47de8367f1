//! Kills the hub at random instants and checks that no promise was broken.
//!
//! Goal: a positive acknowledgement means that the data is on disk, and what one reader saw every
//! later reader sees. Method: devices in plain Rust publish with QoS 1 and record every PUBACK;
//! `kill -9` comes at a random time; the devices reconnect and resend what was unacknowledged, as
//! the protocol asks of them; small segments make rolls and recoveries meet the kills. At the end
//! everything is read back and judged by [`verdict`].
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::event::Event;
use support::hub::{Hub, HubOptions};
use support::kill::kill_after;
use support::mqtt::MqttDevice;
use support::python::Python;
use support::random::Random;
use support::rest::Device;
use support::script::Running;
use support::seed::{number_from, seed_from};

const ROUNDS: u64 = 50;
const DEVICES: usize = 4;
/// Messages of one device that await their PUBACK.
const WINDOW: usize = 16;
/// Messages of one device in one round at most, so that the final read stays short.
const ROUND_MESSAGES_MAX: usize = 400;
/// A reader watches every so many rounds; starting it takes longer than a round.
const WATCH_EVERY: u64 = 10;
/// PUBACKs of every second round at least; in the others, the kill may come before any.
const ACKNOWLEDGED_MIN: usize = 3;

#[test]
fn nothing_acknowledged_is_lost_however_the_hub_ends() {
    let Some(python) = Python::provisioned() else { return };
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let options = HubOptions { shards: 2, executors: 2, ..HubOptions::default() };
    let mut hub = Hub::start_with(options);
    let mut publishers: Vec<Publisher> =
        (0..DEVICES).map(|n| Publisher::new(Device::create(&hub, &format!("pump-{n}")))).collect();
    let mut watched = Vec::new();
    for round in 0..rounds {
        let watcher = (round % WATCH_EVERY == 0).then(|| start_watching(&python, &hub));
        let life = Duration::from_millis(20 + random.below(400));
        let acknowledged_min = if round.is_multiple_of(2) { ACKNOWLEDGED_MIN } else { 0 };
        run_round(&mut hub, &mut publishers, acknowledged_min, life);
        watched.extend(watcher.into_iter().flat_map(|reader| reader.stop().events()));
        hub.launch();
    }
    let events = read_everything(&python, &hub);
    let verdict = verdict(&publishers, &events, &watched);
    println!("crash: {rounds} rounds, {verdict:?}");
    assert!(verdict.acknowledged > rounds as usize, "too little traffic to prove anything");
    assert!(!watched.is_empty(), "no reader saw anything before a kill");
    let Verdict { acknowledged, resent, .. } = verdict;
    assert_eq!(verdict, Verdict { acknowledged, resent, ..Verdict::default() }, "seed {seed}");
}

#[test]
fn the_verdict_sees_every_kind_of_fault() {
    let mut publisher = Publisher::new(Device { id: "pump".to_owned(), key: String::new() });
    publisher.next = 4;
    publisher.acknowledged = BTreeSet::from([0, 1, 2]);
    publisher.resends.insert(3, 1);
    let publishers = [publisher];
    let event = |sequence_number: u64, body: String| Event {
        partition: "0".to_owned(),
        offset: sequence_number.to_string(),
        sequence_number,
        enqueued_time_ms: 0,
        body,
        properties: BTreeMap::new(),
        system: BTreeMap::from([("iothub-connection-device-id".to_owned(), "pump".into())]),
        last_enqueued: None,
    };
    let stored = |numbers: &[u64]| -> Vec<Event> {
        let bodies = numbers.iter().map(|number| publishers[0].body(*number));
        bodies.zip(0..).map(|(body, sequence_number)| event(sequence_number, body)).collect()
    };
    let judge = |events: &[Event], watched: &[Event]| verdict(&publishers, events, watched);
    let sound = Verdict { acknowledged: 3, resent: 1, ..Verdict::default() };

    assert_eq!(judge(&stored(&[0, 1, 2]), &stored(&[0, 1])), sound);
    assert_eq!(judge(&stored(&[0, 1, 2, 3, 3]), &[]), sound, "a resend may appear twice");
    assert_eq!(judge(&stored(&[0, 2]), &[]).missing, 1);
    assert_eq!(judge(&stored(&[0, 1, 1, 2]), &[]).duplicates, 1);
    assert_eq!(judge(&stored(&[0, 2, 1]), &[]).disordered, 1);
    assert_eq!(judge(&stored(&[0, 1, 2]), &stored(&[0, 2])).unseen, 1);
    let mut events = stored(&[0, 1, 2]);
    events.remove(1);
    assert_eq!(judge(&events, &[]).gaps, 1);
    events.push(event(3, "pump/9/never sent".to_owned()));
    assert_eq!(judge(&events, &[]).damaged, 1);
}

/// Publishes from all devices until the kill has cut every one of them off; it comes `life` after
/// `acknowledged_min` PUBACKs.
fn run_round(hub: &mut Hub, publishers: &mut [Publisher], acknowledged_min: usize, life: Duration) {
    let (killed, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let (target, killed, count): (&Hub, _, _) = (hub, &killed, &count);
        for publisher in publishers {
            scope.spawn(move || {
                if let Err(error) = publisher.publish(target, count) {
                    let device = &publisher.device.id;
                    assert!(killed.load(Ordering::SeqCst), "{device} before the kill: {error}");
                }
            });
        }
        kill_after(target, killed, || count.load(Ordering::SeqCst) >= acknowledged_min, life);
    });
    hub.reap();
}

/// One device and what it knows about its messages, numbered from zero over all rounds.
#[derive(Debug)]
struct Publisher {
    device: Device,
    next: u64,
    /// Sent and not acknowledged, oldest first.
    in_flight: VecDeque<u64>,
    acknowledged: BTreeSet<u64>,
    /// How often a message was sent again after a connection broke.
    resends: BTreeMap<u64, usize>,
}

impl Publisher {
    fn new(device: Device) -> Self {
        Self {
            device,
            next: 0,
            in_flight: VecDeque::new(),
            acknowledged: BTreeSet::new(),
            resends: BTreeMap::new(),
        }
    }

    /// Resends what is unacknowledged, then sends new messages, and counts PUBACKs; the error is
    /// how the connection ended.
    fn publish(&mut self, hub: &Hub, count: &AtomicUsize) -> io::Result<()> {
        let mut connection = MqttDevice::connect(hub, &self.device)?;
        for number in self.in_flight.clone() {
            *self.resends.entry(number).or_default() += 1;
            connection.publish(packet_id(number), self.body(number).as_bytes(), true)?;
        }
        let end = self.next + ROUND_MESSAGES_MAX as u64;
        loop {
            while self.in_flight.len() < WINDOW && self.next < end {
                let number = self.next;
                self.next += 1;
                self.in_flight.push_back(number);
                connection.publish(packet_id(number), self.body(number).as_bytes(), false)?;
            }
            connection.flush()?;
            if self.in_flight.is_empty() {
                return Ok(());
            }
            let acknowledged = connection.read_puback()?;
            self.on_puback(acknowledged);
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// PUBACKs come in the order of the PUBLISHes [MQTT-4.6.0-2].
    fn on_puback(&mut self, id: u16) {
        let oldest = self.in_flight.pop_front().expect("a PUBACK answers a PUBLISH");
        assert_eq!(id, packet_id(oldest), "PUBACKs of {} are out of order", self.device.id);
        self.acknowledged.insert(oldest);
    }

    fn body(&self, number: u64) -> String {
        format!("{}/{number}/{}", self.device.id, "x".repeat(200 + (number % 7) as usize * 90))
    }
}

/// What is wrong; a run without fault has zeros everywhere but in the first two.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    acknowledged: usize,
    resent: usize,
    /// Acknowledged and not there.
    missing: usize,
    /// There more often than it was sent.
    duplicates: usize,
    /// Events whose sequence number does not follow the one before.
    gaps: usize,
    /// First appearances that come after a later message of the same device.
    disordered: usize,
    /// Seen by a reader before a kill, and gone or changed afterwards.
    unseen: usize,
    /// Events whose body no device has sent.
    damaged: usize,
}

/// Judges the final content; knows nothing of the hub but what its clients may rely on.
fn verdict(publishers: &[Publisher], events: &[Event], watched: &[Event]) -> Verdict {
    let mut verdict = Verdict { gaps: gaps(events), ..Verdict::default() };
    let bodies = |event: &Event| event.body.clone();
    let mut copies = BTreeMap::<String, usize>::new();
    events.iter().map(bodies).for_each(|body| *copies.entry(body).or_default() += 1);
    let mut accounted = 0;
    for publisher in publishers {
        verdict.acknowledged += publisher.acknowledged.len();
        verdict.resent += publisher.resends.values().sum::<usize>();
        for number in 0..publisher.next {
            let found = copies.get(&publisher.body(number)).copied().unwrap_or(0);
            let sent = 1 + publisher.resends.get(&number).copied().unwrap_or(0);
            accounted += found;
            verdict.duplicates += found.saturating_sub(sent);
            verdict.missing += usize::from(found == 0 && publisher.acknowledged.contains(&number));
        }
        verdict.disordered += disordered(&publisher.device.id, events);
    }
    verdict.damaged = events.len() - accounted;
    verdict.unseen = unseen(events, watched);
    verdict
}

fn gaps(events: &[Event]) -> usize {
    let mut ends = BTreeMap::<&str, u64>::new();
    let mut gaps = 0;
    for event in events {
        let next = ends.entry(&event.partition).or_default();
        gaps += usize::from(event.sequence_number != *next);
        *next = event.sequence_number + 1;
    }
    gaps
}

fn disordered(device: &str, events: &[Event]) -> usize {
    let mut seen = BTreeSet::new();
    let mut disordered = 0;
    for event in events.iter().filter(|event| event.device_id() == device) {
        let number = event.body.split('/').nth(1).and_then(|text| text.parse::<u64>().ok());
        let Some(number) = number else { continue };
        let newest = seen.last().copied();
        disordered += usize::from(seen.insert(number) && newest.is_some_and(|last| last > number));
    }
    disordered
}

fn unseen(events: &[Event], watched: &[Event]) -> usize {
    let place = |event: &Event| {
        (event.partition.clone(), event.sequence_number, event.offset.clone(), event.body.clone())
    };
    let there: BTreeSet<_> = events.iter().map(place).collect();
    watched.iter().filter(|event| !there.contains(&place(event))).count()
}

/// Starts a reader from the beginning and waits until it sees events, unless there are none yet.
fn start_watching(python: &Python, hub: &Hub) -> Running {
    let mut reader = python.reader(hub).args(["--seconds", "120"]).spawn();
    if count_events(python, hub) > 0 {
        reader.wait_for("event");
    }
    reader
}

/// Everything that is stored, through the command line: reading so much through an SDK would take
/// longer than all rounds.
fn read_everything(python: &Python, hub: &Hub) -> Vec<Event> {
    let stored = count_events(python, hub);
    let output = Command::new(env!("CARGO_BIN_EXE_ringhub"))
        .args(["monitor-events", "--enqueued-time", "0", "--timeout", "60", "--output", "json"])
        .args(["--count", &stored.to_string(), "--data-dir"])
        .arg(hub.data_dir())
        .output()
        .expect("the command can be run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let lines = str::from_utf8(&output.stdout).expect("JSON is text").lines();
    let events: Vec<Event> = lines.map(event_of).collect();
    assert_eq!(events.len() as i64, stored, "{told}");
    events
}

/// An event as the command line prints it.
fn event_of(line: &str) -> Event {
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    let event = &line["event"];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let system = event["annotations"].as_object().expect("annotations").clone();
    Event {
        partition: text(&event["partition"]),
        offset: text(&system["x-opt-offset"]),
        sequence_number: system["x-opt-sequence-number"].as_u64().expect("a number"),
        enqueued_time_ms: 0,
        body: text(&event["payload"]),
        properties: BTreeMap::new(),
        system: system.into_iter().collect(),
        last_enqueued: None,
    }
}

fn count_events(python: &Python, hub: &Hub) -> i64 {
    let script = python.script("metadata.py").arg(hub.event_hub_connection_string());
    let lines = script.arg(hub.ca_file()).run();
    let counts = lines.all("partition").into_iter().map(|partition| {
        partition["last_enqueued_sequence_number"].as_i64().expect("a sequence number") + 1
    });
    counts.sum()
}

/// Packet identifiers go round from 1; a window is far smaller than the circle.
fn packet_id(number: u64) -> u16 {
    (number % u64::from(u16::MAX)) as u16 + 1
}
