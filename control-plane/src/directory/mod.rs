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
mod key_rules;
mod memory;
mod model;
mod presence;
mod registry;
mod tables;
mod unsaved;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwap;
use ringhub_core::id::{ConsumerGroup, HubId, Identity, SeatId};
use ringhub_core::quota::QuotaPlan;

pub(crate) use authorities::Authorities;
pub use credential::{Access, Credential};
pub(crate) use entry::IdentityRecord;
pub use entry::{GenerationId, Presence, Proof, Status};
pub use hub::{Hub, HubProperties, Policy, Shared};
pub use key_rules::KeyRules;
pub use memory::DirectoryMemory;
pub use presence::Place;
pub use ringhub_core::message::AuthScope;
pub(crate) use unsaved::PresenceRecord;
pub use verdict::{AuthFailure, Grant, Principal, ServiceGrant};

use crate::c2d::C2dQueues;
use crate::configuration::{Configuration, EvaluationBell};
use crate::provider::tier_of;
use crate::query_index::QueryIndex;
use tables::{Stripe, Table, TableRef, Tables};

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

/// All hubs of the process with their identities. Shared by shards and the control plane's threads.
///
/// Hubs come and go: whoever looks one up gets it as it is at that moment, without a lock, and may
/// keep it; of a hub that has gone meanwhile nothing is found any more.
#[derive(Debug)]
pub struct Directory {
    tables: ArcSwap<Tables>,
    quotas: QuotaPlan,
    evaluation: EvaluationBell,
    /// Bytes of the messages to devices of all hubs.
    c2d_memory: Arc<AtomicUsize>,
}

impl Directory {
    /// Makes an empty directory of `hubs`, whose limits, and those of hubs that are made, follow
    /// from `quotas`.
    pub(crate) fn new(hubs: Vec<Hub>, quotas: QuotaPlan) -> Self {
        let directory = Self {
            tables: ArcSwap::default(),
            quotas,
            evaluation: EvaluationBell::default(),
            c2d_memory: Arc::default(),
        };
        let tables = hubs.into_iter().map(|hub| directory.make_table(Arc::new(hub))).collect();
        directory.tables.store(Arc::new(Tables::new(tables)));
        directory
    }

    /// Whether a hub may have limits.
    pub(crate) fn has_quotas(&self) -> bool {
        self.quotas.is_any()
    }

    /// Lets the limits of a hub count that it is to have as it is now.
    fn limit(&self, hub: &Hub) {
        if let Some(limits) = self.quotas.limits(|| tier_of(hub)) {
            hub.set_limits(&limits);
        }
    }

    fn make_table(&self, hub: Arc<Hub>) -> Arc<Table> {
        self.limit(&hub);
        let settings = hub.properties().cloud_to_device;
        let files = hub.file_upload().notifications;
        let c2d = C2dQueues::new(hub.id, settings, files, Arc::clone(&self.c2d_memory));
        Arc::new(Table::new(hub, c2d))
    }

    /// Lets clients find a hub, which has no identities yet.
    pub(crate) fn add_hub(&self, hub: Arc<Hub>) {
        let table = self.make_table(hub);
        self.tables.rcu(|tables| tables.with(Arc::clone(&table)));
    }

    /// Lets nobody find a hub any more. What is returned holds all that it had, a million
    /// identities perhaps: let go of it on a thread that has time.
    pub(crate) fn remove_hub(&self, hub: HubId) -> Option<RemovedHub> {
        let before = self.tables.rcu(|tables| tables.without(hub));
        let table = before.all().iter().find(|table| table.hub.id == hub)?;
        Some(RemovedHub(Arc::clone(table)))
    }

    /// All hubs, in the order of their ids.
    #[must_use]
    pub fn hubs(&self) -> Vec<Arc<Hub>> {
        self.tables.load().all().iter().map(|table| Arc::clone(&table.hub)).collect()
    }

    /// A hub by its number.
    #[must_use]
    pub fn hub(&self, id: HubId) -> Option<Arc<Hub>> {
        self.table(id).map(|table| Arc::clone(&table.hub))
    }

    /// Whether clients find a hub of this number.
    pub(crate) fn has_hub(&self, id: HubId) -> bool {
        self.table(id).is_some()
    }

    /// A hub by one of its host names, without regard to case, port and a final dot. Costs the same
    /// however many hubs there are.
    #[must_use]
    pub fn hub_by_host(&self, host: &str) -> Option<Arc<Hub>> {
        self.tables.load().named(host).map(|table| Arc::clone(&table.hub))
    }

    /// The hub of a process that has no other.
    #[must_use]
    pub fn only_hub(&self) -> Option<Arc<Hub>> {
        match self.tables.load().all() {
            [only] => Some(Arc::clone(&only.hub)),
            _ => None,
        }
    }

    /// A hub by the first label of its host name, as some logins name it; of several, the oldest.
    #[must_use]
    pub fn hub_by_first_label(&self, label: &str) -> Option<Arc<Hub>> {
        self.tables.load().labelled(label).map(|table| Arc::clone(&table.hub))
    }

    pub(crate) fn set_properties(&self, hub: HubId, properties: HubProperties) {
        if let Some(table) = self.table(hub) {
            let files = properties.file_upload.notifications;
            table.c2d.set_settings(properties.cloud_to_device, files);
            table.hub.set_properties(properties);
            self.limit(&table.hub);
        }
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
    pub(crate) fn c2d(&self, hub: HubId) -> Option<Arc<C2dQueues>> {
        self.table(hub).map(|table| Arc::clone(&table.c2d))
    }

    /// The queues of all hubs.
    pub(crate) fn all_c2d(&self) -> Vec<Arc<C2dQueues>> {
        self.tables.load().all().iter().map(|table| Arc::clone(&table.c2d)).collect()
    }

    fn table(&self, id: HubId) -> Option<TableRef> {
        TableRef::find(self.tables.load(), id)
    }
}

/// All that a hub had in the directory.
#[derive(Debug)]
pub(crate) struct RemovedHub(#[expect(dead_code, reason = "held until it is dropped")] Arc<Table>);

#[cfg(test)]
mod tests;
