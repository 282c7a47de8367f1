//! QoS 1 packets from the hub to a client that await their PUBACK.

use core::num::NonZeroU16;
use std::collections::VecDeque;

use crate::id::PacketId;
use crate::limits::{MQTT_DELIVERIES_MAX, MQTT_UNACKED_MAX};

/// Names a delivered C2D message to its owner; opaque to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryToken(pub u128);

/// Packet ids in use; an id is never given out again before it is acknowledged (G25).
#[derive(Debug)]
pub(super) struct Outbound {
    unacked: VecDeque<(PacketId, Option<DeliveryToken>)>,
    next: NonZeroU16,
}

impl Outbound {
    pub(super) const fn new() -> Self {
        Self { unacked: VecDeque::new(), next: NonZeroU16::MIN }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unacked.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.unacked.len() >= MQTT_UNACKED_MAX
    }

    pub(super) fn can_deliver(&self) -> bool {
        let deliveries = self.unacked.iter().filter(|(_, token)| token.is_some()).count();
        deliveries < MQTT_DELIVERIES_MAX && !self.is_full()
    }

    /// Takes a free packet id.
    pub(super) fn register(&mut self, token: Option<DeliveryToken>) -> PacketId {
        let mut id = PacketId(self.next);
        while self.unacked.iter().any(|(used, _)| *used == id) {
            id = PacketId(following(id.0));
        }
        self.next = following(id.0);
        self.unacked.push_back((id, token));
        id
    }

    /// Frees a packet id and gives what it stood for; an unknown id is nobody's.
    pub(super) fn acknowledge(&mut self, id: PacketId) -> Option<DeliveryToken> {
        let index = self.unacked.iter().position(|(used, _)| *used == id)?;
        self.unacked.remove(index)?.1
    }
}

/// The next packet id, which is never zero.
pub(super) fn following(id: NonZeroU16) -> NonZeroU16 {
    id.checked_add(1).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_reuses_an_unacknowledged_id() {
        let mut outbound = Outbound::new();
        let first = outbound.register(Some(DeliveryToken(7)));
        for _ in 0..u16::MAX - 1 {
            let id = outbound.register(None);
            assert_ne!(id, first);
            outbound.acknowledge(id);
        }
        // The counter has come round to the id that is still in use.
        assert_ne!(outbound.register(None), first);
        assert_eq!(outbound.acknowledge(first), Some(DeliveryToken(7)));
        assert_eq!(outbound.acknowledge(first), None);
    }

    #[test]
    fn deliveries_have_a_window_of_their_own() {
        let mut outbound = Outbound::new();
        for token in 0..MQTT_DELIVERIES_MAX as u128 {
            assert!(outbound.can_deliver());
            outbound.register(Some(DeliveryToken(token)));
        }
        assert!(!outbound.can_deliver() && !outbound.is_full());
        for _ in MQTT_DELIVERIES_MAX..MQTT_UNACKED_MAX {
            outbound.register(None);
        }
        assert!(outbound.is_full());
    }
}
