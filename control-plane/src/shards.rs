//! What the control plane tells the shards.

use std::time::Instant;

use ringhub_core::id::{ConnectionId, HubId, Identity, SeatId};
use ringhub_core::method::MethodCall;
use ringhub_core::twin::DesiredChange;

use crate::directory::{CutReason, Policy};

/// The way from the control plane to seats and connections. Called on its threads; must not block.
///
/// What is said to one that has ended is dropped; a way to no shards at all drops
/// everything, which is what the methods do by themselves.
pub trait Shards: Send + Sync + 'static {
    /// The identity on `seat` was disabled or deleted. Comes before the request that did so
    /// is answered.
    fn cut(&self, seat: SeatId, identity: Identity, reason: CutReason) {
        let _ = (seat, identity, reason);
    }

    /// Hands a method call to `seat`. If it does not take the call,
    /// [`Methods::handle_undelivered`](crate::Methods::handle_undelivered) has to hear of it.
    fn invoke_method(&self, seat: SeatId, call: MethodCall) {
        let _ = (seat, call);
    }

    /// There may be a message for the identity on `seat`; a new one is durable since
    /// `stored`.
    fn device_bound(&self, seat: SeatId, stored: Option<Instant>) {
        let _ = (seat, stored);
    }

    /// A hub was deleted, and nobody finds it any more: what is connected to it ends. Comes before
    /// the request that did so is answered.
    fn hub_deleted(&self, hub: HubId) {
        let _ = hub;
    }

    /// There may be notices for `connection`, which has asked for them.
    fn notices_ready(&self, connection: ConnectionId) {
        let _ = connection;
    }

    /// A back end has changed the desired properties of the identity on `seat`. Comes once
    /// for each change, in the order of the versions.
    fn desired_changed(&self, seat: SeatId, identity: &Identity, change: &DesiredChange) {
        let _ = (seat, identity, change);
    }

    /// Policies of a hub have new keys. Comes before the request that made them is answered, so
    /// that whoever keeps keys for tools can have the new ones by then.
    fn policies_changed(&self, hub: HubId, policies: &[Policy]) {
        let _ = (hub, policies);
    }
}
