//! A thousand devices on one connection, of which every hundredth misbehaves, each in its own way.
//!
//! Goal: what one device does is the business of that device. Method: all of them send in rounds,
//! and between two halves of a round one of the ten does what it should not. At the end the others
//! must have noticed nothing: no detach, each of their messages accepted once and stored once and
//! in order, and messages to them delivered and completed.

mod support;

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, SystemTime};

use ringhub_core::codec::amqp::section::BATCH_FORMAT;
use ringhub_core::limits::DEVICE_LINK_CREDIT;
use serde_json::json;
use support::amqp_device::{AmqpDevice, telemetry};
use support::amqp_raw::{aborted_transfer, transfer, transfer_part};
use support::bulk::create_devices;
use support::c2d::{C2d, C2dSender};
use support::gateway::{Gateway, events};
use support::history::read_all;
use support::http::HttpConnection;
use support::hub::{Hub, HubOptions};
use support::ledger::Verdict;
use support::methods::invoke;
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::{self, Device};
use support::sas;

const IDENTITIES: usize = 1000;
/// One of so many misbehaves.
const PER_CULPRIT: usize = 100;
/// Messages of each device.
const ROUNDS: usize = 20;
/// Messages of all that may have no outcome yet when the next round begins.
const UNDER_WAY_MAX: usize = 1500;
/// Messages that wait for each device which receives, and for the one that completes none.
const QUEUED: usize = 5;
const QUEUED_FOR_IDLE: usize = 40;
/// Of these the first of every ten receives.
const PER_RECEIVER: usize = 10;
/// One of so many uses its twin and answers methods.
const PER_TALKER: usize = 50;

/// What those hear of that: that changes will come, a change, and a call.
const TALK: [&str; 3] = ["answer 200", "desired", "call"];

const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

const UNAUTHORIZED: &str = "amqp:unauthorized-access";
const NOT_FOUND: &str = "amqp:not-found";
const STOLEN: &str = "amqp:link:stolen";
const NO_CREDIT: &str = "amqp:link:transfer-limit-exceeded";
const TOO_LARGE: &str = "amqp:link:message-size-exceeded";
const ARGUMENT: &str = "com.microsoft:argument-error";

// The culprits.
const FORGER: usize = 0;
const TRESPASSER: usize = 100;
const SPENDTHRIFT: usize = 200;
const OVERSIZED: usize = 300;
const GARBLED: usize = 400;
const QUITTER: usize = 500;
const DISABLED: usize = 600;
const ROAMER: usize = 700;
const IDLE: usize = 800;
const DELETED: usize = 900;

#[test]
fn ten_of_a_thousand_misbehave_and_the_others_notice_nothing() {
    let options = HubOptions { shards: 3, executors: 2, ..HubOptions::default() };
    let mut hub = Hub::start_with(options);
    let stranger = Device::create(&hub, "stranger");
    let devices = create_devices(&hub, "sensor", IDENTITIES);
    let mut gateway = Gateway::open(&hub, devices).expect("the hub listens");
    let scene = Scene { hub: &hub, stranger };
    scene.run(&mut gateway).expect("the connection stays");

    report(&gateway);
    for (number, member) in gateway.members.iter().enumerate() {
        let noticed = [&member.detached[..], &member.rejected[..]].concat();
        assert_eq!(noticed, expected(number), "{}", member.device.id);
        if is_good(number) {
            assert_eq!(member.ledger.acknowledged(), ROUNDS as u64, "{}", member.device.id);
        }
        if is_receiver(number) {
            assert_eq!(member.received, bodies(QUEUED), "{}", member.device.id);
        }
        let heard: &[&str] = if is_talker(number) { &TALK } else { &[] };
        assert_eq!(member.heard, heard, "{}", member.device.id);
    }
    // What was under way when a device was cut off may be there or not.
    let ledgers = gateway.members.iter().map(|member| &member.ledger);
    assert_eq!(Verdict::of(ledgers, &read_all(&hub)), Verdict::default());
    let mut rest = HttpConnection::open(&hub).expect("the hub listens");
    for number in (0..IDENTITIES).filter(|number| is_receiver(*number)) {
        let id = &gateway.members[number].device.id;
        eventually("what was accepted is complete", || queued(&mut rest, id) == 0);
    }
    let idle = &gateway.members[IDLE];
    assert_eq!(idle.received, bodies(QUEUED_FOR_IDLE));
    assert_eq!(queued(&mut rest, &idle.device.id), QUEUED_FOR_IDLE as u64);
    hub.assert_sound();
}

const fn is_good(number: usize) -> bool {
    !number.is_multiple_of(PER_CULPRIT)
}

const fn is_receiver(number: usize) -> bool {
    is_good(number) && number.is_multiple_of(PER_RECEIVER)
}

const fn is_talker(number: usize) -> bool {
    number % PER_TALKER == PER_TALKER / 2
}

/// What a device must have heard: conditions of detaches, then of outcomes.
fn expected(number: usize) -> &'static [&'static str] {
    match number {
        FORGER | TRESPASSER | DISABLED => &[UNAUTHORIZED],
        SPENDTHRIFT => &[NO_CREDIT],
        OVERSIZED => &[TOO_LARGE],
        GARBLED => &[ARGUMENT],
        ROAMER => &[STOLEN, STOLEN],
        DELETED => &[NOT_FOUND],
        _ => &[],
    }
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number}/{}", "y".repeat(1000))).collect()
}

fn queued(rest: &mut HttpConnection, id: &str) -> u64 {
    let answer = rest.exchange("GET", &format!("/devices/{id}"), "", "").expect("an answer");
    let device: serde_json::Value = serde_json::from_str(&answer.body).expect("a device is JSON");
    device["cloudToDeviceMessageCount"].as_u64().expect("a count")
}

fn report(gateway: &Gateway) {
    let good = || gateway.members.iter().enumerate().filter(|(number, _)| is_good(*number));
    let sum = |of: fn(&support::gateway::Member) -> u64| -> u64 {
        good().map(|(_, member)| of(member)).sum()
    };
    let mut reasons = BTreeMap::<&str, usize>::new();
    for member in &gateway.members {
        let told = member.detached.iter().chain(&member.rejected);
        told.for_each(|reason| *reasons.entry(reason).or_default() += 1);
    }
    println!(
        "gateway: {} identities; of the {} others {} messages, {} accepted, {} links detached, \
         {} messages to them; told to the {} culprits: {reasons:?}",
        gateway.members.len(),
        good().count(),
        sum(|member| member.ledger.sent()),
        sum(|member| member.ledger.acknowledged()),
        sum(|member| member.detached.len() as u64),
        sum(|member| member.received.len() as u64),
        IDENTITIES / PER_CULPRIT,
    );
}

struct Scene<'h> {
    hub: &'h Hub,
    /// A device that the gateway does not stand for.
    stranger: Device,
}

impl Scene<'_> {
    fn run(&self, gateway: &mut Gateway) -> io::Result<()> {
        self.put_tokens(gateway)?;
        let senders: Vec<usize> =
            (0..IDENTITIES).filter(|n| ![FORGER, TRESPASSER, SPENDTHRIFT].contains(n)).collect();
        for some in senders.chunks(100) {
            some.iter().try_for_each(|member| gateway.ask_to_send(*member))?;
            gateway.until(|gateway| some.iter().all(|member| gateway.can_send(*member)))?;
        }
        gateway.members[IDLE].completes = false;
        for member in (0..IDENTITIES).filter(|number| is_receiver(*number)).chain([IDLE]) {
            gateway.receive(member, 100)?;
        }
        for member in (0..IDENTITIES).filter(|number| is_talker(*number)) {
            gateway.converse(member)?;
        }
        for round in 0..ROUNDS {
            let (first, second) = (1..IDENTITIES).partition::<Vec<_>, _>(|n| n % 2 == round % 2);
            post_all(gateway, &first)?;
            self.misbehave(round, gateway)?;
            post_all(gateway, &second)?;
            gateway.until(|gateway| gateway.under_way() <= UNDER_WAY_MAX)?;
        }
        gateway.until(|gateway| {
            let has_all = |number: usize| gateway.members[number].received.len() >= QUEUED;
            let mut receivers = (0..IDENTITIES).filter(|number| is_receiver(*number));
            gateway.under_way() == 0
                && receivers.all(has_all)
                && gateway.members[IDLE].received.len() == QUEUED_FOR_IDLE
        })
    }

    fn put_tokens(&self, gateway: &mut Gateway) -> io::Result<()> {
        for number in (0..IDENTITIES).filter(|number| *number != FORGER) {
            let device = gateway.members[number].device.clone();
            gateway.wire.authenticate(self.hub, &device)?;
        }
        let id = gateway.members[FORGER].device.id.clone();
        let audience = format!("{}/devices/{id}", self.hub.address.ip);
        let forged = sas::token(&audience, &self.stranger.key, None);
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let key = &gateway.members[FORGER].device.key;
        let expired = sas::token_until(&audience, key, None, hour_ago);
        for token in [forged, expired] {
            assert_eq!(gateway.wire.put_token(&audience, &token)?.0, 401);
        }
        Ok(())
    }

    fn misbehave(&self, round: usize, gateway: &mut Gateway) -> io::Result<()> {
        match round {
            1 => self.attach_without_token(gateway),
            2 => self.trespass(gateway),
            3 => self.send_messages(gateway),
            5 => self.transfer_without_credit(gateway),
            7 => {
                gateway.transfer(OVERSIZED, 0, &telemetry(&"x".repeat(300 * 1024)), None)?;
                gateway.until(|gateway| !gateway.members[OVERSIZED].rejected.is_empty())
            }
            9 => self.change_twins(gateway),
            11 => self.call(gateway),
            8 => {
                gateway.transfer(GARBLED, BATCH_FORMAT, b"\x00\x53\x75\xa0\xffgarbage", None)?;
                gateway.until(|gateway| !gateway.members[GARBLED].rejected.is_empty())
            }
            10 => self.detach_in_the_middle(gateway),
            12 => self.disable(gateway),
            14 => self.roam(gateway),
            17 => self.delete(gateway),
            _ => Ok(()),
        }
    }

    fn attach_without_token(&self, gateway: &mut Gateway) -> io::Result<()> {
        gateway.ask_to_send(FORGER)?;
        gateway.until(|gateway| !gateway.members[FORGER].detached.is_empty())
    }

    fn trespass(&self, gateway: &mut Gateway) -> io::Result<()> {
        let link = gateway.wire.client.send_to(&events(&self.stranger.id));
        gateway.set_sender(TRESPASSER, link);
        gateway.until(|gateway| !gateway.members[TRESPASSER].detached.is_empty())
    }

    fn send_messages(&self, gateway: &Gateway) -> io::Result<()> {
        let mut sender = C2dSender::connect(self.hub)?;
        let receivers = (0..IDENTITIES).filter(|number| is_receiver(*number));
        for (number, count) in
            receivers.map(|number| (number, QUEUED)).chain([(IDLE, QUEUED_FOR_IDLE)])
        {
            let to = format!("/devices/{}/messages/devicebound", gateway.members[number].device.id);
            let message = C2d { to: &to, ..C2d::default() };
            for body in bodies(count) {
                sender.post(&message.sections(body.as_bytes()))?;
            }
            for _ in 0..count {
                assert_eq!(sender.outcome()?.1, Vec::<String>::new());
            }
        }
        Ok(())
    }

    fn change_twins(&self, gateway: &mut Gateway) -> io::Result<()> {
        let mut rest = HttpConnection::open(self.hub)?;
        for number in (0..IDENTITIES).filter(|number| is_talker(*number)) {
            let path = format!("/twins/{}", gateway.members[number].device.id);
            let body = format!(r#"{{"properties":{{"desired":{{"member":{number}}}}}}}"#);
            let answer = rest.exchange("PATCH", &path, JSON, &body)?;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        gateway.until(|gateway| all_have_heard(gateway, 2))
    }

    fn call(&self, gateway: &mut Gateway) -> io::Result<()> {
        let talkers = (0..IDENTITIES).filter(|number| is_talker(*number));
        let talkers: Vec<(usize, String)> =
            talkers.map(|number| (number, gateway.members[number].device.id.clone())).collect();
        thread::scope(|scope| {
            scope.spawn(move || {
                for (number, id) in talkers {
                    let call = json!({ "methodName": number.to_string() });
                    let (status, answer) = invoke(self.hub, &id, &call);
                    assert_eq!((status, &answer["status"]), (200, &json!(200)), "{answer}");
                }
            });
            gateway.until(|gateway| all_have_heard(gateway, 3))
        })
    }

    /// Messages that are taken back use up the credit, and one more comes.
    fn transfer_without_credit(&self, gateway: &mut Gateway) -> io::Result<()> {
        let channel = attach_alone(gateway, SPENDTHRIFT)?;
        let aborted = (1..=DEVICE_LINK_CREDIT).flat_map(|n| on(channel, aborted_transfer(0, n)));
        let more = transfer(0, DEVICE_LINK_CREDIT + 1, &telemetry("one too many"));
        let frames: Vec<u8> = aborted.chain(on(channel, more)).collect();
        gateway.wire.client.send_frames(&frames)?;
        gateway.until(|gateway| !gateway.members[SPENDTHRIFT].detached.is_empty())
    }

    /// Half a message, and the link is gone; the next link of the device begins anew.
    fn detach_in_the_middle(&self, gateway: &mut Gateway) -> io::Result<()> {
        gateway.detach(QUITTER)?;
        let channel = attach_alone(gateway, QUITTER)?;
        let part = transfer_part(0, Some(1), true, &telemetry("half a message"));
        gateway.wire.client.send_frames(&on(channel, part))?;
        gateway.detach(QUITTER)?;
        gateway.ask_to_send(QUITTER)?;
        gateway.until(|gateway| gateway.can_send(QUITTER))
    }

    fn disable(&self, gateway: &mut Gateway) -> io::Result<()> {
        post_many(gateway, DISABLED)?;
        rest::set_status(self.hub, &gateway.members[DISABLED].device.id, "disabled");
        post_many(gateway, DISABLED)?;
        gateway.until(|gateway| !gateway.members[DISABLED].detached.is_empty())
    }

    fn delete(&self, gateway: &mut Gateway) -> io::Result<()> {
        post_many(gateway, DELETED)?;
        let path = format!("/devices/{}", gateway.members[DELETED].device.id);
        let (status, answer) = rest::exchange(self.hub, "DELETE", &path, "")?;
        assert_eq!(status, 204, "{answer}");
        gateway.until(|gateway| !gateway.members[DELETED].detached.is_empty())
    }

    /// Another connection takes the device over, the gateway has it back, and MQTT takes it again.
    fn roam(&self, gateway: &mut Gateway) -> io::Result<()> {
        let device = gateway.members[ROAMER].device.clone();
        post_many(gateway, ROAMER)?;
        let mut alone = AmqpDevice::connect(self.hub, &device)?;
        let link = alone.telemetry(&device.id)?;
        let number = gateway.members[ROAMER].ledger.send();
        alone.send(link, &gateway.members[ROAMER].ledger.body(number))?;
        gateway.members[ROAMER].ledger.acknowledge(number);
        gateway.until(|gateway| gateway.members[ROAMER].detached.len() == 1)?;
        gateway.ask_to_send(ROAMER)?;
        gateway.until(|gateway| gateway.can_send(ROAMER))?;
        assert_eq!(alone.detached()?, STOLEN);
        post_many(gateway, ROAMER)?;
        let mut mqtt = MqttDevice::connect(self.hub, &device)?;
        let number = gateway.members[ROAMER].ledger.send();
        let body = gateway.members[ROAMER].ledger.body(number);
        mqtt.publish(1, body.as_bytes(), false)?;
        mqtt.flush()?;
        assert_eq!(mqtt.read_puback()?, 1);
        gateway.members[ROAMER].ledger.acknowledge(number);
        gateway.until(|gateway| gateway.members[ROAMER].detached.len() == 2)
    }
}

fn all_have_heard(gateway: &Gateway, count: usize) -> bool {
    let mut talkers = (0..IDENTITIES).filter(|number| is_talker(*number));
    talkers.all(|number| gateway.members[number].heard.len() >= count)
}

/// A message of each.
fn post_all(gateway: &mut Gateway, members: &[usize]) -> io::Result<()> {
    for number in members {
        let posted = gateway.post(*number)?;
        assert!(posted || !is_good(*number), "{} is cut off", gateway.members[*number].device.id);
    }
    Ok(())
}

/// Messages that are under way when something happens to the device.
fn post_many(gateway: &mut Gateway, member: usize) -> io::Result<()> {
    for _ in 0..30 {
        gateway.post(member)?;
    }
    gateway.wire.client.flush()
}

/// Attaches a member on a session of its own, and returns the channel of it. The machine sends no
/// transfer there, so that the test can, under handle zero.
fn attach_alone(gateway: &mut Gateway, member: usize) -> io::Result<u16> {
    let (session, channel) = gateway.begin()?;
    let address = events(&gateway.members[member].device.id);
    let link = gateway.wire.client.machine().attach_sender(session, &address, &address);
    gateway.set_sender(member, link.expect("the session takes a link"));
    gateway.until(|gateway| gateway.can_send(member))?;
    Ok(channel)
}

/// A frame for another channel.
fn on(channel: u16, mut frame: Vec<u8>) -> Vec<u8> {
    frame[6..8].copy_from_slice(&channel.to_be_bytes());
    frame
}
