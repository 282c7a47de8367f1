//! Who is connected where, and the hand-over from one seat to the next.

use std::sync::atomic::Ordering::Relaxed;

use ringhub_core::id::{HubId, SeatId};
use ringhub_core::position::Ticket;
use ringhub_core::session::takeover::Reservation;
use ringhub_core::time::UnixMillis;

use super::entry::{DeviceEntry, Entry};
use super::{
    AuthFailure, Counts, Directory, GenerationId, Grant, Hub, IdentityRef, Presence, Proof, Status,
    Stripe, Table,
};

/// What a seat finds when it takes the place of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whom to evict, and what to wait for.
    pub reservation: Reservation,
    /// Subscriptions of the persistent session; the meaning of the bits is the session's.
    pub subscriptions: u32,
}

impl Directory {
    /// Makes `seat` the one live seat of the identity in `grant`; it is owed one
    /// [`release`](Self::release).
    ///
    /// # Errors
    /// When the identity was deleted, disabled or replaced since it was authenticated.
    pub fn reserve(
        &self,
        grant: &Grant,
        seat: SeatId,
        now: UnixMillis,
    ) -> Result<Place, AuthFailure> {
        let (place, is_first) = self.let_in(grant, now, |entry| {
            let reservation = entry.tenure.reserve(seat);
            entry.proof = grant.proof;
            let is_first = reservation.previous.is_none();
            if is_first {
                entry.changed = Some(now);
            }
            (Place { reservation, subscriptions: entry.subscriptions }, is_first)
        })?;
        if is_first && let Some(table) = self.table(grant.hub) {
            table.count_connected(IdentityRef::from(&grant.identity), 1);
        }
        Ok(place)
    }

    /// Does something with the entry of an identity that may connect, and notes its activity.
    fn let_in<T>(
        &self,
        grant: &Grant,
        now: UnixMillis,
        work: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, AuthFailure> {
        let table = self.table(grant.hub).ok_or(AuthFailure::UnknownHub)?;
        let name = IdentityRef::from(&grant.identity);
        let Stripe { devices, unsaved } = &mut *table.stripe(name.device);
        let device = devices.get_mut(name.device).ok_or(AuthFailure::UnknownDevice)?;
        if device.status == Status::Disabled {
            return Err(AuthFailure::Disabled);
        }
        let entry = entry_mut(device, name.module).ok_or(AuthFailure::UnknownModule)?;
        if entry.generation != grant.generation {
            return Err(AuthFailure::Replaced);
        }
        if !grant.proof.holds(&table.hub, entry, grant.edition) {
            return Err(AuthFailure::Replaced);
        }
        let result = work(entry);
        entry.last_activity = Some(now);
        entry.mark(unsaved, &grant.identity);
        Ok(result)
    }

    /// Ends the reservation of `seat`; `last` is the last record that it pushed.
    ///
    /// Returns the seat that is now alone and waits to hear so. Nothing happens when the
    /// identity was deleted or replaced since.
    pub fn release(
        &self,
        grant: &Grant,
        seat: SeatId,
        last: Option<Ticket>,
        now: UnixMillis,
    ) -> Option<SeatId> {
        let table = self.table(grant.hub)?;
        let name = IdentityRef::from(&grant.identity);
        let Stripe { devices, unsaved } = &mut *table.stripe(name.device);
        let entry = entry_mut(devices.get_mut(name.device)?, name.module)?;
        if entry.generation != grant.generation {
            return None;
        }
        let was_connected = entry.tenure.holder().is_some();
        let alone = entry.tenure.release(seat, last);
        entry.last_activity = Some(now);
        entry.mark(unsaved, &grant.identity);
        if was_connected && entry.tenure.holder().is_none() {
            entry.changed = Some(now);
            table.count_connected(name, -1);
        }
        alone
    }

    /// Lets the identity in `grant` in without a seat. Returns the last record of those before it,
    /// which is to be committed before anything is published.
    ///
    /// # Errors
    /// When the identity was deleted, disabled or replaced since it was authenticated.
    pub fn visit(&self, grant: &Grant, now: UnixMillis) -> Result<Option<Ticket>, AuthFailure> {
        self.let_in(grant, now, |entry| entry.tenure.fence())
    }

    /// A visitor goes that has published; `last` is its last record. Nothing happens when the
    /// identity was deleted or replaced since. `is_committed` is asked under a lock.
    pub fn end_visit(
        &self,
        grant: &Grant,
        last: Ticket,
        is_committed: impl FnOnce(Ticket) -> bool,
    ) {
        let Some(table) = self.table(grant.hub) else { return };
        let name = IdentityRef::from(&grant.identity);
        let devices = &mut table.stripe(name.device).devices;
        let entry = devices.get_mut(name.device).and_then(|device| entry_mut(device, name.module));
        if let Some(entry) = entry.filter(|entry| entry.generation == grant.generation) {
            entry.tenure.visit(last, is_committed);
        }
    }

    /// Last record of the former seats of the identity in `grant`, which the next one waits
    /// for.
    #[must_use]
    pub fn fence(&self, grant: &Grant) -> Option<Ticket> {
        self.with_entry(grant.hub, IdentityRef::from(&grant.identity), |e| e.tenure.fence())?
    }

    /// The live seat of an identity, for deliveries.
    #[must_use]
    pub fn seat(&self, hub: HubId, name: IdentityRef<'_>) -> Option<SeatId> {
        self.presence(hub, name)?.seat
    }

    /// What is observed of an identity; `None` when it does not exist.
    #[must_use]
    pub fn presence(&self, hub: HubId, name: IdentityRef<'_>) -> Option<Presence> {
        self.with_entry(hub, name, Entry::presence)
    }

    /// Which of the identities of this name is registered, if one is.
    pub(crate) fn generation(&self, hub: HubId, name: IdentityRef<'_>) -> Option<GenerationId> {
        self.with_entry(hub, name, |entry| entry.generation)
    }

    /// Whether a device may connect; `None` when it does not exist.
    #[must_use]
    pub fn status(&self, hub: HubId, device: &str) -> Option<Status> {
        let table = self.table(hub)?;
        let stripe = table.stripe(device);
        Some(stripe.devices.get(device)?.status)
    }

    /// Subscriptions of the persistent session; `None` when the identity does not exist.
    ///
    /// They change through
    /// [`ControlPlane::store_subscriptions`](crate::ControlPlane::store_subscriptions) only.
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

    pub(super) fn with_entry<T>(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        look: impl FnOnce(&Entry) -> T,
    ) -> Option<T> {
        let table = self.table(hub)?;
        let stripe = table.stripe(name.device);
        let device = stripe.devices.get(name.device)?;
        let entry = match name.module {
            None => Some(&device.entry),
            Some(module) => device.module(module),
        };
        entry.map(look)
    }
}

impl Proof {
    /// False when the registry has lost the proof since it was accepted.
    fn holds(self, hub: &Hub, entry: &Entry, edition: u8) -> bool {
        match self {
            Self::Token => true,
            Self::PrimaryThumbprint | Self::SecondaryThumbprint => entry.edition == edition,
            Self::Authority(number) => entry.edition == edition && hub.authorities.has(number),
        }
    }
}

impl Table {
    fn count_connected(&self, name: IdentityRef<'_>, by: i64) {
        if name.module.is_none() {
            self.counters.connected.fetch_add(by, Relaxed);
        }
    }
}

pub(super) fn entry_mut<'e>(
    device: &'e mut DeviceEntry,
    module: Option<&str>,
) -> Option<&'e mut Entry> {
    match module {
        None => Some(&mut device.entry),
        Some(module) => device.module_mut(module),
    }
}
