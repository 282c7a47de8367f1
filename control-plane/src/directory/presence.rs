//! Who is connected where, and the hand-over from one connection to the next.

use std::sync::atomic::Ordering::Relaxed;

use ringhub_core::id::{ConnectionId, HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::entry::{DeviceEntry, Entry};
use super::{AuthFailure, Counts, Directory, Fence, Grant, IdentityRef, Presence, Status, Table};

/// What a connection finds when it takes the place of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The connection that held the place; it must be evicted, and tells its own last record when it is gone.
    pub previous: Option<ConnectionId>,
    /// Last record of a connection that has already left.
    pub fence: Option<Fence>,
    /// Subscriptions of the persistent session; the meaning of the bits is the session's.
    pub subscriptions: u32,
}

/// The identity has another holder by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another connection holds the identity")]
pub struct Occupied;

impl Directory {
    /// Makes `connection` the one live connection of the identity in `grant`.
    ///
    /// # Errors
    /// When the identity was deleted, disabled or replaced since it was authenticated.
    pub fn reserve(
        &self,
        grant: &Grant,
        connection: ConnectionId,
        now: UnixMillis,
    ) -> Result<Reservation, AuthFailure> {
        let table = self.table(grant.hub).ok_or(AuthFailure::UnknownHub)?;
        let name = IdentityRef::from(&grant.identity);
        let mut stripe = table.stripe(name.device);
        let device = stripe.get_mut(name.device).ok_or(AuthFailure::UnknownDevice)?;
        if device.status == Status::Disabled {
            return Err(AuthFailure::Disabled);
        }
        let entry = entry_mut(device, name.module).ok_or(AuthFailure::UnknownModule)?;
        if entry.generation != grant.generation {
            return Err(AuthFailure::Replaced);
        }
        let previous = entry.presence.connection.replace(connection);
        entry.presence.last_activity = Some(now);
        if previous.is_none() {
            entry.presence.changed = Some(now);
            table.count_connected(name, 1);
        }
        Ok(Reservation { previous, fence: entry.fence, subscriptions: entry.subscriptions })
    }

    /// Ends the hold of `connection`, leaving its last record for the next one.
    ///
    /// `None` keeps the fence that is there: a connection that published nothing still passes on the one that it
    /// waited for.
    ///
    /// # Errors
    /// [`Occupied`] when another connection has taken the place, or the identity is gone: nothing changes.
    pub fn release(
        &self,
        hub: HubId,
        identity: &Identity,
        connection: ConnectionId,
        fence: Option<Fence>,
        now: UnixMillis,
    ) -> Result<(), Occupied> {
        let table = self.table(hub).ok_or(Occupied)?;
        let name = IdentityRef::from(identity);
        let mut stripe = table.stripe(name.device);
        let device = stripe.get_mut(name.device).ok_or(Occupied)?;
        let entry = entry_mut(device, name.module).ok_or(Occupied)?;
        if entry.presence.connection != Some(connection) {
            return Err(Occupied);
        }
        entry.presence =
            Presence { connection: None, changed: Some(now), last_activity: Some(now) };
        entry.fence = fence.or(entry.fence);
        table.count_connected(name, -1);
        Ok(())
    }

    /// The live connection of an identity, for deliveries.
    #[must_use]
    pub fn connection(&self, hub: HubId, name: IdentityRef<'_>) -> Option<ConnectionId> {
        self.presence(hub, name)?.connection
    }

    /// What is observed of an identity; `None` when it does not exist.
    #[must_use]
    pub fn presence(&self, hub: HubId, name: IdentityRef<'_>) -> Option<Presence> {
        self.with_entry(hub, name, |entry| entry.presence)
    }

    /// Subscriptions of the persistent session; `None` when the identity does not exist.
    ///
    /// They change through [`ControlPlane::store_subscriptions`](crate::ControlPlane::store_subscriptions) only.
    #[must_use]
    pub fn subscriptions(&self, hub: HubId, name: IdentityRef<'_>) -> Option<u32> {
        self.with_entry(hub, name, |entry| entry.subscriptions)
    }

    /// How many devices there are.
    #[must_use]
    pub fn counts(&self, hub: HubId) -> Counts {
        let Some(table) = self.table(hub) else { return Counts::default() };
        let read = |counter: &std::sync::atomic::AtomicI64| {
            u64::try_from(counter.load(Relaxed)).unwrap_or_default()
        };
        Counts {
            devices: read(&table.counters.devices),
            disabled: read(&table.counters.disabled),
            connected: read(&table.counters.connected),
        }
    }

    fn with_entry<T>(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        look: impl FnOnce(&Entry) -> T,
    ) -> Option<T> {
        let stripe = self.table(hub)?.stripe(name.device);
        let device = stripe.get(name.device)?;
        let entry = match name.module {
            None => Some(&device.entry),
            Some(module) => device.module(module),
        };
        entry.map(look)
    }
}

impl Table {
    fn count_connected(&self, name: IdentityRef<'_>, by: i64) {
        if name.module.is_none() {
            self.counters.connected.fetch_add(by, Relaxed);
        }
    }
}

fn entry_mut<'e>(device: &'e mut DeviceEntry, module: Option<&str>) -> Option<&'e mut Entry> {
    match module {
        None => Some(&mut device.entry),
        Some(module) => device.module_mut(module),
    }
}
