//! The database file: where it is, what its tables are and how connections to it are set up.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringhub_core::limits::STORE_WAL_BYTES_MAX;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use super::recover::recover;
use super::{
    OpenError, StoreError, StoreState, c2d, certificates, configurations, jobs, query_indexes,
    quota_usage, registry_jobs, twin_tables, uploads,
};

/// `application_id` of the file: "rhub".
const APPLICATION_ID: i64 = 0x7268_7562;

/// `user_version` of the file; rises when the tables change.
pub(super) const VERSION: i64 = 14;

/// `user_version` of files that keep nothing of a conversation with devices.
pub(super) const VERSION_WITHOUT_CONVERSATION: i64 = 1;

/// `user_version` of files that keep no models of devices.
const VERSION_WITHOUT_MODELS: i64 = 2;

/// `user_version` of files whose hubs all have one mapping of partitions.
const VERSION_WITHOUT_MAPPING: i64 = 3;

/// `user_version` of files that keep no scheduled jobs.
const VERSION_WITHOUT_JOBS: i64 = 4;

/// `user_version` of files that keep no certificates of hubs.
const VERSION_WITHOUT_CERTIFICATES: i64 = 5;

/// `user_version` of files that keep no configurations.
const VERSION_WITHOUT_CONFIGURATIONS: i64 = 6;

/// `user_version` of files that keep no indexes for queries.
const VERSION_WITHOUT_INDEXES: i64 = 7;

/// `user_version` of files that keep no uploads.
const VERSION_WITHOUT_UPLOADS: i64 = 8;

/// `user_version` of files that have one hub, from which versions before may have left others.
const VERSION_WITHOUT_HUBS: i64 = 9;

/// `user_version` of files that keep no import and export jobs.
const VERSION_WITHOUT_REGISTRY_JOBS: i64 = 10;

/// `user_version` of files whose twins lie in indexes instead of tables, and that have no index of
/// what is due.
const VERSION_WITH_TWINS_IN_INDEXES: i64 = 11;

/// `user_version` of files that do not say when consumer groups were made.
const VERSION_WITHOUT_GROUP_TIMES: i64 = 12;

/// `user_version` of files that keep nothing of quotas.
const VERSION_WITHOUT_QUOTAS: i64 = 13;

/// Name of the database file.
pub const REGISTRY_FILE: &str = "registry.db";

/// How long a connection waits for another one's lock. The checkpoint holds it for the time of one
/// copy.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const TABLES: &str = "
CREATE TABLE hub (
    hub_id INTEGER PRIMARY KEY,
    host_name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    partition_count INTEGER NOT NULL
) STRICT;
CREATE TABLE policy (
    hub_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    permissions INTEGER NOT NULL,
    primary_key BLOB NOT NULL,
    secondary_key BLOB NOT NULL,
    PRIMARY KEY (hub_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE consumer_group (
    hub_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (hub_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE device (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    generation_id INTEGER NOT NULL,
    etag INTEGER NOT NULL,
    credential_kind INTEGER NOT NULL,
    primary_credential BLOB,
    secondary_credential BLOB,
    subscriptions INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    status_reason TEXT,
    status_updated_ms INTEGER,
    iot_edge INTEGER NOT NULL,
    device_scope TEXT,
    parent_scope TEXT,
    PRIMARY KEY (hub_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE module (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    generation_id INTEGER NOT NULL,
    etag INTEGER NOT NULL,
    credential_kind INTEGER NOT NULL,
    primary_credential BLOB,
    secondary_credential BLOB,
    subscriptions INTEGER NOT NULL,
    managed_by TEXT,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT, WITHOUT ROWID;
";

/// What is observed of identities: an empty `module_id` is the device itself.
const PRESENCE_TABLE: &str = "
CREATE TABLE presence (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    connected INTEGER NOT NULL,
    changed_ms INTEGER,
    last_activity_ms INTEGER,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT, WITHOUT ROWID;
";

/// Plug and Play models of the identities that announce one; an empty `module_id` is the device
/// itself.
const MODEL_TABLE: &str = "
CREATE TABLE model (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT, WITHOUT ROWID;
";

/// How the devices of a hub are shared out among its partitions: hubs that were made before have
/// the mapping 0.
const MAPPING_COLUMN: &str =
    "ALTER TABLE hub ADD COLUMN partition_mapping INTEGER NOT NULL DEFAULT 0";

/// Hubs as a resource: their state, which is numbered as in [`HubState`](super::HubState), when
/// they were made, and what may be changed of them. The number of the next hub is no matter of the
/// hubs that are there: none is given twice. What a hub leaves is found without a look at that of
/// others.
const HUB_COLUMNS: &str = "
ALTER TABLE hub ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hub ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hub ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE hub ADD COLUMN resource TEXT NOT NULL DEFAULT '';
UPDATE hub SET state = 2 WHERE hub_id <> 0;
CREATE INDEX IF NOT EXISTS file_notification_of_hub ON file_notification (hub_id);
CREATE TABLE hub_number (next INTEGER NOT NULL) STRICT;
INSERT INTO hub_number SELECT max(1, coalesce(max(hub_id) + 1, 0)) FROM hub;
";

/// When consumer groups were made; those that were there before have the time of their hub.
const GROUP_COLUMN: &str = "
ALTER TABLE consumer_group ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0;
UPDATE consumer_group SET created_ms = coalesce(
    (SELECT h.created_ms FROM hub h WHERE h.hub_id = consumer_group.hub_id), 0);
";

/// The registry database of a data directory, locked against other processes as long as this lives.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    /// Whether there was room for what the last process left.
    state: StoreState,
    _lock: File,
}

impl Database {
    /// Makes the directory and the database if they are not there, and checks them if they are;
    /// recovers what a process has left that did not end in order.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::of_system(path, source)
        };
        fs::create_dir_all(data_dir).map_err(io(data_dir))?;
        let lock_path = data_dir.join("registry.lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: lock_path }),
            Err(TryLockError::Error(source)) => {
                return Err(OpenError::of_system(lock_path, source));
            }
        }
        let path = data_dir.join(REGISTRY_FILE);
        let state = recover(&path)?;
        let database = Self { path, state, _lock: lock };
        database.prepare()?;
        Ok(database)
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can be written, as far as the start has found out.
    pub(crate) fn state(&self) -> StoreState {
        self.state
    }

    /// Turns an error of SQLite into one that names the file and the remedy.
    pub(crate) fn explain(&self, error: &StoreError) -> OpenError {
        explain(&self.path, error)
    }

    /// Opens the connection of the writer or of the checkpoint thread.
    pub(crate) fn connect(&self) -> Result<Connection, StoreError> {
        connect(&self.path)
    }

    /// Opens a connection that can only read.
    pub(crate) fn connect_read_only(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }

    fn prepare(&self) -> Result<(), OpenError> {
        let explain = |error: rusqlite::Error| self.explain(&error.into());
        let connection = self.connect().map_err(|error| self.explain(&error))?;
        let number = |name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(explain)
        };
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(explain)?;
        match (number("application_id")?, number("user_version")?, tables) {
            (APPLICATION_ID, VERSION, _) => Ok(()),
            (APPLICATION_ID, found @ VERSION_WITHOUT_CONVERSATION..VERSION, _) => {
                upgrade(&connection, found).map_err(explain)
            }
            (0, 0, 0) => create(&connection).map_err(explain),
            (APPLICATION_ID, found, _) => {
                Err(OpenError::Version { path: self.path.clone(), found })
            }
            _ => Err(OpenError::Foreign { path: self.path.clone() }),
        }
    }
}

/// Opens a connection that writes to the database at `path`.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", STORE_WAL_BYTES_MAX.cast_signed())?;
    // The last one to close would move the log, on a disk that may have failed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Turns an error of SQLite into one that names the file and the remedy.
pub(super) fn explain(path: &Path, error: &StoreError) -> OpenError {
    let fault = Fault::of(error, path);
    let (path, detail) = (path.to_owned(), error.to_string());
    match (fault, error) {
        (Some(Fault::DiskFull), _) => OpenError::DiskFull { path },
        (Some(Fault::Disk), _) => OpenError::Disk { path, detail },
        (Some(Fault::Damage), _) | (None, StoreError::Column(_)) => {
            OpenError::Damaged { path, detail }
        }
        (None, StoreError::Sqlite(_)) => OpenError::Database { path, detail },
    }
}

/// The version of a database that is there, if this program can read it.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let number = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|error| explain(path, &error.into()))
    };
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, found @ VERSION_WITHOUT_CONVERSATION..=VERSION) => Ok(found),
        (APPLICATION_ID, found) => Err(OpenError::Version { path: path.to_owned(), found }),
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Makes tables and version in one transaction: a crash leaves all or nothing.
fn create(connection: &Connection) -> Result<(), rusqlite::Error> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    add_since(&transaction, VERSION_WITHOUT_CONVERSATION)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// Brings a file of the version `found` up to date, or leaves it as it is.
///
/// The log may be as large as the database then, and is moved before anybody is served.
fn upgrade(connection: &Connection, found: i64) -> Result<(), rusqlite::Error> {
    let transaction = connection.unchecked_transaction()?;
    add_since(&transaction, found)?;
    transaction.commit()?;
    tracing::info!(
        from = found,
        to = VERSION,
        "the registry has a new format, which is synced now"
    );
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Adds the tables and columns that the present version has and `version` has not, and moves what
/// lies elsewhere now.
fn add_since(connection: &Connection, version: i64) -> Result<(), rusqlite::Error> {
    if version <= VERSION_WITHOUT_CONVERSATION {
        for tables in [PRESENCE_TABLE, twin_tables::TABLES, c2d::TABLES] {
            connection.execute_batch(tables)?;
        }
    } else if version <= VERSION_WITH_TWINS_IN_INDEXES {
        twin_tables::move_rows(connection)?;
    }
    if version <= VERSION_WITHOUT_MODELS {
        connection.execute_batch(MODEL_TABLE)?;
    }
    if version <= VERSION_WITHOUT_MAPPING {
        connection.execute_batch(MAPPING_COLUMN)?;
    }
    if version <= VERSION_WITHOUT_JOBS {
        connection.execute_batch(jobs::TABLES)?;
    }
    if version <= VERSION_WITHOUT_CERTIFICATES {
        connection.execute_batch(certificates::TABLE)?;
    }
    if version <= VERSION_WITHOUT_CONFIGURATIONS {
        connection.execute_batch(configurations::TABLES)?;
    }
    if version <= VERSION_WITHOUT_INDEXES {
        connection.execute_batch(query_indexes::TABLES)?;
    }
    if version <= VERSION_WITHOUT_UPLOADS {
        connection.execute_batch(uploads::TABLES)?;
    }
    if version <= VERSION_WITHOUT_HUBS {
        connection.execute_batch(HUB_COLUMNS)?;
    }
    if version <= VERSION_WITHOUT_REGISTRY_JOBS {
        connection.execute_batch(registry_jobs::TABLES)?;
    }
    if version <= VERSION_WITH_TWINS_IN_INDEXES {
        connection.execute_batch(configurations::DUE_INDEX)?;
    }
    if version <= VERSION_WITHOUT_GROUP_TIMES {
        connection.execute_batch(GROUP_COLUMN)?;
    }
    if version <= VERSION_WITHOUT_QUOTAS {
        connection.execute_batch(quota_usage::TABLE)?;
    }
    connection.pragma_update(None, "user_version", VERSION)
}
