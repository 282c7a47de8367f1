//! Messages to devices when things go wrong: takeovers, kills, silence and nonsense.
//!
//! `RINGHUB_C2D_ROUNDS` and `RINGHUB_C2D_SEED` repeat the run with kills; the seed is printed.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ringhub_core::codec::amqp::performative::DeliveryState;
use ringhub_core::session::amqp::DeliveryId;
use support::amqp::Fact;
use support::c2d::{C2d, C2dSender, FeedbackReader, connect_as};
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::kill::kill_after;
use support::mqtt::{Login, MqttDevice, Received};
use support::patience::eventually;
use support::random::Random;
use support::rest::{self, Device, Module};
use support::seed::{number_from, seed_from};

const TO: &str = "/devices/pump/messages/devicebound";
const FILTER: &str = "devices/pump/messages/devicebound/#";
/// Deliveries that one connection has without an acknowledgement, at most.
const WINDOW: usize = 10;
/// Messages that the hub accepts at least in every second of the rounds that end with a kill; in
/// the others, the kill may come before any.
const ACCEPTED_MIN: usize = 11;

fn start(shards: u16) -> Hub {
    Hub::start_with(HubOptions { shards, log: "ringhub_edge=debug", ..HubOptions::default() })
}

fn message<'a>(id: &'a str, ack: &'a str) -> C2d<'a> {
    C2d { to: TO, id, ack, expiry_ms: None }
}

/// Sends messages numbered like `numbers`, each of which must be accepted.
fn send(sender: &mut C2dSender, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        let id = number.to_string();
        let outcome = sender.send(&message(&id, "full"), &id).expect("the hub answers");
        assert_eq!(outcome, Vec::<String>::new());
    }
}

fn read(device: &mut MqttDevice, count: usize) -> Vec<Received> {
    (0..count).map(|_| device.read_message().expect("a message is due")).collect()
}

fn texts(messages: &[Received]) -> Vec<String> {
    messages.iter().map(Received::text).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn queued(hub: &Hub) -> u64 {
    let (status, body) = rest::exchange(hub, "GET", "/devices/pump", "").expect("the hub answers");
    assert_eq!(status, 200, "{body}");
    let device: serde_json::Value = serde_json::from_str(&body).expect("a device is JSON");
    device["cloudToDeviceMessageCount"].as_u64().expect("a count")
}

#[test]
fn a_takeover_across_shards_loses_nothing_and_keeps_the_order() {
    let hub = start(3);
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let mut connections = Vec::new();
    let mut first = MqttDevice::connect(&hub, &device).expect("the hub accepts the device");
    first.subscribe(FILTER).expect("the hub answers");
    send(&mut sender, 0..5);
    let seen = read(&mut first, 5);
    assert!(seen.iter().all(|one| !one.dup), "nothing was delivered before");
    first.acknowledge(seen[0].id).expect("the hub listens");
    eventually("the first is complete", || queued(&hub) == 4);
    connections.push(first);
    for round in 0..12 {
        // The persistent session needs no SUBSCRIBE; the old connection stays half open.
        let mut next = MqttDevice::connect(&hub, &device).expect("the newest wins");
        let oldest = 1 + round;
        let expected = numbers(oldest..oldest + 4);
        let seen = read(&mut next, 4);
        assert_eq!(texts(&seen), expected, "round {round}");
        assert!(seen.iter().all(|one| one.dup), "all were delivered before");
        send(&mut sender, [oldest + 4]);
        let new = next.read_message().expect("a message is due");
        assert_eq!((new.text(), new.dup), ((oldest + 4).to_string(), false));
        next.acknowledge(seen[0].id).expect("the hub listens");
        eventually("one more is complete", || queued(&hub) == 4);
        connections.push(next);
    }
    let shards: BTreeSet<u16> = hub.shards_of("pump").into_iter().collect();
    assert!(shards.len() > 1, "all connections were on {shards:?}");
}

#[test]
fn a_module_has_a_queue_of_its_own() {
    let hub = start(3);
    Device::create(&hub, "pump");
    let module = Module::create(&hub, "pump", "m");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let to = "/devices/pump/modules/m/messages/deviceBound";
    let for_module = C2d { to, id: "x", ..C2d::default() };
    assert!(sender.send(&for_module, "for the module").expect("answered").is_empty());
    let mut device = MqttDevice::connect_as(&hub, &Login::module(&hub, &module)).expect("accepted");
    device.subscribe("devices/pump/modules/m/messages/devicebound/#").expect("answered");
    let received = device.read_message().expect("a message is due");
    let topic = "devices/pump/modules/m/messages/devicebound/%24.mid=x\
                 &%24.to=%2Fdevices%2Fpump%2Fmodules%2Fm%2Fmessages%2FdeviceBound";
    assert_eq!((received.text().as_str(), received.topic.as_str()), ("for the module", topic));
    assert_eq!(queued(&hub), 0);
    let unknown = C2d { to: "/devices/pump/modules/n/messages/deviceBound", ..for_module };
    assert_eq!(sender.send(&unknown, "x").expect("answered")[0], "amqp:not-found");
}

#[test]
fn with_qos_0_a_message_is_complete_when_it_is_written() {
    let hub = start(1);
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    send(&mut sender, 0..20);
    let mut device = MqttDevice::connect(&hub, &device).expect("accepted");
    device.subscribe_with(FILTER, 0).expect("answered");
    let seen = read(&mut device, 20);
    assert_eq!(texts(&seen), numbers(0..20));
    assert!(seen.iter().all(|one| one.id == 0 && !one.dup));
    eventually("all are complete", || queued(&hub) == 0);
}

#[test]
fn a_device_that_never_acknowledges_gets_one_window_and_strange_pubacks_change_nothing() {
    let mut hub = start(1);
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    send(&mut sender, 0..30);
    let mut device = MqttDevice::connect(&hub, &device).expect("accepted");
    device.subscribe(FILTER).expect("answered");
    let seen = read(&mut device, WINDOW);
    assert_eq!(texts(&seen), numbers(0..WINDOW));
    let used: BTreeSet<u16> = seen.iter().map(|one| one.id).collect();
    assert_eq!(used.len(), WINDOW, "no packet identifier is used twice");
    for id in (1..=u16::MAX).step_by(1111).filter(|id| !used.contains(id)) {
        device.acknowledge(id).expect("the hub listens");
    }
    device.ping().expect("nothing but the answer to the ping comes");
    assert_eq!(queued(&hub), 30);
    // Out of order, and one of them twice.
    for place in [3, 1, 1] {
        device.acknowledge(seen[place].id).expect("the hub listens");
    }
    assert_eq!(texts(&read(&mut device, 2)), numbers(WINDOW..WINDOW + 2));
    eventually("two are complete", || queued(&hub) == 28);
    device.ping().expect("the window is full again");
    hub.assert_sound();
}

#[test]
fn purging_ends_what_nobody_has_and_tells_the_sender() {
    let hub = start(1);
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let mut connected = MqttDevice::connect(&hub, &device).expect("accepted");
    connected.subscribe(FILTER).expect("answered");
    send(&mut sender, 0..WINDOW + 3);
    read(&mut connected, WINDOW);
    let purge = || rest::exchange(&hub, "DELETE", "/devices/pump/commands", "").expect("answered");
    let (status, body) = purge();
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(status, 200);
    assert_eq!(body["totalMessagesPurged"], 3);
    assert_eq!((&body["deviceId"], body["moduleId"].is_null()), (&"pump".into(), true));
    assert_eq!(queued(&hub), WINDOW as u64);
    let mut reader = FeedbackReader::connect(&hub, 10).expect("the hub accepts readers");
    let records = reader.take(3).expect("feedback is due");
    assert!(records.iter().all(|record| record["statusCode"] == "Purged"), "{records:?}");
    let (status, _) = rest::exchange(&hub, "DELETE", "/devices/none/commands", "").expect("JSON");
    assert_eq!(status, 404);
}

#[test]
fn deleting_a_device_drops_its_queue_and_its_feedback() {
    let hub = start(1);
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    send(&mut sender, 0..3);
    let mut connected = MqttDevice::connect(&hub, &device).expect("accepted");
    connected.subscribe(FILTER).expect("answered");
    let first = connected.read_message().expect("a message is due");
    connected.acknowledge(first.id).expect("the hub listens");
    eventually("one is complete", || queued(&hub) == 2);
    let (status, _) = rest::exchange(&hub, "DELETE", "/devices/pump", "").expect("answered");
    assert_eq!(status, 204);
    Device::create(&hub, "pump");
    assert_eq!(queued(&hub), 0);
    send(&mut sender, 7..8);
    let purged = rest::exchange(&hub, "DELETE", "/devices/pump/commands", "").expect("answered");
    assert_eq!(purged.0, 200);
    let mut reader = FeedbackReader::connect(&hub, 10).expect("the hub accepts readers");
    let records = reader.take(1).expect("feedback is due");
    assert_eq!(records.len(), 1, "feedback on the deleted device is gone: {records:?}");
    assert_eq!(records[0]["originalMessageId"], "7");
}

#[test]
fn feedback_that_is_not_settled_stays_bounded_and_comes_again() {
    let config = format!(
        "{SMALL_SEGMENTS}\n[cloud_to_device]\nfeedback_lock_duration = \"5s\"\nqueue_depth = 100\n"
    );
    let options = HubOptions { config, shards: 3, ..HubOptions::default() };
    let mut hub = Hub::start_with(options);
    Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let purge = |hub: &Hub| {
        let (status, _) = rest::exchange(hub, "DELETE", "/devices/pump/commands", "").expect("ok");
        assert_eq!(status, 200);
    };
    send(&mut sender, 0..1);
    purge(&hub);
    let mut silent = FeedbackReader::connect(&hub, 100).expect("the hub accepts readers");
    let (held, records) = silent.next().expect("a batch is due");
    assert_eq!(records[0]["originalMessageId"], "0");

    // The lock lapses: the batch comes again, to whoever waits, and the late verdict is refused.
    let (again, records) = silent.next().expect("the batch comes again");
    assert_eq!(records[0]["originalMessageId"], "0");
    silent.settle(held, DeliveryState::Accepted).expect("the hub listens");
    // Released: counted, and at once there again; a link that goes gives back what it holds.
    silent.settle(again, DeliveryState::Released).expect("the hub listens");
    let (_, records) = silent.next().expect("the batch comes again");
    assert_eq!(records[0]["originalMessageId"], "0");
    drop(silent);
    let mut reader = FeedbackReader::connect(&hub, 10).expect("the hub accepts readers");
    assert_eq!(reader.take(1).expect("feedback")[0]["originalMessageId"], "0");
    drop(reader);

    // Full batches wait for no clock; a settled one does not come again.
    send(&mut sender, 0..100);
    purge(&hub);
    let mut reader = FeedbackReader::connect(&hub, 1).expect("the hub accepts readers");
    let (batch, records) = reader.next().expect("a batch is due");
    assert_eq!(records.len(), 64);
    reader.settle(batch, DeliveryState::Accepted).expect("the hub listens");
    hub.assert_sound();
}

#[test]
fn a_device_policy_may_not_send_and_nonsense_is_refused_by_condition() {
    let mut hub = start(1);
    Device::create(&hub, "pump");
    for (policy, address) in
        [("device", "/messages/devicebound"), ("registryRead", "/messages/deviceBound")]
    {
        let mut client = connect_as(&hub, policy).expect("the policy may log in");
        client.send_to(address);
        let refused = client.next().expect("the hub answers");
        let Fact::Detached { condition, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(condition, "amqp:unauthorized-access");
    }
    let mut client = connect_as(&hub, "device").expect("the policy may log in");
    client.receive_from("/messages/servicebound/feedback", None);
    assert!(matches!(client.next(), Ok(Fact::Detached { .. })));

    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let past = C2d { expiry_ms: Some(1), ..message("x", "") };
    let far = C2d { expiry_ms: Some(i64::MAX), ..message("x", "") };
    let foreign = C2d { to: "/devices/other/messages/devicebound", ..message("x", "") };
    let events = C2d { to: "/devices/pump/messages/events", ..message("x", "") };
    let large = "x".repeat(64 * 1024);
    for (sections, condition) in [
        (past.sections(b""), "com.microsoft:argument-error"),
        (far.sections(b""), "com.microsoft:argument-error"),
        (message("x", "maybe").sections(b""), "com.microsoft:argument-error"),
        (events.sections(b""), "com.microsoft:argument-error"),
        (foreign.sections(b""), "amqp:not-found"),
        (message("x", "").sections(large.as_bytes()), "amqp:link:message-size-exceeded"),
        (b"\x00\x53\x75\xa0".as_slice().into(), "amqp:decode-error"),
        (b"".as_slice().into(), "com.microsoft:argument-error"),
    ] {
        sender.post(&sections).expect("the hub listens");
        let (_, outcome) = sender.outcome().expect("the hub answers");
        assert_eq!(outcome.first().map(String::as_str), Some(condition), "{outcome:?}");
    }
    // The link is as good as before, and gives more credit than it started with.
    send(&mut sender, 0..50);
    for _ in 0..150 {
        let outcome = sender.send(&message("x", ""), "x").expect("the hub answers");
        assert_eq!(outcome[0], "amqp:resource-limit-exceeded");
    }
    assert_eq!(queued(&hub), 50);
    hub.assert_sound();
}

/// What was accepted and what a device has acknowledged, over all rounds.
#[derive(Debug, Default)]
struct Ledger {
    next: usize,
    accepted: BTreeSet<usize>,
    /// Deliveries of each message, and whether the first was marked as a repetition.
    delivered: BTreeMap<usize, usize>,
    unmarked: usize,
    disordered: usize,
}

#[test]
fn nothing_accepted_is_lost_when_the_hub_is_killed() {
    let rounds = number_from("RINGHUB_C2D_ROUNDS").unwrap_or(10);
    let seed = seed_from("RINGHUB_C2D_SEED");
    println!("c2d kills: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let config = format!("{SMALL_SEGMENTS}\n[cloud_to_device]\nqueue_depth = 100\n");
    let mut hub = Hub::start_with(HubOptions { shards: 2, config, ..HubOptions::default() });
    let device = Device::create(&hub, "pump");
    // The session outlives connections and kills.
    let mut first = MqttDevice::connect(&hub, &device).expect("the hub accepts the device");
    first.subscribe(FILTER).expect("the hub answers");
    drop(first);
    let mut ledger = Ledger::default();
    for round in 0..rounds {
        let life = Duration::from_millis(20 + random.below(300));
        let accepted_min = if round.is_multiple_of(2) { ACCEPTED_MIN } else { 0 };
        run_round(&mut hub, &device, &mut ledger, accepted_min, life);
        hub.launch();
    }
    drain(&hub, &device, &mut ledger);
    let delivered: BTreeSet<usize> = ledger.delivered.keys().copied().collect();
    let lost = ledger.accepted.difference(&delivered).count();
    let repeated = ledger.delivered.values().filter(|count| **count > 1).count();
    println!(
        "c2d kills: {rounds} rounds, accepted {}, delivered {}, repeated {repeated}, lost {lost}",
        ledger.accepted.len(),
        delivered.len(),
    );
    assert!(ledger.accepted.len() > rounds as usize * 5, "too little traffic to prove anything");
    assert_eq!((lost, ledger.unmarked, ledger.disordered), (0, 0, 0), "seed {seed}");
}

/// Kills the hub `life` after it has accepted `accepted_min` messages.
fn run_round(
    hub: &mut Hub,
    device: &Device,
    ledger: &mut Ledger,
    accepted_min: usize,
    life: Duration,
) {
    let (killed, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let Ledger { next, accepted, .. } = &mut *ledger;
    let mut got = Vec::new();
    thread::scope(|scope| {
        let (hub, killed, count): (&Hub, _, _) = (hub, &killed, &count);
        scope.spawn(move || {
            let accept = |number| {
                accepted.insert(number);
                count.fetch_add(1, Ordering::SeqCst);
            };
            let error = send_until_cut(hub, next, accept).expect_err("the kill ends it");
            assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
        });
        let got = &mut got;
        scope.spawn(move || {
            let error = receive_until_cut(hub, device, got).expect_err("the kill ends it");
            assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
        });
        kill_after(hub, killed, || count.load(Ordering::SeqCst) >= accepted_min, life);
    });
    hub.reap();
    ledger.note(&got);
}

/// Sends with several messages under way; a queue that is full is no failure.
fn send_until_cut(hub: &Hub, next: &mut usize, mut accept: impl FnMut(usize)) -> io::Result<()> {
    let mut sender = C2dSender::connect(hub)?;
    let mut under_way: Vec<(DeliveryId, usize)> = Vec::new();
    loop {
        while under_way.len() < 8 {
            let id = next.to_string();
            let delivery = sender.post(&message(&id, "full").sections(id.as_bytes()))?;
            under_way.push((delivery, *next));
            *next += 1;
        }
        let (settled, outcome) = sender.outcome()?;
        let place = under_way.iter().position(|(delivery, _)| *delivery == settled);
        let (_, number) = under_way.swap_remove(place.expect("outcomes are of what was sent"));
        if outcome.is_empty() {
            accept(number);
        } else {
            assert_eq!(outcome[0], "amqp:resource-limit-exceeded");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Acknowledges every message but each fifth at once, so that kills meet both.
fn receive_until_cut(hub: &Hub, device: &Device, got: &mut Vec<Received>) -> io::Result<()> {
    let mut connection = MqttDevice::connect(hub, device)?;
    let mut kept = None;
    loop {
        let received = connection.read_message()?;
        let id = received.id;
        got.push(received);
        if let Some(kept) = kept.take() {
            connection.acknowledge(kept)?;
        }
        if got.len().is_multiple_of(5) {
            kept = Some(id);
        } else {
            connection.acknowledge(id)?;
        }
    }
}

fn drain(hub: &Hub, device: &Device, ledger: &mut Ledger) {
    let mut connection = MqttDevice::connect(hub, device).expect("the hub accepts the device");
    let mut got = Vec::new();
    for left in (0..queued(hub)).rev() {
        let received = connection.read_message().expect("a message is due");
        connection.acknowledge(received.id).expect("the hub listens");
        got.push(received);
        eventually("it is complete", || queued(hub) == left);
    }
    ledger.note(&got);
}

impl Ledger {
    /// One connection's messages: in order, and a repetition is marked.
    fn note(&mut self, got: &[Received]) {
        let mut last = None;
        for received in got {
            let number: usize = received.text().parse().expect("messages are numbers");
            self.disordered += usize::from(last.is_some_and(|last| last >= number));
            last = Some(number);
            let count = self.delivered.entry(number).or_default();
            self.unmarked += usize::from(*count > 0 && !received.dup);
            *count += 1;
        }
    }
}
