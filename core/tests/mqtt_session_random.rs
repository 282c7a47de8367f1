//! Random operations on a client and a hub session, joined by a wire that cuts anywhere.
//!
//! Checked whatever happens: PUBACKs come in the order of the PUBLISHes and never before the
//! commit, the in-flight window keeps its bounds, and everything accepted is acknowledged in the
//! end. A failure prints its seed.

mod random;

use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use random::Random;
use ringhub_core::codec::mqtt::{Connect, Qos, decode, decode_within};
use ringhub_core::limits::{MQTT_INFLIGHT_BYTES_MAX, MQTT_INFLIGHT_PUBLISHES_MAX};
use ringhub_core::position::{Committed, RingPosition};
use ringhub_core::session::mqtt::{
    Acceptance, ClientEvent, Handled, MqttClient, MqttSession, Subscriptions,
};
use ringhub_core::time::Timestamp;

/// What the checker knows about one accepted QoS 1 publish.
struct Accepted {
    tag: u64,
    position: u64,
    bytes: usize,
}

struct World {
    random: Random,
    /// Slow commits fill the window: by bytes with large payloads, by number without.
    slow_commits: bool,
    large_payloads: bool,
    client: MqttClient,
    session: MqttSession,
    to_hub: BytesMut,
    to_client: BytesMut,
    /// Bytes that have crossed the wire but are not consumed.
    hub_buffer: BytesMut,
    client_buffer: BytesMut,
    /// Tags of QoS 1 publishes in the order in which they were sent.
    sent: VecDeque<u64>,
    unacknowledged: VecDeque<Accepted>,
    ring: u64,
    committed: u64,
    now: Timestamp,
    acknowledged: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::ZERO;
        let connect = Connect {
            clean_session: true,
            keep_alive: 0,
            client_id: "d",
            will: None,
            user_name: Some("hub/d"),
            password: None,
        };
        let slow_commits = !seed.is_multiple_of(2);
        let window = if slow_commits { 3 * MQTT_INFLIGHT_PUBLISHES_MAX } else { 8 };
        let patience = Duration::from_secs(60);
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            slow_commits,
            large_payloads: seed.is_multiple_of(3),
            client: MqttClient::connect(&connect, window, patience, now).unwrap(),
            session: MqttSession::new(now),
            to_hub: BytesMut::new(),
            to_client: BytesMut::new(),
            hub_buffer: BytesMut::new(),
            client_buffer: BytesMut::new(),
            sent: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            ring: 0,
            committed: 0,
            now,
            acknowledged: 0,
        }
    }

    fn step(&mut self, tag: u64) {
        self.now = self.now + Duration::from_micros(self.random.below(1000));
        match self.random.below(8) {
            0..=2 => self.publish(tag),
            3 => self.carry(),
            4..=5 => self.hub_reads(false),
            6 => self.commit(),
            _ => self.client_reads(),
        }
    }

    fn publish(&mut self, tag: u64) {
        let (topic, payload) = match self.random.below(40) {
            0 => ("$iothub/twin/GET/?$rid=1", vec![b' ']),
            1 if self.large_payloads => ("devices/d/messages/events/", vec![0; 200_000]),
            _ => ("devices/d/messages/events/a=1", vec![0; 100]),
        };
        let qos = if self.random.below(4) == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        if self.client.publish(topic, &payload, qos, tag).is_ok() && qos == Qos::AtLeastOnce {
            self.sent.push_back(tag);
        }
    }

    /// Moves a random piece each way.
    fn carry(&mut self) {
        self.client.poll_transmit(&mut self.to_hub, self.now);
        self.session.poll_transmit(&mut self.to_client);
        for (from, to) in [
            (&mut self.to_hub, &mut self.hub_buffer),
            (&mut self.to_client, &mut self.client_buffer),
        ] {
            let len = self.random.below(from.len() as u64 + 1) as usize;
            to.extend_from_slice(&from.split_to(len));
        }
    }

    fn hub_reads(&mut self, ring_always_free: bool) {
        while self.session.can_read() {
            let max = self.session.packet_bytes_max();
            let Some((packet, size)) = decode_within(&self.hub_buffer, max).unwrap() else { break };
            match self.session.handle_packet(packet, self.now).unwrap() {
                Handled::Connect(_) => {
                    let acceptance = Acceptance {
                        session_present: false,
                        subscriptions: Subscriptions::NONE,
                        token_deadline: None,
                    };
                    self.session.accept(acceptance, self.now);
                }
                Handled::Publish(event) => {
                    if !ring_always_free && self.random.below(10) == 0 {
                        return; // The ring is full: the packet stays where it is.
                    }
                    self.ring += size as u64;
                    self.session.handle_accepted(event.receipt, RingPosition(self.ring));
                    let first = self.hub_buffer[0];
                    if first & 0b0110 != 0 {
                        self.note_accepted(size);
                    }
                }
                Handled::TwinRequest(_) => {
                    if self.hub_buffer[0] & 0b0110 != 0 {
                        self.note_accepted(0);
                    }
                }
                Handled::Nothing => {}
                other => panic!("{other:?}"),
            }
            self.hub_buffer.advance(size);
            self.check_bounds();
        }
    }

    /// A packet that is not logged (0 bytes) takes the position before it.
    fn note_accepted(&mut self, bytes: usize) {
        let before = self.unacknowledged.back().map_or(0, |last| last.position);
        let position = if bytes == 0 { before } else { self.ring };
        let tag = self.sent.pop_front().expect("was sent");
        self.unacknowledged.push_back(Accepted { tag, position, bytes });
    }

    fn check_bounds(&self) {
        let awaiting = self.unacknowledged.iter().filter(|one| one.position > self.committed);
        let (count, bytes) = awaiting.fold((0, 0), |(n, b), one| (n + 1, b + one.bytes));
        assert!(count <= MQTT_INFLIGHT_PUBLISHES_MAX, "{count} in flight");
        assert!(bytes < MQTT_INFLIGHT_BYTES_MAX + 210_000, "{bytes} bytes in flight");
    }

    fn commit(&mut self) {
        if self.slow_commits && self.random.below(500) != 0 {
            return;
        }
        self.committed += self.random.below(self.ring - self.committed + 1);
        self.session.handle_committed(Committed(RingPosition(self.committed)));
    }

    fn client_reads(&mut self) {
        while let Some((packet, size)) = decode(&self.client_buffer).unwrap() {
            match self.client.handle_packet(packet).unwrap() {
                ClientEvent::Acknowledged { tag, in_order } => {
                    let expected = self.unacknowledged.pop_front().expect("was accepted");
                    assert!(in_order && tag == expected.tag, "PUBACK order = PUBLISH order");
                    assert!(expected.position <= self.committed, "PUBACK after commit");
                    self.acknowledged += 1;
                }
                ClientEvent::Connected { session_present: false } => {}
                other => panic!("{other:?}"),
            }
            self.client_buffer.advance(size);
        }
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.carry();
            self.hub_reads(true);
            self.committed = self.ring;
            self.session.handle_committed(Committed(RingPosition(self.ring)));
            self.client_reads();
        }
        assert!(self.sent.is_empty() && self.unacknowledged.is_empty(), "something was lost");
        assert_eq!(self.client.inflight(), 0);
    }
}

#[test]
fn pubacks_follow_commits_in_order() {
    let mut acknowledged = 0;
    for seed in 1..=24 {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for tag in 0..8000 {
                world.step(tag);
            }
            world.settle();
            world.acknowledged
        });
        acknowledged += run.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(acknowledged > 10_000, "only {acknowledged} publishes were acknowledged");
}
