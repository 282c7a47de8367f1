//! Devices whose ring is full because the disk of their log is: over MQTT, behind a gateway over
//! AMQP, and over HTTPS.
//!
//! Goal: what they send is delayed and not lost, keeps its order, and nobody else waits. Method:
//! the log of one of two executors lies on a small filesystem that is full (`support/mounted.rs`,
//! which takes root and loop devices). Devices of that executor send until its ring is full.
//! Devices of the other one, on the same shard and on the same connection of the gateway, are
//! served meanwhile. Then there is room again, and everything is read back.

mod support;

use std::fs;
use std::io;
use std::thread;

use support::bulk::create_devices;
use support::gateway::Gateway;
use support::history::read_all;
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions};
use support::ledger::{Ledger, Verdict};
use support::mounted::Mounted;
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::prometheus::Page;
use support::rest::Device;

const MIB: u64 = 1024 * 1024;
/// The log of the executor whose disk is full.
const LOG: &str = "hub/0/log/0";
/// Enough to find some of each executor.
const DEVICES: usize = 48;
/// Devices over MQTT: together they may have more under way than a ring holds.
const SENDERS: usize = 6;
/// Messages of each of them: together more than the segments that the log has prepared.
const MESSAGES: usize = 48;
/// Length of a message, so that a ring without room for one has room for no other.
const PADDING: usize = 60 * 1024;
/// Messages of each device behind the gateway.
const GATEWAY_MESSAGES: usize = 5;

/// A device, and what it has sent.
struct Sender {
    device: Device,
    ledger: Ledger,
}

/// The devices by the executor that has their partition: with two of them, by its parity.
fn by_executor(hub: &Hub) -> [Vec<Sender>; 2] {
    let mut senders = [Vec::new(), Vec::new()];
    let mut all: Vec<Sender> = create_devices(hub, "pump", DEVICES)
        .into_iter()
        .map(|device| Sender { ledger: Ledger::padded(&device.id, PADDING), device })
        .collect();
    for sender in &mut all {
        sender.post(hub).expect("the hub serves everybody");
    }
    let events = read_all(hub);
    for sender in all {
        let event = events.iter().find(|event| event.identity() == sender.device.id);
        let partition = event.expect("every message is there").partition;
        senders[usize::from(partition % 2)].push(sender);
    }
    senders
}

impl Sender {
    /// Sends a message over HTTPS until the hub takes it: who waits long is told to come again.
    fn post(&mut self, hub: &Hub) -> io::Result<()> {
        let number = self.ledger.send();
        let body = self.ledger.body(number);
        let mut connection = HttpDevice::open(hub, &self.device)?;
        while connection.post(&body)? != 204 {
            self.ledger.resend(number);
        }
        self.ledger.acknowledge(number);
        Ok(())
    }

    /// Sends messages over MQTT, as fast as the hub reads them, then waits for all PUBACKs.
    fn publish(&mut self, hub: &Hub, count: usize) -> io::Result<()> {
        let mut connection = MqttDevice::connect(hub, &self.device)?;
        let numbers: Vec<u64> = (0..count).map(|_| self.ledger.send()).collect();
        for (id, number) in (1..).zip(&numbers) {
            connection.publish(id, self.ledger.body(*number).as_bytes(), false)?;
        }
        connection.flush()?;
        for (id, number) in (1..).zip(numbers) {
            assert_eq!(connection.read_puback()?, id, "PUBACKs are in order");
            self.ledger.acknowledge(number);
        }
        Ok(())
    }
}

fn rings_full(hub: &Hub) -> f64 {
    Page::scrape(hub).sum("ringhub_ring_full_total", &[])
}

/// Whether the one executor waits for room, and the other does not.
fn is_disk_full(hub: &Hub) -> bool {
    let page = Page::scrape(hub);
    let state = |executor, state| {
        page.sum("ringhub_executor_state", &[("executor", executor), ("state", state)]) > 0.5
    };
    state("0", "disk_full") && state("1", "running")
}

/// Lets two devices of the full ring send through the gateway, and one of the other in between.
fn send_through(gateway: &mut Gateway, hub: &Hub) {
    let before = rings_full(hub);
    for _ in 0..GATEWAY_MESSAGES {
        for member in 0..gateway.members.len() {
            assert!(gateway.post(member).expect("the hub reads"), "its link is there");
        }
    }
    let sent = gateway.members[2].ledger.sent();
    let all_of_the_neighbour = |gateway: &Gateway| gateway.members[2].ledger.acknowledged() == sent;
    gateway.until(all_of_the_neighbour).expect("the neighbour on the connection is served");
    eventually("both found their ring full", || rings_full(hub) >= before + 2.0);
}

fn open_gateway(hub: &Hub, senders: Vec<Sender>) -> Gateway {
    let devices: Vec<Device> = senders.iter().map(|sender| sender.device.clone()).collect();
    let mut gateway = Gateway::open(hub, devices.clone()).expect("the hub listens");
    for (member, Sender { device, ledger }) in senders.into_iter().enumerate() {
        gateway.members[member].ledger = ledger;
        gateway.wire.authenticate(hub, &device).expect("the token is good");
        gateway.ask_to_send(member).expect("the hub listens");
        gateway.until(|gateway| gateway.can_send(member)).expect("a link and credit");
    }
    gateway
}

#[test]
fn a_full_ring_delays_its_devices_and_nobody_else() {
    let Some(mounted) = Mounted::ext4("ring-full", 96 * MIB) else { return };
    let mut hub = Hub::start_with(HubOptions { executors: 2, ..HubOptions::default() });
    let [mut slow, mut quick] = by_executor(&hub);
    hub.terminate();
    hub.reap();
    hub.move_data(LOG, mounted.path());
    hub.launch();
    let filler = mounted.fill_up(0);

    let mut senders: Vec<Sender> = slow.drain(..SENDERS).collect();
    let mut visitor = slow.pop().expect("enough devices");
    let behind: Vec<Sender> = slow.drain(..2).chain(quick.pop()).collect();
    let mut gateway = open_gateway(&hub, behind);
    let held =
        |gateway: &Gateway| [0, 1].map(|member| gateway.members[member].ledger.acknowledged());
    thread::scope(|scope| {
        let hub = &hub;
        for sender in &mut senders {
            scope.spawn(|| sender.publish(hub, MESSAGES).expect("the connection stays"));
        }
        eventually("disk and ring are full", || is_disk_full(hub) && rings_full(hub) > 0.0);
        let before = held(&gateway);
        send_through(&mut gateway, hub);
        let full = rings_full(hub);
        let visit = scope.spawn(|| visitor.post(hub).expect("the connection stays"));
        eventually("the visitor tries again", || rings_full(hub) >= full + 2.0);
        for neighbour in &mut quick {
            neighbour.publish(hub, 3).expect("neighbours over MQTT are served");
            neighbour.post(hub).expect("neighbours over HTTPS are served");
        }
        assert_eq!(held(&gateway), before, "nothing is acknowledged that has no place on the disk");
        assert!(!visit.is_finished(), "nor over HTTPS");
        assert!(is_disk_full(hub), "all that happened while the disk was full");
        fs::remove_file(&filler).expect("there is room again");
        gateway.until(|gateway| gateway.under_way() == 0).expect("the gateway is served again");
    });

    let ledgers = || {
        let others = senders.iter().chain(&slow).chain(&quick).chain([&visitor]);
        gateway.members.iter().map(|member| &member.ledger).chain(others.map(|o| &o.ledger))
    };
    let (sent, acknowledged) = ledgers().fold((0, 0), |(sent, acknowledged), ledger| {
        (sent + ledger.sent(), acknowledged + ledger.acknowledged())
    });
    let events = read_all(&hub);
    let verdict = Verdict::of(ledgers(), &events);
    let full = rings_full(&hub);
    println!("{sent} sent, {acknowledged} acknowledged, rings full {full} times, {verdict:?}");
    assert_eq!((verdict, acknowledged), (Verdict::default(), sent));
    hub.assert_sound();
    drop((hub, mounted));
}
