//! Jobs that call methods.

use ringhub_core::limits::JOB_CALLS_MAX;
use serde_json::json;

use super::world::{World, counts, method_job};
use crate::tests::TempDir;

#[test]
fn connected_devices_are_called_and_others_may_come_in_time() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(4);
    let [first, second] = [world.connect(0), world.connect(2)];
    world.create("reboot", &method_job("*", 3600));
    let calls = world.calls(2);
    for (seat, call) in &calls {
        let got = (&*call.invocation.name, &*call.invocation.payload);
        assert_eq!(got, ("reboot", &br#"{"delay":3}"#[..]));
        assert!([first, second].contains(seat));
    }
    let job = world.wait("reboot", |job| job["status"] == "running");
    assert_eq!(counts(&job), [4, 0, 0, 2, 2]);
    world.answer(calls[0].0, &calls[0].1, 404, r#""unknown""#);
    let job = world.wait("reboot", |job| counts(job)[3] == 1);
    assert_eq!(counts(&job), [4, 0, 1, 1, 2], "a device that answers has done it");
    // Its connection ends: it may have rebooted, so it is not called again.
    let gone = calls[1].0;
    let name = super::world::name(usize::try_from(gone.connection.slot).expect("small"));
    let identity = ringhub_core::id::Identity {
        device: ringhub_core::id::DeviceId::parse(&name).expect("valid"),
        module: None,
    };
    world.control.methods().handle_gone(ringhub_core::id::HubId(0), &identity, gone);
    let job = world.wait("reboot", |job| counts(job)[1] == 1);
    assert_eq!(counts(&job), [4, 1, 1, 0, 2]);
    let third = world.connect(1);
    let (seat, call) = world.calls(3).pop().expect("three calls");
    assert_eq!(seat, third);
    world.answer(seat, &call, 200, "null");
    world.wait("reboot", |job| counts(job)[2] == 2);
    world.delete(3);
    let job = world.ended("reboot");
    assert_eq!((&job["status"], counts(&job)), (&json!("completed"), [4, 2, 2, 0, 0]), "{job}");
    world.control.shutdown();
}

#[test]
fn a_device_that_does_not_come_in_time_fails() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(2);
    let seat = world.connect(0);
    world.create("short", &method_job("*", 1));
    let (_, call) = world.calls(1).pop().expect("one call");
    // The time of the job ends, but what is under way still counts.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.answer(seat, &call, 200, "{}");
    let job = world.ended("short");
    assert_eq!((&job["status"], counts(&job)), (&json!("completed"), [2, 1, 1, 0, 0]), "{job}");
    world.control.shutdown();
}

#[test]
fn calls_under_way_are_bounded_and_a_cancel_spares_the_rest() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    let devices = JOB_CALLS_MAX + 20;
    world.register(devices);
    for n in 0..devices {
        world.connect(n);
    }
    world.create("many", &method_job("*", 3600));
    let calls = world.calls(JOB_CALLS_MAX);
    let all = devices as u64;
    let under_way = JOB_CALLS_MAX as u64;
    let job = world.wait("many", |job| counts(job)[3] == under_way);
    assert_eq!(counts(&job), [all, 0, 0, under_way, all - under_way]);
    world.answer(calls[0].0, &calls[0].1, 200, "1");
    assert_eq!(world.calls(JOB_CALLS_MAX + 1).len(), JOB_CALLS_MAX + 1, "one more, not two");
    let nothing = serde_json::Value::Null;
    let cancelled = world.client().send("POST", "/jobs/v2/many/cancel", None, &nothing);
    assert_eq!(cancelled.status, 200);
    let job = world.job("many");
    assert_eq!(job["status"], "cancelled");
    assert_eq!(counts(&job), [all, 0, 1, under_way, 0], "what is under way goes on");
    for (seat, call) in world.calls(JOB_CALLS_MAX + 1).iter().skip(1) {
        world.answer(*seat, call, 200, "1");
    }
    let job = world.wait("many", |job| counts(job)[3] == 0);
    assert_eq!(counts(&job), [all, 0, under_way + 1, 0, 0]);
    assert_eq!(world.calls(0).len(), JOB_CALLS_MAX + 1, "nobody is called after the cancel");
    world.control.shutdown();
}

#[test]
fn a_call_under_way_at_the_end_of_the_process_is_in_doubt_and_not_repeated() {
    let dir = TempDir::new();
    let world = World::open(&dir);
    world.register(3);
    world.connect(1);
    world.create("doubt", &method_job("*", 3600));
    world.calls(1);
    world.wait("doubt", |job| counts(job)[3] == 1);
    world.control.shutdown();
    let world = World::open(&dir);
    let job = world.wait("doubt", |job| counts(job)[1] == 1);
    assert_eq!(counts(&job), [3, 1, 0, 0, 2]);
    world.connect(1);
    let seat = world.connect(2);
    let (called, call) = world.calls(1).pop().expect("the device that was not called yet");
    assert_eq!(called, seat);
    world.answer(seat, &call, 200, "true");
    world.wait("doubt", |job| counts(job)[2] == 1);
    world.delete(0);
    assert_eq!(counts(&world.ended("doubt")), [3, 2, 1, 0, 0]);
    assert_eq!(world.calls(0).len(), 1, "the device in doubt is not called again");
    world.control.shutdown();
}
