//! The hubs of the process with their identities, as they are at a moment.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::Guard;
use ringhub_core::id::{HubId, Identity};

use super::Hub;
use super::entry::DeviceMap;
use super::hub::normal_name;
use crate::c2d::C2dQueues;

/// Stripes per hub: far more than threads, so that two rarely meet.
const STRIPES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) devices: AtomicI64,
    pub(super) disabled: AtomicI64,
    pub(super) connected: AtomicI64,
}

/// Devices that share a lock.
#[derive(Debug, Default)]
pub(super) struct Stripe {
    pub(super) devices: DeviceMap,
    /// Identities whose presence the store does not have yet, each once.
    pub(super) unsaved: Vec<Identity>,
}

/// The identities of one hub.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) hub: Arc<Hub>,
    /// Made with the first device, so that a hub without devices costs little.
    stripes: OnceLock<Box<[Mutex<Stripe>]>>,
    hasher: RandomState,
    pub(super) counters: Counters,
    pub(super) c2d: Arc<C2dQueues>,
}

impl Table {
    pub(super) fn new(hub: Arc<Hub>, c2d: C2dQueues) -> Self {
        Self {
            hub,
            stripes: OnceLock::new(),
            hasher: RandomState::new(),
            counters: Counters::default(),
            c2d: Arc::new(c2d),
        }
    }

    /// Locks the stripe of a device.
    pub(super) fn stripe(&self, device: &str) -> MutexGuard<'_, Stripe> {
        let make = || (0..STRIPES).map(|_| Mutex::default()).collect();
        let stripes = self.stripes.get_or_init(make);
        let hash = self.hasher.hash_one(device);
        lock(&stripes[usize::try_from(hash % STRIPES as u64).unwrap_or_default()])
    }

    /// All stripes one after the other; none of a hub that never had a device.
    pub(super) fn stripes(&self) -> impl Iterator<Item = MutexGuard<'_, Stripe>> {
        self.stripes.get().into_iter().flatten().map(lock)
    }
}

/// A panic elsewhere leaves a stripe usable: each change is complete in itself.
fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All hubs at a moment. It is never changed: another one takes its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// In the order of their ids.
    all: Vec<Arc<Table>>,
    places: HashMap<HubId, usize>,
    /// By the names that clients call them, as [`normal_name`] has them.
    named: HashMap<Box<str>, usize>,
    /// By the first labels of their names; of two with the same one, the older hub.
    labelled: HashMap<Box<str>, usize>,
}

impl Tables {
    pub(super) fn new(mut all: Vec<Arc<Table>>) -> Self {
        all.sort_by_key(|table| table.hub.id);
        let places = all.iter().enumerate().map(|(at, table)| (table.hub.id, at)).collect();
        let names = |(at, table): (usize, &Arc<Table>)| -> Vec<(Box<str>, usize)> {
            table.hub.names().map(|name| (normal_name(name).into(), at)).collect()
        };
        let named = all.iter().enumerate().flat_map(names).collect();
        let mut labelled = HashMap::new();
        for (at, table) in all.iter().enumerate() {
            let name = normal_name(&table.hub.host_name);
            let label = name.split('.').next().unwrap_or_default();
            labelled.entry(label.into()).or_insert(at);
        }
        Self { all, places, named, labelled }
    }

    pub(super) fn all(&self) -> &[Arc<Table>] {
        &self.all
    }

    /// With one more, or with another one in the place of one.
    pub(super) fn with(&self, table: Arc<Table>) -> Self {
        let others = self.all.iter().filter(|other| other.hub.id != table.hub.id);
        Self::new(others.cloned().chain([Arc::clone(&table)]).collect())
    }

    pub(super) fn without(&self, hub: HubId) -> Self {
        Self::new(self.all.iter().filter(|table| table.hub.id != hub).cloned().collect())
    }

    pub(super) fn named(&self, host: &str) -> Option<&Arc<Table>> {
        self.named.get(&*normal_name(host)).map(|at| &self.all[*at])
    }

    pub(super) fn labelled(&self, label: &str) -> Option<&Arc<Table>> {
        self.labelled.get(&*normal_name(label)).map(|at| &self.all[*at])
    }

    fn place(&self, hub: HubId) -> Option<usize> {
        // The hub of the configuration comes first, and most processes have no other.
        match self.all.first() {
            Some(first) if first.hub.id == hub => Some(0),
            _ => self.places.get(&hub).copied(),
        }
    }
}

/// A table, with the hubs of the moment at which it was found: it stays whole while this is held.
pub(super) struct TableRef {
    tables: Guard<Arc<Tables>>,
    at: usize,
}

impl TableRef {
    pub(super) fn find(tables: Guard<Arc<Tables>>, hub: HubId) -> Option<Self> {
        let at = tables.place(hub)?;
        Some(Self { tables, at })
    }
}

impl Deref for TableRef {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.tables.all[self.at]
    }
}
