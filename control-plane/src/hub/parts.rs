//! What a hub has outside the registry.

use std::io;
use std::time::Duration;

use ringhub_core::id::HubId;

use crate::directory::Hub;

/// Makes and removes what hubs have outside the registry: the logs of their partitions, and
/// certificates. Called on threads of the control plane; may wait for the disk.
pub trait HubParts: Send + Sync + 'static {
    /// Makes what a hub needs before clients may find it; what is there already stays. It is made
    /// when this returns.
    ///
    /// # Errors
    /// What the system says. Nothing needs to be undone: [`remove`](Self::remove) follows.
    fn add(&self, hub: &Hub) -> io::Result<()>;

    /// Keeps the events of a hub for another time from now on.
    fn set_retention(&self, hub: HubId, retention: Duration) {
        let _ = (hub, retention);
    }

    /// Removes what [`add`](Self::add) has made, with all events. What is not there is removed
    /// already. It is gone when this returns.
    ///
    /// # Errors
    /// What the system says; it is tried again.
    fn remove(&self, hub: HubId, host_name: &str) -> io::Result<()>;
}
