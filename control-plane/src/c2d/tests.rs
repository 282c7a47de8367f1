//! Queues through the whole control plane: what a shard does, and what the files hold afterwards.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ringhub_core::c2d::{DeviceMessage, LockToken, Verdict};
use ringhub_core::codec::amqp::section::{Properties, write_data};
use ringhub_core::id::{ConnectionId, DeviceId, HubId, Identity, SeatId, ShardId};
use ringhub_core::limits::C2D_MEMORY_BYTES_MAX;

use super::{C2d, C2dRefusal, Delivery};
use crate::ControlPlane;
use crate::clock;
use crate::directory::Status;
use crate::registry::{Change, DeviceDraft, Existing, Missing, Precondition};
use crate::store::Write;
use crate::tests::{NoShards, TempDir, config, open};

const HUB: HubId = HubId(0);
const HOLDER: SeatId =
    SeatId { connection: ConnectionId { shard: ShardId(1), slot: 2, generation: 3 }, number: 4 };

fn pump() -> Identity {
    Identity { device: DeviceId::parse("pump").expect("valid"), module: None }
}

fn c2d(control: &ControlPlane) -> C2d<'_> {
    control.c2d(HUB).expect("the hub is there")
}

fn message(body: &[u8]) -> DeviceMessage {
    let mut sections = BytesMut::new();
    let to = Some("/devices/pump/messages/devicebound");
    Properties { to, ..Properties::default() }.encode(&mut sections);
    write_data(&mut sections, body);
    let ttl = Duration::from_hours(1);
    DeviceMessage::read(&sections, clock::now(), ttl).expect("a good message")
}

fn write(control: &ControlPlane, change: Change) {
    let (done, written) = flume::bounded(1);
    let done = Box::new(move |outcome| drop(done.send(outcome)));
    c2d(control).writes.submit(Write { change, done });
    written.recv().expect("every write is answered").expect("the write is good");
}

fn create(control: &ControlPlane) {
    let draft = DeviceDraft {
        id: pump().device,
        status: Status::Enabled,
        status_reason: None,
        credentials: None,
        iot_edge: None,
        device_scope: None,
        parent_scope: None,
    };
    let when = Precondition { missing: Missing::Create, existing: Existing::Refuse };
    write(control, Change::PutDevice(HUB, draft.into(), when));
}

fn enqueue(control: &ControlPlane, body: &[u8]) -> Result<(), C2dRefusal> {
    let (done, outcome) = flume::bounded(1);
    let done = Box::new(move |result| done.send(result).expect("the test waits"));
    c2d(control).enqueue(message(body), done);
    outcome.recv().expect("every message is answered")
}

fn lock(control: &ControlPlane) -> Option<Delivery> {
    c2d(control).lock_next(&pump(), HOLDER)
}

fn queued(control: &ControlPlane) -> usize {
    control.directory().queued_messages(HUB, &pump())
}

fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_was_accepted_and_not_completed_is_there_after_reopening_marked_as_a_repetition() {
    let dir = TempDir::new();
    let control = open(&dir);
    create(&control);
    for body in [b"one", b"two"] {
        enqueue(&control, body).expect("there is room");
    }
    let first = lock(&control).expect("a message waits");
    assert!(!first.redelivered);
    c2d(&control).settle(&pump(), first.token, Verdict::Complete).expect("the lock is ours");
    eventually("the first is gone", || queued(&control) == 1);
    control.shutdown();

    let control = open(&dir);
    assert_eq!(queued(&control), 1);
    let second = lock(&control).expect("the message waits");
    assert!(second.redelivered, "only the device knows whether it has seen it");
    assert_eq!(second.content, message(b"two").content);
    assert_eq!(lock(&control), None);
    c2d(&control).unlock(&pump(), HOLDER);
    assert_eq!(lock(&control).map(|again| again.content), Some(second.content));
}

#[test]
fn a_forged_token_settles_nothing() {
    let control = open(&TempDir::new());
    create(&control);
    enqueue(&control, b"x").expect("there is room");
    let delivery = lock(&control).expect("a message waits");
    let forged = LockToken(delivery.token.0 ^ 1);
    let verdict = c2d(&control).settle(&pump(), forged, Verdict::Complete);
    assert_eq!(verdict, Err(C2dRefusal::LockLost));
    assert_eq!(queued(&control), 1);
}

#[test]
fn an_abandoned_message_comes_again_until_it_was_abandoned_too_often() {
    let dir = TempDir::new();
    let mut settings = config(dir.path());
    settings.hubs[0].cloud_to_device.max_delivery_count = 2;
    let control = ControlPlane::open(&settings, Arc::new(NoShards)).expect("it opens");
    create(&control);
    enqueue(&control, b"x").expect("there is room");
    let delivery = lock(&control).expect("a message waits");
    c2d(&control).settle(&pump(), delivery.token, Verdict::Abandon).expect("ours");
    let again = Mutex::new(None);
    eventually("it is there again", || {
        *again.lock().expect("no panic") = lock(&control);
        again.lock().expect("no panic").is_some()
    });
    let again = again.into_inner().expect("no panic").expect("a message");
    c2d(&control).settle(&pump(), again.token, Verdict::Abandon).expect("ours");
    eventually("it is dead", || queued(&control) == 0);
}

#[test]
fn depth_memory_and_unknown_devices_have_refusals_of_their_own() {
    let control = open(&TempDir::new());
    assert_eq!(enqueue(&control, b"x"), Err(C2dRefusal::DeviceNotFound));
    create(&control);
    for _ in 0..50 {
        enqueue(&control, b"x").expect("there is room");
    }
    assert_eq!(enqueue(&control, b"x"), Err(C2dRefusal::QueueFull));
    write(&control, Change::DeleteDevice(HUB, pump().device, Existing::Overwrite));
    assert_eq!((queued(&control), lock(&control)), (0, None));

    create(&control);
    let queues = control.directory().c2d(HUB).expect("the hub is there");
    let large = message(&[0; 64 * 1000]);
    let mut reserved = 0;
    let refusal = loop {
        let mut message = large.clone();
        message.identity.device = DeviceId::parse(&format!("d{}", reserved / 50)).expect("valid");
        match queues.reserve(&message) {
            Ok(()) => reserved += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, C2dRefusal::OutOfMemory);
    assert!(reserved * 64_000 < C2D_MEMORY_BYTES_MAX);
    assert!(reserved * 65_000 > C2D_MEMORY_BYTES_MAX, "{reserved} messages fill the memory");
}
