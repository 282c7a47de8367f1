use core::time::Duration;

use super::*;
use crate::id::{ConnectionId, DeviceId, HubId, Identity, ShardId};

const SECOND: Duration = Duration::from_secs(1);
const IMPATIENT: Patience = Patience { connect: Duration::ZERO, response: SECOND };

type Calls = PendingCalls<&'static str>;

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + SECOND * u32::try_from(seconds).expect("tests are short")
}

fn target(device: &str) -> Target {
    let device = DeviceId::parse(device).expect("a valid id");
    Target { hub: HubId(0), identity: Identity { device, module: None } }
}

/// Several seats share a connection.
fn seat(number: u32) -> SeatId {
    let connection = ConnectionId { shard: ShardId(0), slot: number / 2, generation: 0 };
    SeatId { connection, number }
}

fn invocation(bytes: usize) -> Invocation {
    Invocation { name: "m".into(), payload: vec![b'1'; bytes].into() }
}

fn call(calls: &mut Calls, caller: &'static str, patience: Patience) -> CallId {
    let id = calls.handle_call(caller, target("d"), invocation(1), patience, at(0));
    id.expect("there is room")
}

fn events(calls: &mut Calls) -> Vec<Event<&'static str>> {
    std::iter::from_fn(|| calls.poll_event()).collect()
}

fn send(number: u32, id: CallId) -> Event<&'static str> {
    Event::Send(seat(number), MethodCall { id, invocation: invocation(1) })
}

#[test]
fn an_answer_counts_once_and_only_where_the_call_was_sent() {
    let mut calls = Calls::new(7);
    let id = call(&mut calls, "a", IMPATIENT);
    assert_eq!(calls.handle_answer(id, seat(1)), None, "nobody has heard of it");
    calls.handle_located(id, Some(seat(1)), at(0));
    assert_eq!(events(&mut calls), [send(1, id)]);
    assert_eq!(calls.handle_answer(id, seat(2)), None, "another device");
    assert_eq!(calls.handle_answer(CallId(8), seat(1)), None, "an unknown id");
    assert_eq!(calls.handle_answer(id, seat(1)), Some("a"));
    assert_eq!(calls.handle_answer(id, seat(1)), None, "a second answer");
    assert_eq!((calls.poll_timeout(), calls.waiting(), calls.bytes), (None, 0, 0));
    assert!(calls.targets.is_empty() && events(&mut calls).is_empty());
}

#[test]
fn without_patience_an_absent_device_is_told_at_once() {
    let mut calls = Calls::new(0);
    let id = call(&mut calls, "a", IMPATIENT);
    calls.handle_located(id, None, at(0));
    let not_online = Event::Fail("a", Failure::NotOnline(Duration::ZERO));
    assert_eq!(events(&mut calls), [not_online]);
}

#[test]
fn a_late_device_gets_what_waits_in_order() {
    let mut calls = Calls::new(0);
    let patience = Patience { connect: 5 * SECOND, response: SECOND };
    let ids = ["a", "b", "c"].map(|caller| {
        let id = call(&mut calls, caller, patience);
        calls.handle_located(id, None, at(0));
        id
    });
    calls.handle_ready(&target("other"), seat(9), at(1));
    assert_eq!(events(&mut calls), []);
    calls.handle_ready(&target("d"), seat(1), at(4));
    assert_eq!(events(&mut calls), ids.map(|id| send(1, id)));
    assert_eq!(calls.poll_timeout(), Some(at(5)), "the time to answer begins with the sending");
    assert_eq!(calls.handle_answer(ids[1], seat(1)), Some("b"));
    calls.handle_timeout(at(5));
    let late = ["a", "c"].map(|caller| Event::Fail(caller, Failure::TimedOut));
    assert_eq!(events(&mut calls), late);
}

#[test]
fn a_call_follows_a_takeover_that_it_has_missed() {
    let mut calls = Calls::new(0);
    let id = call(&mut calls, "a", IMPATIENT);
    calls.handle_located(id, Some(seat(1)), at(0));
    let why = Undelivered::NotListening;
    calls.handle_undelivered(id, seat(2), why, None, at(0));
    calls.handle_undelivered(id, seat(1), why, Some(seat(2)), at(0));
    assert_eq!(events(&mut calls), [send(1, id), send(2, id)]);
    calls.handle_undelivered(id, seat(2), why, Some(seat(2)), at(0));
    let not_online = Event::Fail("a", Failure::NotOnline(Duration::ZERO));
    assert_eq!(events(&mut calls), [not_online], "it is there and does not listen");
}

#[test]
fn what_was_sent_ends_with_its_connection() {
    let mut calls = Calls::new(0);
    let patience = Patience { connect: 5 * SECOND, response: SECOND };
    let sent = call(&mut calls, "sent", patience);
    calls.handle_located(sent, Some(seat(1)), at(0));
    let waits = call(&mut calls, "waits", patience);
    calls.handle_located(waits, None, at(0));
    calls.handle_gone(&target("d"), seat(2));
    calls.handle_gone(&target("d"), seat(1));
    let closed = Event::Fail("sent", Failure::ConnectionClosed);
    assert_eq!(events(&mut calls), [send(1, sent), closed]);
    assert_eq!(calls.waiting(), 1);
}

#[test]
fn a_device_that_is_behind_is_told_to_the_caller() {
    let mut calls = Calls::new(0);
    let id = call(&mut calls, "a", IMPATIENT);
    calls.handle_located(id, Some(seat(1)), at(0));
    calls.handle_undelivered(id, seat(1), Undelivered::Behind, None, at(0));
    assert_eq!(events(&mut calls), [send(1, id), Event::Fail("a", Failure::Behind)]);
}

#[test]
fn every_bound_holds_and_is_free_again() {
    let mut calls = PendingCalls::<usize>::new(0);
    let add = |calls: &mut PendingCalls<usize>, device: &str, bytes| {
        calls.handle_call(0, target(device), invocation(bytes), IMPATIENT, at(0))
    };
    for _ in 0..METHOD_CALLS_PER_IDENTITY_MAX {
        add(&mut calls, "d", 1).expect("there is room");
    }
    assert_eq!(add(&mut calls, "d", 1), Err((0, Refusal::TargetFull)));
    let free = METHOD_BYTES_MAX - calls.bytes;
    assert_eq!(add(&mut calls, "e", free), Err((0, Refusal::Full)));
    add(&mut calls, "e", free - 1).expect("this fills it");
    assert_eq!(add(&mut calls, "f", 0), Err((0, Refusal::Full)));
    calls.handle_timeout(at(0));
    assert_eq!((calls.bytes, calls.waiting()), (0, 0));
    for n in 0..METHOD_CALLS_MAX {
        add(&mut calls, &(n % 1000).to_string(), 1).expect("there is room");
    }
    assert_eq!(add(&mut calls, "d", 1), Err((0, Refusal::Full)));
}

#[test]
fn a_hub_that_goes_ends_its_calls_and_no_others() {
    let mut calls = Calls::new(0);
    let sent = call(&mut calls, "sent", IMPATIENT);
    calls.handle_located(sent, Some(seat(1)), at(0));
    let patient = Patience { connect: SECOND, response: SECOND };
    let waiting = call(&mut calls, "waiting", patient);
    calls.handle_located(waiting, None, at(0));
    let elsewhere = Target { hub: HubId(1), ..target("d") };
    let other = calls.handle_call("other", elsewhere, invocation(1), patient, at(0));
    calls.handle_located(other.expect("there is room"), None, at(0));
    calls.handle_hub_deleted(HubId(0));
    let ended = |caller| Event::Fail(caller, Failure::HubDeleted);
    assert_eq!(events(&mut calls), [send(1, sent), ended("sent"), ended("waiting")]);
    assert_eq!(calls.waiting(), 1);
}
