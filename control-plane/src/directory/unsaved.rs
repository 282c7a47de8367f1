//! Presence on its way to the store and back.

use ringhub_core::id::{HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::entry::Entry;
use super::presence::entry_mut;
use super::{Directory, GenerationId, Grant, IdentityRef, Stripe};

/// What the store keeps of what is observed of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PresenceRecord {
    pub(crate) hub: HubId,
    pub(crate) identity: Identity,
    pub(crate) generation: GenerationId,
    /// Connected when the record was made. After a crash that is what tells that the connection was
    /// lost.
    pub(crate) is_connected: bool,
    pub(crate) changed: Option<UnixMillis>,
    pub(crate) last_activity: Option<UnixMillis>,
}

impl Entry {
    /// Lists the entry for the store, unless it is listed. So the list is never longer than the
    /// number of identities.
    pub(super) fn mark(&mut self, unsaved: &mut Vec<Identity>, identity: &Identity) {
        if !std::mem::replace(&mut self.is_unsaved, true) {
            unsaved.push(identity.clone());
        }
    }
}

impl Directory {
    /// The device or module in `grant` was active at `when`. Costs one stripe lock; shards call it
    /// for a connection every few seconds at most.
    pub fn note_activity(&self, grant: &Grant, when: UnixMillis) {
        self.change(grant.hub, &grant.identity, grant.generation, |entry| {
            entry.last_activity = entry.last_activity.max(Some(when));
            true
        });
    }

    /// Takes at most `limit` presences that the store does not have.
    pub(crate) fn take_unsaved(&self, limit: usize) -> Vec<PresenceRecord> {
        let mut records = Vec::new();
        for table in self.tables.load().all() {
            for mut stripe in table.stripes() {
                let room = limit - records.len();
                let first = stripe.unsaved.len().saturating_sub(room);
                // With all that was listed goes its room: after a storm it is the greater part.
                let taken = match first {
                    0 => std::mem::take(&mut stripe.unsaved),
                    first => stripe.unsaved.split_off(first),
                };
                let hub = table.hub.id;
                records.extend(taken.into_iter().filter_map(|name| stripe.record(hub, name)));
                if records.len() == limit {
                    return records;
                }
            }
        }
        records
    }

    /// Lists what was taken again, because it could not be stored.
    pub(crate) fn put_back(&self, records: &[PresenceRecord]) {
        for record in records {
            self.change(record.hub, &record.identity, record.generation, |_| true);
        }
    }

    /// Sets what the store knows, at start. Nobody is connected then: who was so when the hub ended
    /// has lost the connection, as far as can be told, now.
    pub(crate) fn restore(&self, record: &PresenceRecord, now: UnixMillis) {
        self.change(record.hub, &record.identity, record.generation, |entry| {
            entry.changed = if record.is_connected { Some(now) } else { record.changed };
            entry.last_activity = record.last_activity;
            record.is_connected
        });
    }

    /// Changes the presence of an identity that still is the one of `generation`; `observe` says
    /// whether the store must learn of it.
    fn change(
        &self,
        hub: HubId,
        identity: &Identity,
        generation: GenerationId,
        observe: impl FnOnce(&mut Entry) -> bool,
    ) {
        let Some(table) = self.table(hub) else { return };
        let name = IdentityRef::from(identity);
        let Stripe { devices, unsaved } = &mut *table.stripe(name.device);
        let device = devices.get_mut(name.device);
        let entry = device.and_then(|device| entry_mut(device, name.module));
        if let Some(entry) = entry.filter(|entry| entry.generation == generation)
            && observe(entry)
        {
            entry.mark(unsaved, identity);
        }
    }
}

impl Stripe {
    /// Takes an identity off the list; nothing if it was deleted since.
    fn record(&mut self, hub: HubId, identity: Identity) -> Option<PresenceRecord> {
        let name = IdentityRef::from(&identity);
        let entry = entry_mut(self.devices.get_mut(name.device)?, name.module)?;
        std::mem::take(&mut entry.is_unsaved).then(|| PresenceRecord {
            hub,
            generation: entry.generation,
            is_connected: entry.tenure.holder().is_some(),
            changed: entry.changed,
            last_activity: entry.last_activity,
            identity,
        })
    }
}
