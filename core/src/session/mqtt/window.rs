//! Publishes that await their commit, and the PUBACKs they are owed.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::publish::Receipt;
use crate::codec::mqtt::Puback;
use crate::id::PacketId;
use crate::limits::{MQTT_INFLIGHT_BYTES_MAX, MQTT_INFLIGHT_PUBLISHES_MAX};
use crate::position::{Committed, RingPosition};

/// Queue of owed PUBACKs in the order of their PUBLISHes [MQTT-4.6.0-2]; holds no memory while
/// empty.
#[derive(Debug, Default)]
pub(super) struct PublishWindow {
    owed: VecDeque<Owed>,
    bytes: usize,
    accepted: RingPosition,
    committed: RingPosition,
}

#[derive(Debug)]
struct Owed {
    /// The PUBACK leaves once the commit position is here.
    position: RingPosition,
    id: PacketId,
    bytes: u32,
}

impl PublishWindow {
    pub(super) fn is_full(&self) -> bool {
        self.owed.len() >= MQTT_INFLIGHT_PUBLISHES_MAX || self.bytes >= MQTT_INFLIGHT_BYTES_MAX
    }

    /// Position of the last accepted message, of whatever QoS.
    pub(super) const fn accepted(&self) -> RingPosition {
        self.accepted
    }

    /// Notes a message that is in the ring; QoS 0 takes no slot.
    pub(super) fn accept(&mut self, receipt: Receipt, position: RingPosition) {
        assert!(position >= self.accepted, "ring positions of one connection rise");
        self.accepted = position;
        if let Some(id) = receipt.id {
            self.push(Owed { position, id, bytes: receipt.bytes });
        }
    }

    /// Owes a PUBACK for a packet that is not logged: it follows those of earlier publishes.
    pub(super) fn acknowledge_in_turn(&mut self, id: PacketId) {
        let position = self.owed.back().map_or_else(RingPosition::default, |last| last.position);
        self.push(Owed { position, id, bytes: 0 });
    }

    fn push(&mut self, owed: Owed) {
        self.bytes += owed.bytes as usize;
        self.owed.push_back(owed);
    }

    /// Takes a commit position and tells whether a PUBACK may leave now.
    pub(super) fn commit(&mut self, Committed(position): Committed<RingPosition>) -> bool {
        assert!(position >= self.committed, "commit positions rise");
        self.committed = position;
        self.has_ready()
    }

    pub(super) fn has_ready(&self) -> bool {
        self.owed.front().is_some_and(|owed| owed.position <= self.committed)
    }

    /// Writes every PUBACK that may leave.
    pub(super) fn release(&mut self, out: &mut BytesMut) {
        while self.has_ready()
            && let Some(owed) = self.owed.pop_front()
        {
            self.bytes -= owed.bytes as usize;
            Puback { id: owed.id }.encode(out);
        }
        if self.owed.is_empty() {
            self.owed = VecDeque::new();
        }
    }

    /// Forgets what is owed: the connection ends.
    pub(super) fn clear(&mut self) {
        self.owed = VecDeque::new();
        self.bytes = 0;
    }
}
