//! Makes, changes and deletes hubs, for threads that may wait for the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ringhub_core::id::HubId;

use super::change::HubRow;
use super::removal::Remover;
use super::{HubChange, HubError, HubParts, HubUpdate, NewHub, NewPolicy};
use crate::directory::{Directory, Hub, Policy};
use crate::method::Methods;
use crate::registry::{Change, KeyChoice, Outcome};
use crate::shards::Shards;
use crate::store::{WriteQueue, default_policies};

/// Hubs that are being deleted, with their names.
pub(super) type Deleting = Arc<Mutex<BTreeMap<HubId, String>>>;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is told and asked when hubs come and go.
type Ways = (Arc<Directory>, Arc<Methods>, Arc<dyn Shards>, WriteQueue);

/// The life of all hubs of the process.
pub(crate) struct HubLife {
    directory: Arc<Directory>,
    methods: Arc<Methods>,
    shards: Arc<dyn Shards>,
    writes: WriteQueue,
    parts: OnceLock<Arc<dyn HubParts>>,
    remover: Remover,
    deleting: Deleting,
    /// Held while the properties of a hub are read, changed and stored.
    updates: Mutex<()>,
}

impl HubLife {
    pub(crate) fn new(
        (directory, methods, shards, writes): Ways,
        deleting: Vec<(HubId, String)>,
    ) -> Self {
        let deleting: Deleting = Arc::new(Mutex::new(deleting.into_iter().collect()));
        let remover = Remover::new(writes.clone(), Arc::clone(&deleting));
        let (parts, updates) = (OnceLock::new(), Mutex::default());
        Self { directory, methods, shards, writes, parts, remover, deleting, updates }
    }

    /// Lets hubs come and go from now on, and goes on with removals that a former process began.
    pub(crate) fn start(&self, parts: Arc<dyn HubParts>) -> std::io::Result<()> {
        self.remover.start(Arc::clone(&parts))?;
        // A second start has nothing to set.
        let _ = self.parts.set(parts);
        Ok(())
    }

    /// Ends the thread of the removals; what is left to do stays in the store.
    pub(crate) fn finish(self) {
        self.remover.finish();
    }

    pub(crate) fn deleting(&self) -> Vec<(HubId, String)> {
        lock(&self.deleting).iter().map(|(hub, name)| (*hub, name.clone())).collect()
    }

    pub(crate) fn create(&self, new: NewHub) -> Result<Arc<Hub>, HubError> {
        let parts = self.parts.get().ok_or(HubError::Starting)?;
        let new = new.check()?;
        // Names that hubs are called besides their own are not in the store.
        if self.directory.hub_by_host(&new.host_name).is_some() {
            return Err(HubError::NameTaken(new.host_name));
        }
        let row = row_of(new)?;
        let made = self.writes.wait(Change::CreateHub(Box::new(row)))?;
        let Outcome::HubMade(hub) = made else { return Err(HubError::Storage) };
        if let Err(error) = parts.add(&hub) {
            self.take_back(&hub);
            return Err(HubError::Parts(error));
        }
        self.directory.add_hub(Arc::clone(&hub));
        tracing::info!(hub = hub.host_name, number = hub.id.0, "hub created");
        Ok(hub)
    }

    /// Deletes a hub that could not be made as a whole. If that fails as well, the next start makes
    /// it.
    fn take_back(&self, hub: &Hub) {
        match self.writes.wait(Change::Hub(hub.id, HubChange::TakeBack)) {
            Ok(_) => self.remove(hub),
            Err(error) => {
                tracing::error!(hub = hub.host_name, %error, "a hub that was not made is kept");
            }
        }
    }

    pub(crate) fn update(&self, hub: HubId, update: HubUpdate) -> Result<Arc<Hub>, HubError> {
        let parts = self.parts.get().ok_or(HubError::Starting)?;
        let hub = self.directory.hub(hub).ok_or(HubError::NotFound)?;
        let _turn = lock(&self.updates);
        let before = hub.properties();
        let after = update.over(&hub)?;
        let is_moved =
            (before.retention, before.cloud_to_device) != (after.retention, after.cloud_to_device);
        if hub.is_configured && is_moved {
            return Err(HubError::Configured(hub.host_name.clone()));
        }
        let retention = after.retention;
        let change = HubChange::Update(Box::new(after), update.policies);
        self.writes.wait(Change::Hub(hub.id, change))?;
        if retention != before.retention {
            parts.set_retention(hub.id, retention);
        }
        Ok(hub)
    }

    pub(crate) fn put_policy(&self, hub: HubId, policy: NewPolicy) -> Result<Policy, HubError> {
        policy.check()?;
        self.change_policy(hub, HubChange::PutPolicy(policy))
    }

    pub(crate) fn regenerate_keys(
        &self,
        hub: HubId,
        name: &str,
        which: KeyChoice,
    ) -> Result<Policy, HubError> {
        self.change_policy(hub, HubChange::RegenerateKeys(name.to_owned(), which))
    }

    pub(crate) fn delete_policy(&self, hub: HubId, name: &str) -> Result<(), HubError> {
        let change = HubChange::DeletePolicy(name.to_owned());
        Ok(self.writes.wait(Change::Hub(hub, change)).map(drop)?)
    }

    fn change_policy(&self, hub: HubId, change: HubChange) -> Result<Policy, HubError> {
        match self.writes.wait(Change::Hub(hub, change))? {
            Outcome::Policy(policy) => Ok(policy),
            _ => Err(HubError::Storage),
        }
    }

    pub(crate) fn delete(&self, hub: HubId) -> Result<(), HubError> {
        let _parts = self.parts.get().ok_or(HubError::Starting)?;
        let Some(hub) = self.directory.hub(hub) else {
            return Err(match lock(&self.deleting).get(&hub) {
                Some(name) => HubError::BeingDeleted(name.clone()),
                None => HubError::NotFound,
            });
        };
        if hub.is_configured {
            return Err(HubError::Configured(hub.host_name.clone()));
        }
        self.writes.wait(Change::Hub(hub.id, HubChange::Delete))?;
        tracing::info!(hub = hub.host_name, number = hub.id.0, "hub deleted");
        self.remove(&hub);
        Ok(())
    }

    /// Lets nobody find a hub any more, ends what is connected to it, and has the rest removed.
    fn remove(&self, hub: &Hub) {
        lock(&self.deleting).insert(hub.id, hub.host_name.clone());
        let held = self.directory.remove_hub(hub.id);
        self.shards.hub_deleted(hub.id);
        self.methods.handle_hub_deleted(hub.id);
        self.remover.wake(held);
    }
}

impl std::fmt::Debug for HubLife {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubLife").field("deleting", &self.deleting).finish_non_exhaustive()
    }
}

fn row_of(new: NewHub) -> Result<HubRow, HubError> {
    let properties = new.properties();
    let policies = match new.policies {
        None => default_policies(),
        Some(policies) => policies.into_iter().map(|policy| policy.over(None)).collect(),
    };
    Ok(HubRow {
        host_name: new.host_name,
        partition_count: new.partition_count,
        properties,
        policies: policies.map_err(|_| HubError::Storage)?,
        consumer_groups: new.consumer_groups,
    })
}
