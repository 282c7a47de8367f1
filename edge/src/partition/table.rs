//! The hubs of one executor.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use ringhub_core::id::{HubId, HubPartition};
use ringhub_core::limits::HUBS_MAX;

use super::executor::Executor;
use super::hubs::{HubChange, HubLog, HubOrder, HubRefused};

/// Every hub of the process, as one executor knows it.
#[derive(Debug)]
pub(super) struct HubTable {
    configured: HubId,
    hubs: HashMap<HubId, HubLog>,
}

impl HubTable {
    /// Begins with the hub of the configuration file, which stays, and the others.
    pub(super) fn new(configured: HubLog, others: &[HubLog]) -> Self {
        let all = others.iter().chain([&configured]);
        Self { configured: configured.hub, hubs: all.map(|log| (log.hub, *log)).collect() }
    }

    /// True if the hub is there and has the partition.
    pub(super) fn has(&self, place: HubPartition) -> bool {
        self.hubs.get(&place.hub).is_some_and(|log| place.partition.0 < log.partition_count)
    }

    pub(super) fn add(&mut self, log: HubLog) -> Result<(), HubRefused> {
        if self.hubs.contains_key(&log.hub) {
            return Err(HubRefused::Exists(log.hub));
        }
        if self.hubs.len() >= HUBS_MAX {
            return Err(HubRefused::TooManyHubs);
        }
        self.hubs.insert(log.hub, log);
        Ok(())
    }

    pub(super) fn set_retention(
        &mut self,
        hub: HubId,
        retention: Duration,
    ) -> Result<(), HubRefused> {
        let log = self.hubs.get_mut(&hub).ok_or(HubRefused::Unknown(hub))?;
        log.retention = retention;
        Ok(())
    }

    pub(super) fn remove(&mut self, hub: HubId) -> Result<(), HubRefused> {
        if hub == self.configured {
            return Err(HubRefused::Configured(hub));
        }
        self.hubs.remove(&hub).map(drop).ok_or(HubRefused::Unknown(hub))
    }
}

/// Carries out what the process wants with its hubs, for the life of the executor.
pub(super) async fn follow_orders(executor: Rc<Executor>, orders: flume::Receiver<HubOrder>) {
    while let Ok(HubOrder { change, done }) = orders.recv_async().await {
        let outcome = {
            let mut hubs = executor.hubs.borrow_mut();
            match change {
                HubChange::Add(log) => hubs.add(log),
                HubChange::SetRetention(hub, retention) => hubs.set_retention(hub, retention),
                HubChange::Remove(hub) => hubs.remove(hub),
            }
        };
        if let (Ok(()), HubChange::Remove(hub)) = (&outcome, change) {
            super::readers::end_readers_of(&executor, hub);
        }
        // Who asked may have ended meanwhile.
        let _ = done.send(outcome);
    }
}
