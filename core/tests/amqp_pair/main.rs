//! Two AMQP machines, a hub and a client, talk over a wire that cuts their bytes at random places.

mod links;
mod partial;
mod support;

use core::time::Duration;

use ringhub_core::codec::amqp::performative::{
    AmqpError, Condition, DeliveryState, Role, SenderSettleMode, Source,
};
use ringhub_core::limits::AMQP_REFUSAL_PAUSE;
use ringhub_core::session::amqp::{
    AmqpConfig, ClientSasl, LinkId, Outgoing, SendBlocked, SessionError,
};
use ringhub_core::time::Timestamp;

use self::support::{Fact, Pair};

fn config(frame: u32, window: u32) -> AmqpConfig {
    AmqpConfig { max_frame_size: frame, session_window: window, ..AmqpConfig::default() }
}

fn opened(seed: u64, hub: AmqpConfig, client: AmqpConfig, sasl: ClientSasl<'_>) -> Pair {
    let mut pair = Pair::new(seed, hub, client, sasl);
    pair.run();
    assert!(matches!(pair.hub_facts[..], [.., Fact::Opened]), "{:?}", pair.hub_facts);
    assert!(matches!(pair.client_facts[..], [Fact::Opened]), "{:?}", pair.client_facts);
    pair.hub_facts.clear();
    pair.client_facts.clear();
    pair
}

/// A link on which the hub sends: (the hub's end, the client's end).
fn reader(pair: &mut Pair) -> (LinkId, LinkId) {
    let session = pair.client.begin_session().unwrap();
    let source = Source::new("eh/ConsumerGroups/$Default/Partitions/0");
    let link = pair.client.attach_receiver(session, "rx", source).unwrap();
    pair.run();
    (pair.hub_link(), link)
}

/// A link on which the client sends.
fn sender(pair: &mut Pair) -> (LinkId, LinkId) {
    let session = pair.client.begin_session().unwrap();
    let link = pair.client.attach_sender(session, "tx", "$cbs").unwrap();
    pair.run();
    (pair.hub_link(), link)
}

#[test]
fn every_way_of_authentication_opens() {
    let plain = ClientSasl::Plain { user: "policy@sas.root.hub", password: "token" };
    let sasls = [ClientSasl::Skip, ClientSasl::Anonymous, plain, ClientSasl::External];
    for (seed, sasl) in (1..).zip(sasls) {
        let mut pair = Pair::new(seed, AmqpConfig::default(), AmqpConfig::default(), sasl);
        pair.run();
        let with_sasl = usize::from(sasl != ClientSasl::Skip);
        assert_eq!(pair.hub_facts.len(), 1 + with_sasl);
        if let ClientSasl::Plain { user, password } = sasl {
            assert_eq!(pair.hub_facts[0], Fact::Plain(user.into(), password.into()));
        }
    }
}

#[test]
fn wrong_credentials_end_both_sides() {
    let plain = ClientSasl::Plain { user: "u", password: "wrong" };
    let mut pair = Pair::new(4, AmqpConfig::default(), AmqpConfig::default(), plain);
    pair.run();
    assert_eq!(pair.client_error, Some(SessionError::Authentication));
    assert!(pair.hub.is_closed() && pair.client.is_closed());
}

#[test]
fn large_messages_cross_small_frames_both_ways() {
    for (seed, hub_frame, client_frame) in [(5, 512, 65536), (6, 65536, 512), (7, 65536, 65536)] {
        let hub = config(hub_frame, 5000);
        let mut pair = opened(seed, hub, config(client_frame, 5000), ClientSasl::Skip);
        let body: Vec<u8> =
            (0..200_000u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let (hub_tx, client_rx) = reader(&mut pair);
        pair.client.grant_credit(client_rx, 1);
        pair.run();
        pair.hub.send(hub_tx, &[&body[..100], &body[100..]], Outgoing::SETTLED).unwrap();
        pair.run();
        assert_eq!(pair.client_messages, core::slice::from_ref(&body));
        let (_, client_tx) = sender(&mut pair);
        pair.client.send(client_tx, &[&body], Outgoing::default()).unwrap();
        pair.run();
        assert_eq!(pair.hub_messages, [body]);
        let settled = Fact::Settled(Some("accepted"), true);
        assert!(pair.client_facts.contains(&settled), "{:?}", pair.client_facts);
    }
}

#[test]
fn thousands_of_events_pass_a_small_session_window() {
    let client = config(65536, 2048);
    let mut pair = opened(8, AmqpConfig::default(), client, ClientSasl::Anonymous);
    let (hub_tx, client_rx) = reader(&mut pair);
    pair.client.grant_credit(client_rx, 100_000);
    pair.run();
    let mut sent = 0u32;
    let mut blocked_by_window = 0;
    while sent < 10_000 {
        match pair.hub.send(hub_tx, &[&sent.to_be_bytes(), &[7; 20]], Outgoing::SETTLED) {
            Ok(_) => sent += 1,
            Err(SendBlocked::Window) => {
                blocked_by_window += 1;
                pair.run();
            }
            Err(SendBlocked::Output) => pair.run(),
            Err(other) => panic!("{other}"),
        }
    }
    pair.run();
    assert!(blocked_by_window > 0, "the window was never shut");
    assert_eq!(pair.client_messages.len(), 10_000);
    for (expected, message) in (0u32..).zip(&pair.client_messages) {
        assert_eq!(message[..4], expected.to_be_bytes());
    }
}

#[test]
fn a_message_that_the_window_stops_goes_on_by_itself() {
    let mut pair = opened(9, AmqpConfig::default(), config(512, 10), ClientSasl::Skip);
    let (hub_tx, client_rx) = reader(&mut pair);
    pair.client.grant_credit(client_rx, 2);
    pair.run();
    pair.hub.send(hub_tx, &[&[1; 100_000]], Outgoing::SETTLED).unwrap();
    assert_eq!(pair.hub.can_send(hub_tx), Err(SendBlocked::Window));
    pair.run();
    assert_eq!(pair.client_messages, [vec![1; 100_000]]);
    assert_eq!(pair.hub.can_send(hub_tx), Ok(()));
}

#[test]
fn credit_is_never_exceeded() {
    let mut pair = opened(10, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    let (hub_tx, client_rx) = reader(&mut pair);
    assert_eq!(pair.hub.can_send(hub_tx), Err(SendBlocked::Credit));
    for round in 1..=5usize {
        pair.client.grant_credit(client_rx, 3);
        pair.run();
        assert_eq!(pair.hub_facts.last(), Some(&Fact::Credit(3, false)));
        while pair.hub.send(hub_tx, &[b"x"], Outgoing::SETTLED).is_ok() {}
        pair.run();
        assert_eq!(pair.client_messages.len(), 3 * round);
    }
}

#[test]
fn drain_uses_credit_up() {
    let mut pair = opened(11, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    let (hub_tx, client_rx) = reader(&mut pair);
    pair.client.grant_credit(client_rx, 10);
    pair.client.drain(client_rx);
    pair.run();
    assert_eq!(pair.hub_facts.last(), Some(&Fact::Credit(10, true)));
    pair.hub.send(hub_tx, &[b"last"], Outgoing::SETTLED).unwrap();
    pair.hub.drain_done(hub_tx);
    assert_eq!(pair.hub.can_send(hub_tx), Err(SendBlocked::Credit));
    pair.run();
    assert_eq!(pair.client_facts.last(), Some(&Fact::Drained));
    pair.client.grant_credit(client_rx, 1);
    pair.run();
    assert_eq!(pair.hub_facts.last(), Some(&Fact::Credit(1, false)));
}

#[test]
fn refused_links_tell_why_and_leave_the_rest_alone() {
    let mut pair = opened(12, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    pair.refuse = true;
    let session = pair.client.begin_session().unwrap();
    pair.client.attach_receiver(session, "rx", Source::new("nowhere")).unwrap();
    pair.run();
    assert_eq!(pair.client_facts, [Fact::SessionBegun], "the reason comes apart from the attach");
    pair.advance(AMQP_REFUSAL_PAUSE);
    pair.run();
    let detached = Fact::Detached(Some("amqp:not-found".into()));
    assert_eq!(pair.client_facts, [Fact::SessionBegun, detached]);
    pair.refuse = false;
    pair.client.attach_receiver(session, "rx", Source::new("somewhere")).unwrap();
    pair.run();
    assert_eq!(pair.client_facts.last(), Some(&Fact::Attached));
}

#[test]
fn links_and_connections_end_from_both_sides() {
    let mut pair = opened(13, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    let (hub_tx, _) = reader(&mut pair);
    let stolen = AmqpError::new(Condition::Stolen, "a newer reader came");
    pair.hub.detach(hub_tx, Some(stolen));
    pair.run();
    let detached = Fact::Detached(Some("amqp:link:stolen".into()));
    assert_eq!(pair.client_facts.last(), Some(&detached));
    assert_eq!(pair.hub.can_send(hub_tx), Err(SendBlocked::NotSending));
    let (_, client_rx) = reader(&mut pair);
    pair.client.detach(client_rx, None);
    pair.run();
    assert_eq!(pair.hub_facts.last(), Some(&Fact::Detached(None)));
    pair.client.close(None);
    pair.run();
    assert_eq!(pair.hub_facts.last(), Some(&Fact::Closed(None)));
    assert_eq!(pair.client_facts.last(), Some(&Fact::Closed(None)));
    assert!(pair.hub.is_closed() && pair.client.is_closed());
}

#[test]
fn outcomes_reach_the_sender_and_are_told_once() {
    let mut pair = opened(14, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    let (hub_tx, client_rx) = reader(&mut pair);
    pair.client.grant_credit(client_rx, 10);
    pair.run();
    pair.client_outcome = Some(DeliveryState::Released);
    for _ in 0..3 {
        pair.hub.send(hub_tx, &[b"x"], Outgoing::default()).unwrap();
    }
    pair.hub_facts.clear();
    pair.run();
    assert_eq!(pair.hub_facts, [(); 3].map(|()| Fact::Settled(Some("released"), true)));
}

#[test]
fn messages_above_the_size_of_the_link_are_not_sent() {
    let mut pair = opened(15, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    pair.max_message_size = 1000;
    let (_, client_tx) = sender(&mut pair);
    let refused = pair.client.send(client_tx, &[&[0; 1001]], Outgoing::SETTLED);
    assert_eq!(refused, Err(SendBlocked::Size));
}

#[test]
fn silence_closes_and_heartbeats_prevent_it() {
    let idle = AmqpConfig { idle_timeout: Duration::from_secs(60), ..AmqpConfig::default() };
    let mut pair = opened(16, idle.clone(), idle, ClientSasl::Skip);
    pair.wire_bytes_since_mark();
    for _ in 0..500 {
        pair.advance(Duration::from_secs(5));
        pair.run();
    }
    assert_eq!((pair.hub_error, pair.client_error), (None, None));
    let bytes_each = pair.wire_bytes_since_mark();
    assert!(bytes_each < 2 * 8 * 2500 / 30 + 64, "too many heartbeats: {bytes_each}");
    let silent_until = pair.now + Duration::from_secs(80);
    assert_eq!(pair.hub.handle_timeout(silent_until), Ok(()));
    let too_long = pair.now + Duration::from_secs(125);
    pair.hub.excuse_silence(too_long);
    assert_eq!(pair.hub.handle_timeout(too_long), Ok(()), "it was not read");
    let too_long = too_long + Duration::from_secs(125);
    assert_eq!(pair.hub.handle_timeout(too_long), Err(SessionError::IdleTimeout));
    assert!(pair.hub.is_closed());
}

#[test]
fn a_handshake_that_takes_too_long_is_given_up() {
    let mut pair = Pair::new(17, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    let late = Timestamp::ZERO + Duration::from_secs(61);
    assert!(pair.hub.poll_timeout().is_some_and(|deadline| deadline < late));
    assert_eq!(pair.hub.handle_timeout(late), Err(SessionError::HandshakeTimeout));
}

#[test]
fn many_seeds_of_cutting_change_nothing() {
    for seed in 100..140 {
        let mut pair = opened(seed, config(512, 16), config(600, 16), ClientSasl::Anonymous);
        let (hub_tx, client_rx) = reader(&mut pair);
        let (_, client_tx) = sender(&mut pair);
        pair.client.grant_credit(client_rx, 20);
        pair.run();
        for size in [0, 1, 400, 432, 433, 5000] {
            pair.client.send(client_tx, &[&vec![3; size]], Outgoing::SETTLED).unwrap();
            pair.hub.send(hub_tx, &[&vec![4; size]], Outgoing::SETTLED).unwrap();
            pair.run();
        }
        let sizes = |messages: &[Vec<u8>]| messages.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&pair.hub_messages), [0, 1, 400, 432, 433, 5000], "seed {seed}");
        assert_eq!(sizes(&pair.client_messages), [0, 1, 400, 432, 433, 5000], "seed {seed}");
    }
}

#[test]
fn the_hub_says_settled_when_told_so() {
    let mut pair = opened(18, AmqpConfig::default(), AmqpConfig::default(), ClientSasl::Skip);
    reader(&mut pair);
    let (role, mode) = pair.attach_answer.unwrap();
    assert_eq!((role, mode), (Role::Sender, SenderSettleMode::Settled));
}
