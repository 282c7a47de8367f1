//! An identity that connects again and again while its old connection is still talking.
//!
//! Goal: one live connection per identity, and its events in the order in which the device sent
//! them, whatever shards the connections are on. Method: a device keeps a rising counter over all
//! its connections. It fills the old connection with a burst and sends CONNECT and a further burst
//! on the new one in the same breath, so that the hub finds unread bytes of both. Then everything
//! is read back.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread;

use support::history::{StoredEvent, read_all};
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice, pubacks};
use support::rest::Device;

const IDENTITIES: usize = 4;
/// Takeovers of one identity with one QoS.
const TAKEOVERS: usize = 30;
/// Messages that are under way on the old connection, and as many on the new one.
const BURST: usize = 40;
const SHARDS: u16 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

#[test]
fn events_keep_their_order_over_every_takeover() {
    let options = HubOptions {
        shards: SHARDS,
        executors: 2,
        log: "info,ringhub_edge=debug",
        ..HubOptions::default()
    };
    let mut hub = Hub::start_with(options);
    let devices = [Qos::AtMostOnce, Qos::AtLeastOnce].into_iter().flat_map(|qos| {
        let hub = &hub;
        (0..IDENTITIES).map(move |n| (Device::create(hub, &format!("pump-{n}-{qos:?}")), qos))
    });
    let devices: Vec<(Device, Qos)> = devices.collect();
    let mut histories: Vec<History> = thread::scope(|scope| {
        let hub = &hub;
        let run = |(device, qos): &(Device, Qos)| {
            let history = History::new(hub, device, *qos);
            scope.spawn(move || history.run(hub).expect("the hub serves every connection"))
        };
        let threads: Vec<_> = devices.iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no check failed")).collect()
    });
    for history in &mut histories {
        history.connection().ping().expect("the last connection is the live one");
    }

    let events = read_all(&hub);
    let verdict = Verdict::of(&histories, &events);
    let shards: BTreeMap<&str, BTreeSet<u16>> = histories
        .iter()
        .map(|history| (history.id(), hub.shards_of(history.id()).into_iter().collect()))
        .collect();
    let used: BTreeSet<u16> = shards.values().flatten().copied().collect();
    println!(
        "takeover: {} takeovers, {} events of {} sent, shards used {used:?}, {verdict:?}",
        histories.iter().map(|history| history.takeovers).sum::<usize>(),
        events.len(),
        histories.iter().map(|history| history.next).sum::<usize>(),
    );
    assert_eq!(verdict, Verdict::default());
    assert_eq!(used.len(), usize::from(SHARDS), "connections were not spread over the shards");
    assert!(
        shards.values().all(|shards| shards.len() > 1),
        "no takeover between shards: {shards:?}"
    );
    hub.assert_sound();
}

#[test]
fn a_chain_of_connections_leaves_the_last_one() {
    let options = HubOptions { shards: SHARDS, ..HubOptions::default() };
    let mut hub = Hub::start_with(options);
    let device = Device::create(&hub, "pump-7");
    let login = Login::device(&hub, &device);
    let mut chain: Vec<MqttDevice> =
        (0..24).map(|_| MqttDevice::open(&hub).expect("the hub listens")).collect();
    // Nobody waits for a CONNACK: which one is the last is for the hub to say.
    for connection in &mut chain {
        connection.send_connect(&login).expect("the hub listens");
    }
    let live = chain.iter_mut().filter_map(|connection| {
        // A connection that was taken over before its CONNACK is closed without one.
        let is_accepted = connection.read_connack().is_ok_and(|code| code == 0);
        (is_accepted && connection.ping().is_ok()).then_some(())
    });
    assert!(live.count() >= 1, "somebody has won");
    let last = MqttDevice::connect(&hub, &device);
    last.expect("the next one wins").ping().expect("and stays");
    for connection in &mut chain {
        connection.read_to_end().expect("everybody else is closed");
    }
    hub.assert_sound();
}

/// What one device has done and heard.
struct History {
    login: Login,
    qos: Qos,
    next: usize,
    acknowledged: BTreeSet<usize>,
    takeovers: usize,
    connection: Option<MqttDevice>,
    /// The number of the message that the current connection sent first.
    first: usize,
}

impl History {
    fn new(hub: &Hub, device: &Device, qos: Qos) -> Self {
        Self {
            login: Login::device(hub, device),
            qos,
            next: 0,
            acknowledged: BTreeSet::new(),
            takeovers: 0,
            connection: None,
            first: 0,
        }
    }

    fn id(&self) -> &str {
        &self.login.client_id
    }

    fn connection(&mut self) -> &mut MqttDevice {
        self.connection.as_mut().expect("the device is connected")
    }

    fn run(mut self, hub: &Hub) -> io::Result<Self> {
        self.connection = Some(MqttDevice::connect_as(hub, &self.login)?);
        for _ in 0..TAKEOVERS {
            self.take_over(hub)?;
        }
        self.finish()?;
        Ok(self)
    }

    /// Talks on both connections at once, and waits until the hub has closed the old one.
    fn take_over(&mut self, hub: &Hub) -> io::Result<()> {
        let mut new = MqttDevice::open(hub)?;
        let mut old = self.connection.take().expect("the device is connected");
        self.burst(&mut old)?;
        let first = self.next;
        new.write_connect(&self.login)?;
        self.burst(&mut new)?;
        assert_eq!(new.read_connack()?, 0, "the new connection wins");
        let answers = pubacks(&old.read_to_end()?);
        self.on_pubacks(&answers);
        self.first = first;
        self.connection = Some(new);
        self.takeovers += 1;
        Ok(())
    }

    fn burst(&mut self, connection: &mut MqttDevice) -> io::Result<()> {
        for _ in 0..BURST {
            let body = format!("{}/{}/{}", self.id(), self.next, "x".repeat(200));
            match self.qos {
                Qos::AtMostOnce => connection.publish_qos0(body.as_bytes())?,
                Qos::AtLeastOnce => connection.publish(id_of(self.next), body.as_bytes(), false)?,
            }
            self.next += 1;
        }
        connection.flush()
    }

    /// PUBACKs come in the order of the PUBLISHes [MQTT-4.6.0-2], so they are the first ones.
    fn on_pubacks(&mut self, ids: &[u16]) {
        for (number, id) in (self.first..).zip(ids) {
            assert_eq!(*id, id_of(number), "PUBACKs of {} are out of order", self.id());
            self.acknowledged.insert(number);
        }
    }

    /// Nothing ends the last connection, so that everything sent on it has to be there; a message
    /// with QoS 1 at the end tells when it is.
    fn finish(&mut self) -> io::Result<()> {
        let (first, last) = (self.first, self.next);
        let body = format!("{}/{last}/end", self.id());
        let connection = self.connection();
        connection.publish(id_of(last), body.as_bytes(), false)?;
        connection.flush()?;
        while connection.read_puback()? != id_of(last) {}
        self.next += 1;
        self.acknowledged.extend(first..=last);
        Ok(())
    }
}

/// What is wrong; all zeros in a run without fault.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Acknowledged, or sent on the connection that was never ended, and not there.
    missing: usize,
    /// Not after the message before it.
    disordered: usize,
    /// Not as any device has sent it.
    damaged: usize,
}

impl Verdict {
    fn of(histories: &[History], events: &[StoredEvent]) -> Self {
        let mut numbers = BTreeMap::<String, Vec<usize>>::new();
        let mut verdict = Self::default();
        for event in events {
            match number_of(event) {
                Some(number) => numbers.entry(event.identity()).or_default().push(number),
                None => verdict.damaged += 1,
            }
        }
        for history in histories {
            let stored = numbers.remove(history.id()).unwrap_or_default();
            verdict.disordered += stored.windows(2).filter(|pair| pair[0] >= pair[1]).count();
            let stored: BTreeSet<usize> = stored.into_iter().collect();
            verdict.missing += history.acknowledged.difference(&stored).count();
            verdict.damaged += stored.range(history.next..).count();
        }
        verdict.damaged += numbers.len();
        verdict
    }
}

fn number_of(event: &StoredEvent) -> Option<usize> {
    let mut parts = event.body.split('/');
    let is_own = parts.next() == Some(event.stamp("iothub-connection-device-id"));
    parts.next().filter(|_| is_own)?.parse().ok()
}

/// Packet identifiers go round from 1; what is under way is far less than the circle.
fn id_of(number: usize) -> u16 {
    (number % usize::from(u16::MAX)) as u16 + 1
}

#[test]
fn the_verdict_sees_every_kind_of_fault() {
    let login = Login {
        client_id: "pump".to_owned(),
        user_name: String::new(),
        password: String::new(),
        topic: String::new(),
    };
    let history = History {
        login,
        qos: Qos::AtLeastOnce,
        next: 4,
        acknowledged: BTreeSet::from([0, 2]),
        takeovers: 0,
        connection: None,
        first: 0,
    };
    let histories = [history];
    let event = |body: String| StoredEvent {
        body,
        stamps: BTreeMap::from([("iothub-connection-device-id".to_owned(), "pump".to_owned())]),
        ..StoredEvent::default()
    };
    let judge = |numbers: &[usize]| {
        let events: Vec<_> = numbers.iter().map(|n| event(format!("pump/{n}/x"))).collect();
        Verdict::of(&histories, &events)
    };
    assert_eq!(judge(&[0, 2]), Verdict::default());
    assert_eq!(judge(&[0, 1, 2, 3]), Verdict::default());
    assert_eq!(judge(&[0, 1, 3]).missing, 1);
    assert_eq!(judge(&[0, 2, 1]).disordered, 1);
    assert_eq!(judge(&[0, 2, 2]).disordered, 1);
    assert_eq!(judge(&[0, 2, 4]).damaged, 1);
    assert_eq!(Verdict::of(&histories, &[event("valve/0/x".to_owned())]).damaged, 1);
}
