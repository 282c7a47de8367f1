//! What the control plane tells the shards.

use std::time::Instant;

use ringhub_core::id::{ConnectionId, HubId, Identity};
use ringhub_core::method::MethodCall;
use ringhub_core::twin::DesiredChange;

use crate::directory::{CutReason, Policy};

/// The way from the control plane to the connections. Called on its threads; must not block.
///
/// What is said about a connection that has ended is dropped; a way to no connections at all drops
/// everything, which is what the methods do by themselves.
pub trait Shards: Send + Sync + 'static {
    /// The identity on `connection` was disabled or deleted. Comes before the request that did so
    /// is answered.
    fn cut(&self, connection: ConnectionId, identity: Identity, reason: CutReason) {
        let _ = (connection, identity, reason);
    }

    /// Hands a method call to `connection`. If it does not take the call,
    /// [`Methods::handle_undelivered`](crate::Methods::handle_undelivered) has to hear of it.
    fn invoke_method(&self, connection: ConnectionId, call: MethodCall) {
        let _ = (connection, call);
    }

    /// There may be a message for the identity on `connection`; a new one is durable since
    /// `stored`.
    fn device_bound(&self, connection: ConnectionId, stored: Option<Instant>) {
        let _ = (connection, stored);
    }

    /// There may be feedback for `connection`, which has asked for it.
    fn feedback_ready(&self, connection: ConnectionId) {
        let _ = connection;
    }

    /// A back end has changed the desired properties of the identity on `connection`. Comes once
    /// for each change, in the order of the versions.
    fn desired_changed(
        &self,
        connection: ConnectionId,
        identity: &Identity,
        change: &DesiredChange,
    ) {
        let _ = (connection, identity, change);
    }

    /// Policies of a hub have new keys. Comes before the request that made them is answered, so
    /// that whoever keeps keys for tools can have the new ones by then.
    fn policies_changed(&self, hub: HubId, policies: &[Policy]) {
        let _ = (hub, policies);
    }
}
