//! Kills the hub at random instants while devices of all protocols send.
//!
//! Goal: whichever protocol said it, a PUBACK, an accepted outcome or a 204 means that the message
//! is on disk, in its place among those of its device. Method: as in `crash.rs`, with devices over
//! MQTT, behind a gateway over AMQP, and over HTTPS, which all send again what was not answered.
//!
//! `RINGHUB_CRASH_ROUNDS` and `RINGHUB_CRASH_SEED` repeat a run; the seed is printed.

mod support;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use support::bulk::create_devices;
use support::gateway::Gateway;
use support::history::read_all;
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions};
use support::kill::kill_after;
use support::ledger::{Ledger, Verdict};
use support::mqtt::MqttDevice;
use support::random::Random;
use support::rest::Device;
use support::seed::{number_from, seed_from};

const ROUNDS: u64 = 12;
const MQTT_DEVICES: usize = 3;
const GATEWAY_DEVICES: usize = 8;
const HTTP_DEVICES: usize = 3;
/// Messages of one device over MQTT, or of one behind the gateway, that await their answer.
const WINDOW: usize = 8;
/// Messages of one device in one round at most, so that the final read stays short.
const ROUND_MESSAGES_MAX: u64 = 300;
/// Answers over each protocol in every second round at least; in the others, the kill may come
/// before any.
const ANSWERS_MIN: u64 = 3;

#[test]
fn nothing_acknowledged_over_any_protocol_is_lost_however_the_hub_ends() {
    let rounds = number_from("RINGHUB_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = seed_from("RINGHUB_CRASH_SEED");
    println!("crash: {rounds} rounds, seed {seed}");
    let mut random = Random(seed | 1);
    let options = HubOptions { shards: 2, executors: 2, ..HubOptions::default() };
    let mut hub = Hub::start_with(options);
    let mut fleet = Fleet::create(&hub);
    for round in 0..rounds {
        let answers_min = if round.is_multiple_of(2) { ANSWERS_MIN } else { 0 };
        fleet.run_round(&mut hub, answers_min, Duration::from_millis(random.below(300)));
        hub.launch();
    }
    let verdict = Verdict::of(fleet.ledgers(), &read_all(&hub));
    let acknowledged =
        [&fleet.mqtt, &fleet.gateway, &fleet.http].map(|devices| acknowledged(devices));
    println!(
        "crash: killed {rounds} times; acknowledged over MQTT, AMQP and HTTPS {acknowledged:?} of \
         {} sent, missing {}",
        fleet.ledgers().map(Ledger::sent).sum::<u64>(),
        verdict.missing,
    );
    assert_eq!(verdict, Verdict::default(), "seed {seed}");
    assert!(acknowledged.iter().all(|count| *count > rounds), "too little traffic");
    hub.assert_sound();
}

fn acknowledged(devices: &[(Device, Ledger)]) -> u64 {
    devices.iter().map(|(_, ledger)| ledger.acknowledged()).sum()
}

/// All devices by their protocols.
struct Fleet {
    mqtt: Vec<(Device, Ledger)>,
    gateway: Vec<(Device, Ledger)>,
    http: Vec<(Device, Ledger)>,
}

impl Fleet {
    fn create(hub: &Hub) -> Self {
        let create = |prefix, count| {
            let devices = create_devices(hub, prefix, count).into_iter();
            devices.map(|device| (device.clone(), Ledger::new(&device.id))).collect()
        };
        Self {
            mqtt: create("mqtt", MQTT_DEVICES),
            gateway: create("gateway", GATEWAY_DEVICES),
            http: create("http", HTTP_DEVICES),
        }
    }

    fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        let all = self.mqtt.iter().chain(&self.gateway).chain(&self.http);
        all.map(|(_, ledger)| ledger)
    }

    /// Sends from all devices until the kill has cut every one of them off; it comes `life` after
    /// `answers_min` answers over each protocol.
    fn run_round(&mut self, hub: &mut Hub, answers_min: u64, life: Duration) {
        let killed = AtomicBool::new(false);
        let answers = [const { AtomicU64::new(0) }; 3];
        thread::scope(|scope| {
            let (target, killed, answers): (&Hub, _, _) = (hub, &killed, &answers);
            let judge = |ended: io::Result<()>| {
                if let Err(error) = ended {
                    assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
                }
            };
            for (device, ledger) in &mut self.mqtt {
                scope.spawn(move || judge(over_mqtt(target, device, ledger, &answers[0])));
            }
            let members = &mut self.gateway;
            scope.spawn(move || judge(over_amqp(target, members, &answers[1])));
            for (device, ledger) in &mut self.http {
                scope.spawn(move || judge(over_http(target, device, ledger, &answers[2])));
            }
            let is_enough =
                || answers.iter().all(|answers| answers.load(Ordering::SeqCst) >= answers_min);
            kill_after(target, killed, is_enough, life);
        });
        hub.reap();
    }
}

/// Sends again what was not answered, then new messages, and counts answers; the error is how the
/// connection ended.
fn over_mqtt(
    hub: &Hub,
    device: &Device,
    ledger: &mut Ledger,
    answers: &AtomicU64,
) -> io::Result<()> {
    let mut connection = MqttDevice::connect(hub, device)?;
    let mut under_way = VecDeque::new();
    for number in ledger.unanswered() {
        ledger.resend(number);
        under_way.push_back(number);
        connection.publish(packet_id(number), ledger.body(number).as_bytes(), true)?;
    }
    let end = ledger.sent() + ROUND_MESSAGES_MAX;
    loop {
        while under_way.len() < WINDOW && ledger.sent() < end {
            let number = ledger.send();
            under_way.push_back(number);
            connection.publish(packet_id(number), ledger.body(number).as_bytes(), false)?;
        }
        connection.flush()?;
        let Some(oldest) = under_way.pop_front() else { return Ok(()) };
        // PUBACKs come in the order of the PUBLISHes [MQTT-4.6.0-2].
        assert_eq!(connection.read_puback()?, packet_id(oldest), "{}", device.id);
        ledger.acknowledge(oldest);
        answers.fetch_add(1, Ordering::SeqCst);
    }
}

/// The same for all devices behind a gateway.
fn over_amqp(hub: &Hub, members: &mut [(Device, Ledger)], answers: &AtomicU64) -> io::Result<()> {
    let devices = members.iter().map(|(device, _)| device.clone()).collect();
    let mut gateway = Gateway::open(hub, devices)?;
    for (member, (_, ledger)) in gateway.members.iter_mut().zip(&*members) {
        member.ledger = ledger.clone();
    }
    let ended = send_from_gateway(hub, &mut gateway, answers);
    for (member, (_, ledger)) in gateway.members.into_iter().zip(members) {
        *ledger = member.ledger;
    }
    ended
}

fn send_from_gateway(hub: &Hub, gateway: &mut Gateway, answers: &AtomicU64) -> io::Result<()> {
    let all = || 0..GATEWAY_DEVICES;
    for member in all() {
        let device = gateway.members[member].device.clone();
        gateway.wire.authenticate(hub, &device)?;
    }
    for member in all() {
        gateway.ask_to_send(member)?;
        gateway.until(|gateway| gateway.can_send(member))?;
        for number in gateway.members[member].ledger.unanswered() {
            gateway.post_again(member, number)?;
        }
    }
    let ends = all().map(|member| gateway.members[member].ledger.sent() + ROUND_MESSAGES_MAX);
    let ends: Vec<u64> = ends.collect();
    loop {
        for member in all() {
            let ledger = &gateway.members[member].ledger;
            if ledger.unanswered().len() < WINDOW && ledger.sent() < ends[member] {
                gateway.post(member)?;
            }
        }
        let under_way = gateway.under_way();
        if under_way == 0 {
            return Ok(());
        }
        gateway.until(|gateway| gateway.under_way() < under_way)?;
        answers.fetch_add(1, Ordering::SeqCst);
    }
}

/// The same with one request under way.
fn over_http(
    hub: &Hub,
    device: &Device,
    ledger: &mut Ledger,
    answers: &AtomicU64,
) -> io::Result<()> {
    let mut connection = HttpDevice::open(hub, device)?;
    let left = ledger.unanswered();
    left.iter().for_each(|number| ledger.resend(*number));
    let end = ledger.sent() + ROUND_MESSAGES_MAX;
    let mut left = VecDeque::from(left);
    while ledger.sent() < end {
        let number = left.pop_front().unwrap_or_else(|| ledger.send());
        let status = connection.post(&ledger.body(number))?;
        assert_eq!(status, 204, "{}", device.id);
        ledger.acknowledge(number);
        answers.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

/// Packet identifiers go round from 1; a window is far smaller than the circle.
fn packet_id(number: u64) -> u16 {
    (number % u64::from(u16::MAX)) as u16 + 1
}
