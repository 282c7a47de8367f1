//! Striped in-memory table of identities: keys, status, presence. No IO.
//!
//! Shards look in when a device connects, disconnects or is delivered to; telemetry never does.
//! Every operation takes one stripe lock for less than a microsecond and signs nothing under it.
//! Registry writes go through the store first and reach their stripe before the REST answer leaves.

mod authenticate;
mod authorities;
mod credential;
mod entry;
mod hub;
mod memory;
mod model;
mod presence;
mod registry;
mod unsaved;
mod verdict;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringhub_core::id::{ConsumerGroup, HubId, Identity, SeatId};

pub(crate) use authorities::Authorities;
pub use credential::{Access, Credential};
pub(crate) use entry::IdentityRecord;
pub use entry::{GenerationId, Presence, Proof, Status};
pub use hub::{Hub, Policy, Shared};
pub use memory::DirectoryMemory;
pub use presence::Place;
pub use ringhub_core::message::AuthScope;
pub(crate) use unsaved::PresenceRecord;
pub use verdict::{AuthFailure, Grant, Principal, ServiceGrant};

use crate::c2d::C2dQueues;
use crate::configuration::{Configuration, EvaluationBell};
use crate::query_index::QueryIndex;
use entry::DeviceMap;

/// Stripes per hub: far more than threads, so that two rarely meet.
const STRIPES: usize = 256;

/// Why a live seat must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutReason {
    /// The identity was disabled.
    Disabled,
    /// The identity was deleted.
    Deleted,
    /// The certificate that it was admitted with does not count any more.
    CertificateRemoved,
}

/// A seat that must end after a registry write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) seat: SeatId,
    pub(crate) identity: Identity,
    pub(crate) reason: CutReason,
}

/// A device or module by name, without owning the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityRef<'a> {
    /// The device, or the device of the module.
    pub device: &'a str,
    /// The module; `None` is the device itself.
    pub module: Option<&'a str>,
}

impl<'a> From<&'a Identity> for IdentityRef<'a> {
    fn from(identity: &'a Identity) -> Self {
        let module = identity.module.as_ref().map(ringhub_core::id::ModuleId::as_str);
        Self { device: identity.device.as_str(), module }
    }
}

/// Counts of identities, for the statistics calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices registered.
    pub devices: u64,
    /// Of these, disabled ones.
    pub disabled: u64,
    /// Devices with a live seat; modules do not count.
    pub connected: u64,
}

#[derive(Debug, Default)]
struct Counters {
    devices: AtomicI64,
    disabled: AtomicI64,
    connected: AtomicI64,
}

/// Devices that share a lock.
#[derive(Debug, Default)]
struct Stripe {
    devices: DeviceMap,
    /// Identities whose presence the store does not have yet, each once.
    unsaved: Vec<Identity>,
}

/// The identities of one hub.
#[derive(Debug)]
struct Table {
    hub: Hub,
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
    counters: Counters,
    c2d: C2dQueues,
}

impl Table {
    fn new(hub: Hub, c2d_memory: &Arc<AtomicUsize>) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        let files = hub.file_upload.notifications;
        let c2d = C2dQueues::new(hub.id, hub.cloud_to_device, files, Arc::clone(c2d_memory));
        Self { hub, stripes, hasher: RandomState::new(), counters: Counters::default(), c2d }
    }

    /// Locks the stripe of a device.
    fn stripe(&self, device: &str) -> MutexGuard<'_, Stripe> {
        let hash = self.hasher.hash_one(device);
        self.lock(usize::try_from(hash % STRIPES as u64).unwrap_or_default())
    }

    /// Locks a stripe by its number. A panic elsewhere leaves a stripe usable: each change is
    /// complete in itself.
    fn lock(&self, index: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All hubs of the process with their identities. Shared by shards and the control plane's threads.
#[derive(Debug)]
pub struct Directory {
    /// In the order of their ids, which are consecutive from zero.
    tables: Vec<Table>,
    evaluation: EvaluationBell,
}

impl Directory {
    /// Makes an empty directory of `hubs`, whose ids are consecutive from zero.
    pub(crate) fn new(hubs: Vec<Hub>) -> Self {
        let c2d_memory = Arc::default();
        let tables = hubs.into_iter().map(|hub| Table::new(hub, &c2d_memory)).collect();
        Self { tables, evaluation: EvaluationBell::default() }
    }

    /// All hubs.
    pub fn hubs(&self) -> impl Iterator<Item = &Hub> {
        self.tables.iter().map(|table| &table.hub)
    }

    /// A hub by its number.
    #[must_use]
    pub fn hub(&self, id: HubId) -> Option<&Hub> {
        self.table(id).map(|table| &table.hub)
    }

    /// A hub by one of its host names, without regard to case and port.
    #[must_use]
    pub fn hub_by_host(&self, host: &str) -> Option<&Hub> {
        self.hubs().find(|hub| hub.is_named(host))
    }

    pub(crate) fn set_policies(&self, hub: HubId, policies: Vec<Policy>) {
        if let Some(hub) = self.hub(hub) {
            hub.policies.replace(policies);
        }
    }

    pub(crate) fn set_consumer_groups(&self, hub: HubId, groups: Vec<ConsumerGroup>) {
        if let Some(hub) = self.hub(hub) {
            hub.consumer_groups.replace(groups);
        }
    }

    pub(crate) fn set_configurations(&self, hub: HubId, configurations: Vec<Configuration>) {
        if let Some(hub) = self.hub(hub) {
            hub.configurations.replace(configurations);
        }
        self.evaluation.ring();
    }

    pub(crate) fn set_query_indexes(&self, hub: HubId, indexes: Vec<QueryIndex>) {
        if let Some(hub) = self.hub(hub) {
            hub.query_indexes.replace(indexes);
        }
    }

    /// Wakes the thread that evaluates configurations and builds indexes.
    pub(crate) fn evaluation(&self) -> &EvaluationBell {
        &self.evaluation
    }

    /// Messages that wait for an identity, those in its hands included.
    #[must_use]
    pub fn queued_messages(&self, hub: HubId, identity: &Identity) -> usize {
        self.c2d(hub).map_or(0, |queues| queues.len(identity))
    }

    /// The queues of a hub.
    pub(crate) fn c2d(&self, hub: HubId) -> Option<&C2dQueues> {
        self.table(hub).map(|table| &table.c2d)
    }

    /// The queues of all hubs.
    pub(crate) fn all_c2d(&self) -> impl Iterator<Item = &C2dQueues> {
        self.tables.iter().map(|table| &table.c2d)
    }

    fn table(&self, id: HubId) -> Option<&Table> {
        self.tables.get(usize::try_from(id.0).ok()?)
    }
}

#[cfg(test)]
mod tests;
