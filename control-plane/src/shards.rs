//! What the control plane tells the shards.

use ringhub_core::id::{ConnectionId, Identity};

use crate::directory::CutReason;

/// The way from the control plane to the connections. Called on its threads; must not block, and
/// what is said about a connection that has ended is dropped.
pub trait Shards: Send + Sync + 'static {
    /// The identity on `connection` was disabled or deleted. Comes before the request that did so
    /// is answered.
    fn cut(&self, connection: ConnectionId, identity: Identity, reason: CutReason);

    /// There may be a message for the identity on `connection`.
    fn device_bound(&self, connection: ConnectionId);

    /// There may be feedback for `connection`, which has asked for it.
    fn feedback_ready(&self, connection: ConnectionId);
}
