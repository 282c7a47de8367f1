//! Durable registry documents. One trait in domain words, and its SQLite implementation.
//!
//! ```text
//!  worker threads ── Write ──▶ bounded queue ──▶ writer thread: one transaction for all that wait, one sync
//!        │                                            │ commit, then directory, then each answer
//!        └── own read-only connection: lists          └──▶ checkpoint thread: moves the log into the database
//! ```

mod backup;
mod c2d;
mod certificates;
mod checkpoint;
mod configuration_targets;
mod configurations;
mod counters;
mod fault;
mod hub_rows;
mod hub_settings;
mod hubs;
mod job_rows;
mod jobs;
mod load;
mod models;
mod outage;
mod query;
mod query_indexes;
mod quota_usage;
mod recover;
mod registry_jobs;
mod row;
mod schema;
mod section_cache;
mod sqlite;
mod state;
mod twin_tables;
mod twins;
mod unfinished;
mod uploads;
mod writer;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use rustix::io::Errno;

use crate::directory::PresenceRecord;
use crate::registry::{Device, Module};

pub use backup::{RegistryContents, back_up_registry, check_registry};
pub(crate) use c2d::C2dStore;
pub(crate) use certificates::CertificateStore;
pub(crate) use configuration_targets::ConfigurationTargets;
pub(crate) use configurations::ConfigurationStore;
pub use counters::StoreCounters;
#[cfg(test)]
pub(crate) use hub_rows::removals;
pub use hubs::HubSettings;
pub(crate) use hubs::{HubState, HubStore, default_policies, open_hubs};
pub(crate) use job_rows::JobRowStore;
pub(crate) use jobs::JobStore;
pub(crate) use load::load;
pub(crate) use models::ModelStore;
pub(crate) use query::{
    ID_END, ScanPlan, SectionName, StoredTwin, TwinColumns, TwinKeys, TwinScan, TwinScans,
};
pub(crate) use query_indexes::{IndexedKeys, QueryIndexStore};
pub(crate) use quota_usage::QuotaStore;
pub(crate) use registry_jobs::RegistryJobStore;
pub(crate) use schema::Database;
pub use schema::REGISTRY_FILE;
pub(crate) use sqlite::SqliteStore;
pub use state::StoreState;
pub(crate) use twins::TwinStore;
pub(crate) use uploads::UploadStore;
pub(crate) use writer::{Write, WriteQueue, Writer};

/// Registry documents of all hubs. Writes count once the transaction around them is committed.
pub(crate) trait Store:
    C2dStore
    + ConfigurationStore
    + HubStore
    + JobRowStore
    + JobStore
    + ModelStore
    + QueryIndexStore
    + QuotaStore
    + RegistryJobStore
    + TwinScans
    + TwinStore
    + UploadStore
{
    /// The device, if it is registered.
    fn device(&self, hub: HubId, id: &DeviceId) -> Result<Option<Device>, StoreError>;
    /// At most `limit` devices whose ids come after `after`, in the order of their ids; from the
    /// first one on when `after` is empty.
    fn devices(&self, hub: HubId, after: &str, limit: usize) -> Result<Vec<Device>, StoreError>;
    /// The module, if it is registered.
    fn module(
        &self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Result<Option<Module>, StoreError>;
    /// All modules of a device; none for an unknown device.
    fn modules(&self, hub: HubId, device: &DeviceId) -> Result<Vec<Module>, StoreError>;
    /// At most `limit` modules of the devices of a range, in the order of the ids of these.
    fn modules_of(
        &self,
        hub: HubId,
        devices: RangeInclusive<&str>,
        limit: usize,
    ) -> Result<Vec<Module>, StoreError>;
    /// Stores a device in place of what has its id.
    fn put_device(&self, hub: HubId, device: &Device) -> Result<(), StoreError>;
    /// Stores a module in place of what has its id.
    fn put_module(&self, hub: HubId, module: &Module) -> Result<(), StoreError>;
    /// Removes a device, its modules and their twins.
    fn delete_device(&self, hub: HubId, id: &DeviceId) -> Result<(), StoreError>;
    /// Removes a module and its twin.
    fn delete_module(&self, hub: HubId, device: &DeviceId, id: &ModuleId)
    -> Result<(), StoreError>;
    /// Stores the subscriptions of a persistent session; nothing for an unknown identity.
    fn set_subscriptions(
        &self,
        hub: HubId,
        identity: &Identity,
        flags: u32,
    ) -> Result<(), StoreError>;
    /// Stores the presence of an identity; nothing for one that is unknown or was replaced.
    fn put_presence(&self, record: &PresenceRecord) -> Result<(), StoreError>;
}

/// Why the database did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value has no meaning.
    #[error("column {0} holds a value without meaning")]
    Column(&'static str),
}

/// Why the control plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made or used.
    #[error("{path}: {source}")]
    Directory {
        /// The directory or a file in it.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process works on the directory.
    #[error(
        "{path}: another process uses this data directory; end it, or configure another directory"
    )]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file is no registry database.
    #[error("{path}: not a registry database of ringhub; configure another data directory")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The file was written by a version that this one does not know.
    #[error("{path}: format version {found} is unknown; start the ringhub version that wrote it")]
    Version {
        /// The database.
        path: PathBuf,
        /// Version in the file.
        found: i64,
    },
    /// The file cannot be read.
    #[error(
        "{path}: the registry database is damaged ({detail}); restore a backup (`ringhub restore`), \
         or move it away to start with an empty registry"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// There is no room for what must be written.
    #[error(
        "{path}: the disk is full; make room in the filesystem of this file, on which it needs some \
         megabytes"
    )]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The disk does not read, write or sync the file.
    #[error(
        "{path}: the disk fails ({detail}); the log of the kernel says more (`dmesg`): mend the \
         disk, or restore a backup on another one (`ringhub restore`)"
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// The database cannot be opened or written for another reason.
    #[error("{path}: {detail}")]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The partition count of an existing hub is another one.
    #[error(
        "hub {host_name} was created with {stored} partitions and cannot have {configured}; \
         configure {stored}"
    )]
    PartitionCount {
        /// The hub.
        host_name: String,
        /// Count in the database.
        stored: u16,
        /// Count in the configuration.
        configured: u16,
    },
    /// The file holds a hub that this version cannot serve.
    #[error(
        "{path}: holds a second hub, {host_name}, with {devices} devices: a version before this one \
         made it when the host name was changed, and a data directory is one hub's; start that \
         version with this name, take the devices along (`ringhub device-identity export`) and \
         delete them"
    )]
    SecondHub {
        /// The database.
        path: PathBuf,
        /// The hub.
        host_name: String,
        /// Devices that it has.
        devices: u64,
    },
    /// The blobs of the hubs cannot be read or written.
    #[error("{path}: the store of blobs cannot be used: {source}")]
    Blobs {
        /// Its directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Two hubs would have the same name, or there is no hub.
    #[error("the configuration must name at least one hub, and each host name once")]
    HostNames,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for keys")]
    Entropy,
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    /// What the system says of the store of blobs.
    pub(crate) fn of_blobs(path: &Path, source: std::io::Error) -> Self {
        Self::Blobs { path: path.to_owned(), source }
    }

    /// What the system says of a file or directory.
    fn of_system(path: PathBuf, source: std::io::Error) -> Self {
        let failing = [Errno::IO, Errno::ROFS].map(Errno::raw_os_error);
        match source.raw_os_error() {
            Some(number) if failing.contains(&number) => {
                Self::Disk { path, detail: source.to_string() }
            }
            Some(number) if number == Errno::NOSPC.raw_os_error() => Self::DiskFull { path },
            _ => Self::Directory { path, source },
        }
    }
}

#[cfg(test)]
mod tests;
