//! The thread that sees to it that configurations are followed and indexes for queries built.
//!
//! It looks for identities on a connection of its own, which only reads, and gives the writer small
//! pieces of work, each in a transaction of its own or together with what others wait for.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::{CONFIGURATION_TURN_IDENTITIES_MAX, QUERY_TURN};

use super::{ConfigurationChange, Kind, Scan, ScanStep, Statuses, Target};
use crate::background;
use crate::directory::Directory;
use crate::query_index::next_step;
use crate::registry::{Change, RegistryError};
use crate::store::{
    ConfigurationStore as _, ConfigurationTargets as _, SqliteStore, StoreError, StoredTwin,
    TwinColumns, TwinKeys, TwinScan, TwinScans as _, WriteQueue,
};

/// How long it waits after a refusal: the writer has too much to do, or can write nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// The running thread.
#[derive(Debug)]
pub(crate) struct Evaluator {
    directory: Arc<Directory>,
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Worker {
    store: SqliteStore,
    directory: Arc<Directory>,
    writes: WriteQueue,
    is_stopped: Arc<AtomicBool>,
}

/// Why a turn did nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Evaluator {
    /// Starts the thread on a store whose connection only reads. It begins with what an earlier
    /// process has left.
    pub(crate) fn start(
        directory: Arc<Directory>,
        store: SqliteStore,
        writes: WriteQueue,
    ) -> io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let worker =
            Worker { store, directory: directory.clone(), writes, is_stopped: is_stopped.clone() };
        let thread = background::spawn("control-evaluate", move || worker.run())?;
        Ok(Self { directory, is_stopped, thread })
    }

    /// Ends the thread; what is left to do stays in the store.
    pub(crate) fn finish(self) {
        self.is_stopped.store(true, Relaxed);
        self.directory.evaluation().ring();
        if self.thread.join().is_err() {
            tracing::error!("the thread that evaluates configurations has panicked");
        }
    }
}

impl Worker {
    fn run(self) {
        let mut told = String::new();
        while !self.is_stopped.load(Relaxed) {
            match self.turn() {
                Ok(has_worked) => {
                    told.clear();
                    if !has_worked {
                        self.directory.evaluation().wait();
                    }
                }
                Err(error) => {
                    let why = error.to_string();
                    if why != told {
                        tracing::warn!(%error, "configurations wait to be evaluated");
                        told = why;
                    }
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// A piece of work for each hub that has some; false when there is none. A hub that is being
    /// deleted has none, whatever its rows say.
    fn turn(&self) -> Result<bool, Failure> {
        let mut has_worked = false;
        let mut hubs = self.store.hubs_with_work()?;
        hubs.retain(|hub| self.directory.hub(*hub).is_some());
        for hub in hubs {
            if !self.store.due(hub, 1)?.is_empty() {
                self.write(Change::Configuration(hub, ConfigurationChange::Evaluate))?;
                has_worked = true;
            }
            if let Some(scan) = self.store.next_scan(hub)? {
                let step = self.step(hub, scan)?;
                self.write(Change::Configuration(hub, ConfigurationChange::Scanned(step)))?;
                has_worked = true;
            }
            if let Some(change) = next_step(&self.store, hub)? {
                self.write(Change::QueryIndex(hub, change))?;
                has_worked = true;
            }
        }
        Ok(has_worked)
    }

    /// Waits for the writer. A hub may have been deleted meanwhile.
    fn write(&self, change: Change) -> Result<(), Failure> {
        match self.writes.wait(change) {
            Ok(_) | Err(RegistryError::HubNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at identities for a time, for those that the configuration takes or has taken.
    fn step(&self, hub: HubId, scan: Scan) -> Result<ScanStep, StoreError> {
        let until = Instant::now() + QUERY_TURN;
        // As it was when the scan began, or newer; it is gone when it was deleted, and another one
        // when it came again for something else.
        let configuration = self.store.configuration(hub, &scan.id)?;
        let is_same = |kind: Kind| (kind == Kind::Module) == scan.of_modules;
        let target = configuration
            .filter(|configuration| is_same(configuration.kind()))
            .map(|configuration| configuration.target);
        let columns = target.as_ref().map_or(TwinColumns::KEY, Target::columns);
        let mut last = scan.last.clone();
        let mut found = Vec::new();
        let reads = TwinScan {
            hub,
            of_modules: scan.of_modules,
            keys: &TwinKeys::All,
            columns: columns.and(TwinColumns::CONFIGURATIONS),
            after: (&scan.last.0, &scan.last.1),
        };
        let is_end = self.store.scan_twins(reads, &mut |stored| {
            let takes = match &target {
                Some(target) => target.takes(hub, &self.directory, stored)?,
                None => false,
            };
            let statuses = stored.configurations()?.and_then(Statuses::decode);
            if takes || statuses.is_some_and(|statuses| statuses.has(scan.id.as_str())) {
                found.push(identity(stored)?);
            }
            last.0.clear();
            last.0.push_str(stored.device);
            last.1.clear();
            last.1.push_str(stored.module.unwrap_or_default());
            let is_done =
                found.len() >= CONFIGURATION_TURN_IDENTITIES_MAX || Instant::now() >= until;
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(ScanStep { number: scan.number, found, last: (!is_end).then_some(last) })
    }
}

fn identity(stored: &StoredTwin<'_>) -> Result<Identity, StoreError> {
    let device = DeviceId::parse(stored.device).map_err(|_| StoreError::Column("device_id"))?;
    let module = stored.module.map(ModuleId::parse).transpose();
    Ok(Identity { device, module: module.map_err(|_| StoreError::Column("module_id"))? })
}
