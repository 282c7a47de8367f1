//! Many links on one connection, answered in any order and at any time.

use bytes::{Buf, BytesMut};
use hex_literal::hex;
use ringhub_core::codec::amqp::performative::{
    AmqpError, Attach, Condition, DeliveryState, Detach, Disposition, Flow, LinkFlow, Performative,
    Role, Source, Target,
};
use ringhub_core::codec::amqp::{Frame, FrameKind, write_frame};
use ringhub_core::limits::{AMQP_LINK_UNSETTLED_MAX, AMQP_LINKS_OVER_MAX, AMQP_REFUSAL_PAUSE};
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpEvent, ClientSasl, LinkCredit, LinkId, Outgoing, SendBlocked, SessionId,
};
use ringhub_core::time::Timestamp;

use crate::support::{Fact, Pair};

fn opened(seed: u64, hub: AmqpConfig) -> Pair {
    let mut pair = Pair::new(seed, hub, AmqpConfig::default(), ClientSasl::Skip);
    pair.run();
    pair.hub_facts.clear();
    pair.client_facts.clear();
    pair
}

fn session(pair: &mut Pair) -> SessionId {
    pair.client.begin_session().unwrap()
}

fn receiver(pair: &mut Pair, session: SessionId, name: &str) -> LinkId {
    pair.client.attach_receiver(session, name, Source::new("/devices/d/twin")).unwrap()
}

fn count(facts: &[Fact], fact: &Fact) -> usize {
    facts.iter().filter(|other| *other == fact).count()
}

#[test]
fn links_wait_for_their_answers_in_any_order_while_others_work() {
    let mut pair = opened(1, AmqpConfig::default());
    let session = session(&mut pair);
    pair.later = true;
    for n in 0..50 {
        receiver(&mut pair, session, &format!("later {n}"));
    }
    pair.run();
    assert_eq!((pair.waiting.len(), count(&pair.client_facts, &Fact::Attached)), (50, 0));
    pair.later = false;
    let link = pair.client.attach_sender(session, "at once", "$cbs").unwrap();
    pair.run();
    pair.client.send(link, &[b"message"], Outgoing::default()).unwrap();
    pair.run();
    assert_eq!(pair.hub_messages, [b"message"]);

    let error = AmqpError::new(Condition::NotFound, "no such device");
    let waiting = core::mem::take(&mut pair.waiting);
    for (n, link) in waiting.iter().rev().enumerate() {
        if n % 5 == 0 {
            pair.hub.refuse_link(*link, &error);
        } else {
            pair.accept(*link);
        }
    }
    pair.run();
    pair.advance(AMQP_REFUSAL_PAUSE);
    pair.run();
    assert_eq!(count(&pair.client_facts, &Fact::Attached), 41);
    let refused = Fact::Detached(Some("amqp:not-found".into()));
    assert_eq!(count(&pair.client_facts, &refused), 10);
    assert_eq!((pair.hub_error, pair.client_error), (None, None));
}

#[test]
fn credit_may_come_before_the_answer() {
    let mut pair = opened(2, AmqpConfig::default());
    let session = session(&mut pair);
    pair.later = true;
    receiver(&mut pair, session, "eager");
    pair.run();
    // A client of ours waits for the answer, others do not.
    let state = LinkFlow {
        handle: 0,
        delivery_count: None,
        link_credit: Some(7),
        available: 0,
        drain: true,
    };
    let flow = Flow {
        next_incoming_id: None,
        incoming_window: 5000,
        next_outgoing_id: 1,
        outgoing_window: 5000,
        link: Some(state),
        echo: true,
    };
    let flow = frame(&Performative::Flow(flow));
    let (link, hub) = (pair.waiting[0], &mut pair.hub);
    let (used, event) = hub.handle_bytes(&flow, Timestamp::ZERO).unwrap();
    assert!(used == flow.len() && event.is_none(), "the link has not been answered");
    assert_eq!(hub.can_send(link), Err(SendBlocked::NotSending));
    pair.accept(link);
    assert_eq!(pair.hub.credit_of(link), Some(LinkCredit { left: 7, drain: true }));
    assert!(pair.hub.send(link, &[b"first"], Outgoing::SETTLED).is_ok());
    pair.hub.drain_done(link);
    assert_eq!(pair.hub.credit_of(link), Some(LinkCredit { left: 0, drain: false }));
    let mut out = BytesMut::new();
    pair.hub.poll_transmit(&mut out);
    assert_eq!(names(&out), ["Attach", "Transfer", "Flow"]);
}

fn frame(performative: &Performative<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    write_frame(&mut out, FrameKind::Amqp, 0, |out| performative.encode(out));
    out
}

/// Names of the performatives in what was written.
fn names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((frame, used)) = Frame::decode(bytes, 65536).unwrap() {
        bytes = &bytes[used..];
        let text = format!("{:?}", Performative::decode(frame.body).unwrap().0);
        names.push(text.split('(').next().unwrap().to_owned());
    }
    names
}

#[test]
fn who_goes_before_the_answer_is_told_and_answered_no_more() {
    let mut pair = opened(3, AmqpConfig::default());
    let session = session(&mut pair);
    pair.later = true;
    let link = receiver(&mut pair, session, "short");
    pair.run();
    pair.client.detach(link, None);
    pair.run();
    assert_eq!(pair.hub_facts, [Fact::Requested, Fact::Detached(None)]);
    let gone = pair.waiting[0];
    pair.accept(gone);
    pair.hub.refuse_link(gone, &AmqpError::new(Condition::NotFound, ""));
    pair.run();
    assert_eq!(count(&pair.client_facts, &Fact::Attached), 0);
    assert_eq!(pair.hub.credit_of(gone), None);
}

#[test]
fn who_goes_before_the_answer_gets_an_attach_before_the_detach() {
    let mut pair = opened(3, AmqpConfig::default());
    let session = session(&mut pair);
    pair.later = true;
    let link = receiver(&mut pair, session, "by hand");
    pair.run();
    let detach = frame(&Performative::Detach(Detach { handle: 0, closed: true, error: None }));
    let (used, event) = pair.hub.handle_bytes(&detach, Timestamp::ZERO).unwrap();
    assert!(matches!(event, Some(AmqpEvent::LinkDetached { .. })) && used == detach.len());
    let mut out = BytesMut::new();
    pair.hub.poll_transmit(&mut out);
    assert_eq!(names(&out), ["Attach", "Detach"]);

    // A client of ours takes both for what they are, and its session goes on.
    pair.client.detach(link, None);
    for _ in 0..2 {
        let step = pair.client.handle_bytes(&out, Timestamp::ZERO).unwrap();
        assert!(step.0 > 0 && step.1.is_none(), "{step:?}");
        out.advance(step.0);
    }
    assert!(out.is_empty());
    out.clear();
    pair.client.poll_transmit(&mut out);
    assert_eq!(names(&out), ["Detach"], "nothing else was said");
}

#[test]
fn who_attaches_again_before_the_answer_takes_the_name() {
    let mut pair = opened(4, AmqpConfig::default());
    let session = session(&mut pair);
    pair.later = true;
    receiver(&mut pair, session, "twice");
    pair.run();
    // The client's machine keeps a name for one link, so the second attach is made by hand.
    let (source, target) = (Source::new("/devices/d/twin"), Target::new("twice"));
    let again = Attach { handle: 9, ..Attach::plain("twice", Role::Receiver, source, target) };
    let again = frame(&Performative::Attach(again));
    let first = pair.waiting[0];
    let (used, event) = pair.hub.handle_bytes(&again, Timestamp::ZERO).unwrap();
    assert_eq!(used, again.len());
    assert!(matches!(event, Some(AmqpEvent::LinkRequested { link, .. }) if link != first));
    let (_, event) = pair.hub.handle_bytes(&[], Timestamp::ZERO).unwrap();
    assert!(matches!(event, Some(AmqpEvent::LinkDetached { link, .. }) if link == first));
}

#[test]
fn a_thousand_sessions_with_links_of_the_same_names_leave_each_other_alone() {
    let mut pair = opened(5, AmqpConfig::default());
    let mut links = Vec::new();
    for _ in 0..1024 {
        let session = session(&mut pair);
        for name in ["TelemetrySenderLink", "TwinSenderLink", "MethodsSenderLink"] {
            links.push(pair.client.attach_sender(session, name, "/devices/d/x").unwrap());
        }
        for name in ["TelemetryReceiverLink", "TwinReceiverLink", "MethodsReceiverLink"] {
            receiver(&mut pair, session, name);
        }
        pair.run();
    }
    assert_eq!(count(&pair.client_facts, &Fact::Attached), 6 * 1024);
    for link in links {
        pair.client.send(link, &[b"x"], Outgoing::default()).unwrap();
    }
    pair.run();
    assert_eq!(pair.hub_messages.len(), 3 * 1024);
    assert_eq!(count(&pair.client_facts, &Fact::Settled(Some("accepted"), true)), 3 * 1024);
    assert!(!pair.client_facts.iter().any(|fact| matches!(fact, Fact::Detached(_))));
}

#[test]
fn links_above_the_bound_are_refused_and_gone_when_detached() {
    let mut pair = opened(6, AmqpConfig { links_max: 4, ..AmqpConfig::default() });
    let session = session(&mut pair);
    for round in 0..3 * AMQP_LINKS_OVER_MAX {
        let refused_before = round > 4;
        receiver(&mut pair, session, &format!("link {round}"));
        pair.run();
        if refused_before {
            pair.advance(AMQP_REFUSAL_PAUSE);
            pair.run();
        }
    }
    assert_eq!(count(&pair.client_facts, &Fact::Attached), 4);
    let refused = Fact::Detached(Some("amqp:resource-limit-exceeded".into()));
    assert_eq!(count(&pair.client_facts, &refused), 3 * AMQP_LINKS_OVER_MAX - 4);
    assert_eq!((pair.hub_error, pair.client_error), (None, None));
}

#[test]
fn a_peer_that_keeps_refused_links_loses_their_session() {
    let mut pair = opened(7, AmqpConfig { links_max: 4, ..AmqpConfig::default() });
    let session = session(&mut pair);
    for n in 0..=4 + AMQP_LINKS_OVER_MAX {
        receiver(&mut pair, session, &format!("link {n}"));
        pair.run();
    }
    assert_eq!(count(&pair.hub_facts, &Fact::Detached(None)), 4, "the session has ended");
    assert_eq!(pair.hub_error, None);
}

#[test]
fn a_receiver_in_mode_second_gets_its_settlement_with_the_same_state() {
    let mut pair = opened(8, AmqpConfig::default());
    let session = session(&mut pair);
    let link = receiver(&mut pair, session, "TelemetryReceiverLink");
    pair.run();
    pair.client.grant_credit(link, 10);
    pair.run();
    let hub_link = pair.hub_link();
    for _ in 0..3 {
        pair.hub.send(hub_link, &[b"x"], Outgoing::default()).unwrap();
    }
    pair.run();
    let outcome = disposition(Role::Receiver, 0, 2, false);
    let (mut told, mut used) = (Vec::new(), 0);
    while let (step, Some(event)) =
        pair.hub.handle_bytes(&outcome[used..], Timestamp::ZERO).unwrap()
    {
        used += step;
        let AmqpEvent::Settled { delivery, state, settled } = event else { panic!("{event:?}") };
        assert_eq!((state, settled), (Some(DeliveryState::Released), false));
        told.push(delivery);
    }
    assert_eq!(told.len(), 3);
    for (n, delivery) in (0..3).zip(told).rev() {
        pair.hub.settle(delivery, DeliveryState::Released);
        let mut out = BytesMut::new();
        pair.hub.poll_transmit(&mut out);
        assert_eq!(out, disposition(Role::Sender, n, n, true));
    }
}

#[test]
fn deliveries_in_a_row_get_one_outcome_and_the_sender_hears_of_each() {
    let mut pair = opened(12, AmqpConfig::default());
    let session = session(&mut pair);
    let link = pair.client.attach_sender(session, "telemetry", "events").unwrap();
    pair.run();
    pair.hub.grant_credit(pair.hub_link(), 10);
    pair.run();
    let sent: Vec<_> =
        (0..4).map(|_| pair.client.send(link, &[b"x"], Outgoing::default()).unwrap()).collect();
    let (mut bytes, mut received, mut used) = (BytesMut::new(), Vec::new(), 0);
    pair.client.poll_transmit(&mut bytes);
    while let (step, Some(event)) = pair.hub.handle_bytes(&bytes[used..], Timestamp::ZERO).unwrap()
    {
        used += step;
        let AmqpEvent::Message { delivery, .. } = event else { panic!("{event:?}") };
        assert!(received.last().is_none_or(|last| delivery.follows(*last)));
        received.push(delivery);
    }
    pair.hub.settle_run(received[0], received[2], DeliveryState::Released);
    let mut out = BytesMut::new();
    pair.hub.poll_transmit(&mut out);
    assert_eq!(out, disposition(Role::Receiver, 0, 2, true));
    let (mut told, mut used) = (Vec::new(), 0);
    while let (step, Some(event)) = pair.client.handle_bytes(&out[used..], Timestamp::ZERO).unwrap()
    {
        used += step;
        let AmqpEvent::Settled { delivery, .. } = event else { panic!("{event:?}") };
        told.push(delivery);
    }
    assert_eq!(told, sent[..3], "the fourth has no outcome yet");
}

fn disposition(role: Role, first: u32, last: u32, settled: bool) -> BytesMut {
    let state = Some(DeliveryState::Released);
    frame(&Performative::Disposition(Disposition { role, first, last, settled, state }))
}

#[test]
fn a_rejection_with_a_broken_reason_is_a_rejection() {
    let reason_is_text = hex!("00 53 15 c0 0e 05 41 43 40 41 00 53 25 c0 04 01 a1 01 78");
    let (performative, rest) = Performative::decode(&reason_is_text).unwrap();
    let Performative::Disposition(disposition) = performative else { panic!("{performative:?}") };
    assert_eq!(disposition.state, Some(DeliveryState::Rejected(None)));
    assert!(rest.is_empty() && disposition.settled);
}

#[test]
fn one_link_without_outcomes_does_not_block_the_others() {
    let mut pair = opened(9, AmqpConfig::default());
    let session = session(&mut pair);
    let links = ["slow", "quick"].map(|name| receiver(&mut pair, session, name));
    pair.run();
    for link in links {
        pair.client.grant_credit(link, 2 * AMQP_LINK_UNSETTLED_MAX);
    }
    pair.run();
    let (slow, quick) = (pair.hub_links[0], pair.hub_links[1]);
    let mut sent = 0;
    while pair.hub.send(slow, &[b"x"], Outgoing::default()).is_ok() {
        sent += 1;
        pair.run();
    }
    assert_eq!(sent, AMQP_LINK_UNSETTLED_MAX);
    assert_eq!(pair.hub.send(slow, &[b"x"], Outgoing::default()), Err(SendBlocked::Unsettled));
    pair.client_outcome = Some(DeliveryState::Accepted);
    pair.hub_facts.clear();
    pair.hub.send(quick, &[b"y"], Outgoing::default()).unwrap();
    pair.run();
    assert_eq!(pair.hub_facts, [Fact::Settled(Some("accepted"), true)]);
    pair.hub.detach(slow, None);
    pair.run();
    let again = receiver(&mut pair, session, "slow");
    pair.run();
    pair.client.grant_credit(again, 1);
    pair.run();
    let link = pair.hub_link();
    assert!(pair.hub.send(link, &[b"x"], Outgoing::default()).is_ok(), "what went is forgotten");
}

#[test]
fn nothing_follows_a_close() {
    let mut pair = opened(10, AmqpConfig::default());
    let session = session(&mut pair);
    let link = receiver(&mut pair, session, "rx");
    pair.run();
    pair.client.grant_credit(link, 10);
    pair.run();
    let hub_link = pair.hub_link();
    pair.hub.close(None);
    let mut out = BytesMut::new();
    pair.hub.poll_transmit(&mut out);
    assert_eq!(pair.hub.send(hub_link, &[b"x"], Outgoing::SETTLED), Err(SendBlocked::NotSending));
    pair.hub.detach(hub_link, None);
    assert!(!pair.hub.poll_transmit(&mut out), "a close is the last frame");
}

#[test]
fn a_session_that_the_hub_ends_takes_its_links_along_and_no_others() {
    let mut pair = opened(11, AmqpConfig::default());
    let sessions = [session(&mut pair), session(&mut pair)];
    for session in sessions {
        receiver(&mut pair, session, "rx");
    }
    pair.run();
    let (first, second) = (pair.hub_links[0], pair.hub_links[1]);
    let of_first = pair.hub.session_of(first).unwrap();
    let error = AmqpError::new(Condition::UnauthorizedAccess, "the token has expired");
    pair.hub.end(of_first, Some(error));
    pair.hub.end(of_first, None);
    pair.hub_facts.clear();
    pair.run();
    assert_eq!(pair.hub_facts, [], "the driver has said so itself");
    assert_eq!(count(&pair.client_facts, &Fact::Detached(None)), 1);
    assert!(pair.hub.session_of(first).is_none() && pair.hub.session_of(second).is_some());
    assert_eq!((pair.hub_error, pair.client_error), (None, None));
}
