//! Devices that go from protocol to protocol while they send: MQTT, a gateway over AMQP, and visits
//! over HTTPS.
//!
//! Goal: an identity is in one place, and its events are in the order in which it sent them,
//! whatever protocols and shards it passes through. Method: each device keeps a rising counter. It
//! leaves a burst under way where it was, and goes on at the next place; the other devices of the
//! gateway send meanwhile. Then everything is read back.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread;

use support::bulk::create_devices;
use support::gateway::Gateway;
use support::history::{StoredEvent, read_all};
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions};
use support::ledger::{Ledger, Verdict};
use support::mqtt::{Login, MqttDevice, pubacks};
use support::random::Random;
use support::rest::Device;
use support::seed::seed_from;

const GATEWAYS: usize = 3;
/// Devices of a gateway, all of which move.
const DEVICES: usize = 4;
/// Moves of the devices of one gateway.
const MOVES: usize = 60;
/// Messages that are under way at the old place, and as many at the new one.
const BURST: usize = 30;
/// Messages of one visit.
const VISIT: usize = 3;
const SHARDS: u16 = 3;

#[test]
fn events_keep_their_order_over_every_change_of_protocol() {
    let seed = seed_from("RINGHUB_TAKEOVER_SEED") | 1;
    let options = HubOptions {
        shards: SHARDS,
        executors: 2,
        log: "info,ringhub_edge=debug",
        ..HubOptions::default()
    };
    let mut hub = Hub::start_with(options);
    let groups: Vec<Vec<Device>> = (0..GATEWAYS)
        .map(|group| create_devices(&hub, &format!("pump-{group}"), DEVICES))
        .collect();
    let sites: Vec<Site<'_>> = thread::scope(|scope| {
        let hub = &hub;
        let run = |(devices, number): (Vec<Device>, u64)| {
            scope.spawn(move || {
                let site = Site::open(hub, devices, Random(seed.wrapping_add(2 * number)));
                site.and_then(Site::run).expect("the hub serves every connection")
            })
        };
        let threads: Vec<_> = groups.into_iter().zip(0..).map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no check failed")).collect()
    });

    let ledgers = || sites.iter().flat_map(|site| &site.gateway.members).map(|m| &m.ledger);
    let events = read_all(&hub);
    let verdict = Verdict::of(ledgers(), &events);
    let mut moves = BTreeMap::<String, usize>::new();
    for (name, count) in sites.iter().flat_map(|site| &site.moves) {
        *moves.entry(name.clone()).or_default() += count;
    }
    let used: BTreeSet<u16> = ledgers().flat_map(|ledger| hub.shards_of(&ledger.id)).collect();
    println!(
        "takeover: seed {seed}, {} moves {moves:?}, {} sent, {} acknowledged, {} stored, \
         shards used {used:?}, {verdict:?}",
        moves.values().sum::<usize>(),
        ledgers().map(Ledger::sent).sum::<u64>(),
        ledgers().map(Ledger::acknowledged).sum::<u64>(),
        events.len(),
    );
    assert_eq!(verdict, Verdict::default(), "seed {seed}");
    assert!(used.len() > 1, "no takeover between shards");
    let between = ["MQTT to gateway", "gateway to MQTT", "MQTT to MQTT", "gateway to HTTPS"];
    assert!(between.iter().all(|way| moves.contains_key(*way)), "{moves:?}");
    drop(sites);
    hub.assert_sound();
}

/// Where a device is.
enum Place {
    Gateway,
    /// The connection, and the number of the message that was sent on it first.
    Mqtt(Box<MqttDevice>, u64),
}

/// A gateway with its devices, which are on its connection or elsewhere.
struct Site<'h> {
    hub: &'h Hub,
    gateway: Gateway,
    places: Vec<Place>,
    random: Random,
    moves: BTreeMap<String, usize>,
}

impl<'h> Site<'h> {
    /// All devices begin at the gateway.
    fn open(hub: &'h Hub, devices: Vec<Device>, random: Random) -> io::Result<Self> {
        let mut gateway = Gateway::open(hub, devices)?;
        for number in 0..DEVICES {
            let device = gateway.members[number].device.clone();
            gateway.wire.authenticate(hub, &device)?;
        }
        for number in 0..DEVICES {
            attach(&mut gateway, number)?;
        }
        let places = (0..DEVICES).map(|_| Place::Gateway).collect();
        Ok(Self { hub, gateway, places, random, moves: BTreeMap::new() })
    }

    fn run(mut self) -> io::Result<Self> {
        for _ in 0..MOVES {
            for number in 0..DEVICES {
                if matches!(self.places[number], Place::Gateway) {
                    self.gateway.post(number)?;
                }
            }
            let device = self.random.index(DEVICES);
            let (way, next) = match (&self.places[device], self.random.below(4)) {
                (Place::Gateway, 0) => ("gateway to HTTPS", Next::Visit),
                (Place::Mqtt(..), 0) => ("MQTT to HTTPS", Next::Visit),
                (Place::Gateway, _) => ("gateway to MQTT", Next::Mqtt),
                (Place::Mqtt(..), 1) => ("MQTT to MQTT", Next::Mqtt),
                (Place::Mqtt(..), _) => ("MQTT to gateway", Next::Gateway),
            };
            *self.moves.entry(way.to_owned()).or_default() += 1;
            match next {
                Next::Visit => self.visit(device)?,
                Next::Mqtt => self.move_to_mqtt(device)?,
                Next::Gateway => self.move_to_gateway(device)?,
            }
        }
        (0..DEVICES).try_for_each(|device| self.settle(device))?;
        Ok(self)
    }

    fn ledger(&mut self, device: usize) -> &mut Ledger {
        &mut self.gateway.members[device].ledger
    }

    /// Leaves messages under way where the device is.
    fn burst(&mut self, device: usize) -> io::Result<()> {
        let Place::Mqtt(mqtt, _) = &mut self.places[device] else {
            for _ in 0..BURST {
                assert!(self.gateway.post(device)?, "the device is at the gateway");
            }
            return self.gateway.wire.client.flush();
        };
        publish_burst(mqtt, &mut self.gateway.members[device].ledger)
    }

    /// CONNECT and a burst in one breath, while another burst is under way at the old place.
    fn move_to_mqtt(&mut self, device: usize) -> io::Result<()> {
        let mut new = Box::new(MqttDevice::open(self.hub)?);
        self.burst(device)?;
        let first = self.ledger(device).sent();
        let login = Login::device(self.hub, &self.gateway.members[device].device);
        new.write_connect(&login)?;
        publish_burst(&mut new, &mut self.gateway.members[device].ledger)?;
        assert_eq!(new.read_connack()?, 0, "the new connection wins");
        match std::mem::replace(&mut self.places[device], Place::Mqtt(new, first)) {
            Place::Mqtt(mut old, first) => self.hear_out(device, &mut old, first)?,
            Place::Gateway => {
                self.gateway.until(|gateway| !gateway.members[device].detached.is_empty())?;
                let told = std::mem::take(&mut self.gateway.members[device].detached);
                assert_eq!(told, ["amqp:link:stolen"]);
            }
        }
        Ok(())
    }

    /// A burst over MQTT is under way when the first link at the gateway is asked for.
    fn move_to_gateway(&mut self, device: usize) -> io::Result<()> {
        self.burst(device)?;
        let old = std::mem::replace(&mut self.places[device], Place::Gateway);
        let Place::Mqtt(mut old, first) = old else { unreachable!("it comes from MQTT") };
        attach(&mut self.gateway, device)?;
        self.burst(device)?;
        self.hear_out(device, &mut old, first)
    }

    /// Records of a visit and of a seat that lives meanwhile have no order, so nothing of the seat
    /// is under way.
    fn visit(&mut self, device: usize) -> io::Result<()> {
        self.burst(device)?;
        self.settle(device)?;
        let mut http = HttpDevice::open(self.hub, &self.gateway.members[device].device)?;
        for _ in 0..VISIT {
            let number = self.ledger(device).send();
            let body = self.ledger(device).body(number);
            assert_eq!(http.post(&body)?, 204);
            self.ledger(device).acknowledge(number);
        }
        if let Place::Mqtt(_, first) = &mut self.places[device] {
            *first = self.gateway.members[device].ledger.sent();
        }
        Ok(())
    }

    /// Waits until all that the device has sent where it is now is answered for.
    fn settle(&mut self, device: usize) -> io::Result<()> {
        match &mut self.places[device] {
            Place::Gateway => self.gateway.until(|gateway| gateway.under_way() == 0),
            Place::Mqtt(mqtt, first) => {
                let ledger = &mut self.gateway.members[device].ledger;
                for number in *first..ledger.sent() {
                    assert_eq!(mqtt.read_puback()?, packet_id(number));
                    ledger.acknowledge(number);
                }
                *first = ledger.sent();
                Ok(())
            }
        }
    }

    /// Takes the last answers of a connection that the hub has closed: PUBACKs come in the order
    /// of the PUBLISHes [MQTT-4.6.0-2].
    fn hear_out(&mut self, device: usize, old: &mut MqttDevice, first: u64) -> io::Result<()> {
        for (number, id) in (first..).zip(pubacks(&old.read_to_end()?)) {
            assert_eq!(id, packet_id(number), "PUBACKs are out of order");
            self.ledger(device).acknowledge(number);
        }
        Ok(())
    }
}

/// What a device does next.
enum Next {
    Visit,
    Mqtt,
    Gateway,
}

fn attach(gateway: &mut Gateway, device: usize) -> io::Result<()> {
    gateway.ask_to_send(device)?;
    gateway.until(|gateway| gateway.can_send(device))
}

fn publish_burst(mqtt: &mut MqttDevice, ledger: &mut Ledger) -> io::Result<()> {
    for _ in 0..BURST {
        let number = ledger.send();
        mqtt.publish(packet_id(number), ledger.body(number).as_bytes(), false)?;
    }
    mqtt.flush()
}

/// Packet identifiers go round from 1; what is under way is far less than the circle.
fn packet_id(number: u64) -> u16 {
    (number % u64::from(u16::MAX)) as u16 + 1
}

#[test]
fn the_verdict_sees_every_kind_of_fault() {
    let mut ledger = Ledger::new("pump");
    for number in 0..4 {
        assert_eq!(ledger.send(), number);
    }
    ledger.acknowledge(0);
    ledger.acknowledge(2);
    ledger.resend(3);
    let event = |id: &str, body: String| StoredEvent {
        partition: 0,
        sequence_number: 0,
        body,
        stamps: BTreeMap::from([("iothub-connection-device-id".to_owned(), id.to_owned())]),
        ..StoredEvent::default()
    };
    let judge = |numbers: &[u64]| {
        let stored = numbers.iter().map(|number| event("pump", ledger.body(*number)));
        Verdict::of([&ledger], &stored.collect::<Vec<_>>())
    };
    assert_eq!(judge(&[0, 2]), Verdict::default());
    assert_eq!(judge(&[0, 1, 2, 3, 3]), Verdict::default(), "a resend may appear twice");
    assert_eq!(judge(&[0, 1, 3]).missing, 1);
    assert_eq!(judge(&[0, 2, 1]).disordered, 1);
    assert_eq!(judge(&[0, 2, 2]).surplus, 1);
    assert_eq!(judge(&[0, 2, 4]).damaged, 1);
    let stored = [event("pump", ledger.body(0)), event("pump", "pump/2/cut".to_owned())];
    let found = Verdict { missing: 1, damaged: 1, ..Verdict::default() };
    assert_eq!(Verdict::of([&ledger], &stored), found);
    let foreign = event("valve", ledger.body(0));
    assert_eq!(Verdict::of([&ledger], &[foreign]).damaged, 1);
}
