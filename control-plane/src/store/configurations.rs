//! Configurations in the database, and how far the scans for them have come.

use ringhub_core::id::HubId;
use ringhub_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::row::{signed, unsigned};
use super::{ConfigurationTargets, SqliteStore, StoreError};
use crate::configuration::{Configuration, ConfigurationId, ConfigurationKey, Scan, ScanNumber};
use crate::registry::ETag;

/// Tables of configurations, of the identities that they take, and of what is still to be done. An
/// empty `module_id` is the device itself.
pub(super) const TABLES: &str = "
CREATE TABLE configuration (
    hub_id INTEGER NOT NULL,
    configuration_id TEXT NOT NULL,
    etag INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (hub_id, configuration_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE configuration_target (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    statuses TEXT NOT NULL,
    written TEXT NOT NULL,
    layer TEXT,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE configuration_due (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    rounds INTEGER NOT NULL,
    UNIQUE (hub_id, device_id, module_id)
) STRICT;
CREATE TABLE configuration_scan (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    configuration_id TEXT NOT NULL,
    of_modules INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    UNIQUE (hub_id, configuration_id, of_modules)
) STRICT;
";

/// Leads to what of a hub has waited longest, however much is due: it ends with the numbers.
pub(super) const DUE_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS configuration_due_of_hub ON configuration_due (hub_id)";

const COLUMNS: &str = "configuration_id, etag, created_ms, updated_ms, priority, document";

/// Configurations of all hubs.
pub(crate) trait ConfigurationStore: ConfigurationTargets {
    /// All of a hub, in the order of their ids.
    fn configurations(&self, hub: HubId) -> Result<Vec<Configuration>, StoreError>;
    /// The one of this id.
    fn configuration(
        &self,
        hub: HubId,
        id: &ConfigurationId,
    ) -> Result<Option<Configuration>, StoreError>;
    /// Stores one in place of what has its id.
    fn put_configuration(&self, hub: HubId, new: &Configuration) -> Result<(), StoreError>;
    /// Removes one.
    fn delete_configuration(&self, hub: HubId, id: &ConfigurationId) -> Result<(), StoreError>;
    /// Begins to look for the identities that a configuration takes, or has taken; one that is
    /// under way for it begins anew.
    fn start_scan(
        &self,
        hub: HubId,
        id: &ConfigurationId,
        of_modules: bool,
    ) -> Result<(), StoreError>;
    /// The scan that has waited longest.
    fn next_scan(&self, hub: HubId) -> Result<Option<Scan>, StoreError>;
    /// Notes the device and module that a scan has looked at last, or with `None` that it is done;
    /// nothing for one that began anew meanwhile.
    fn move_scan(&self, scan: ScanNumber, last: Option<(&str, &str)>) -> Result<(), StoreError>;
}

impl ConfigurationStore for SqliteStore {
    fn configurations(&self, hub: HubId) -> Result<Vec<Configuration>, StoreError> {
        configurations(&self.connection, hub)
    }

    fn configuration(
        &self,
        hub: HubId,
        id: &ConfigurationId,
    ) -> Result<Option<Configuration>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM configuration WHERE hub_id = ?1 AND configuration_id = ?2"
        );
        let mut statement = self.prepare(&statement)?;
        let mut rows = statement.query(params![hub.0, id.as_str()])?;
        rows.next()?.map(decode).transpose()
    }

    fn put_configuration(&self, hub: HubId, new: &Configuration) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO configuration (hub_id, configuration_id, etag, created_ms, \
             updated_ms, priority, document) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                hub.0,
                new.id.as_str(),
                signed(new.etag.0),
                new.created.as_millis(),
                new.updated.as_millis(),
                new.priority,
                new.document(),
            ],
        )
    }

    fn delete_configuration(&self, hub: HubId, id: &ConfigurationId) -> Result<(), StoreError> {
        let statement = "DELETE FROM configuration WHERE hub_id = ?1 AND configuration_id = ?2";
        self.execute(statement, params![hub.0, id.as_str()])
    }

    fn start_scan(
        &self,
        hub: HubId,
        id: &ConfigurationId,
        of_modules: bool,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO configuration_scan \
             (hub_id, configuration_id, of_modules, device_id, module_id) \
             VALUES (?, ?, ?, '', '')",
            params![hub.0, id.as_str(), of_modules],
        )
    }

    fn next_scan(&self, hub: HubId) -> Result<Option<Scan>, StoreError> {
        let mut statement = self.prepare(
            "SELECT number, configuration_id, of_modules, device_id, module_id \
             FROM configuration_scan WHERE hub_id = ?1 ORDER BY number LIMIT 1",
        )?;
        let found = statement
            .query_row([hub.0], |row| {
                let (id, last) = (row.get::<_, String>(1)?, (row.get(3)?, row.get(4)?));
                Ok((row.get(0)?, id, row.get(2)?, last))
            })
            .optional()?;
        let Some((number, id, of_modules, last)) = found else { return Ok(None) };
        let id = ConfigurationId::parse(&id).map_err(|_| StoreError::Column("configuration_id"))?;
        Ok(Some(Scan { number: ScanNumber(number), id, of_modules, last }))
    }

    fn move_scan(&self, scan: ScanNumber, last: Option<(&str, &str)>) -> Result<(), StoreError> {
        match last {
            Some((device, module)) => self.execute(
                "UPDATE configuration_scan SET device_id = ?2, module_id = ?3 WHERE number = ?1",
                params![scan.0, device, module],
            ),
            None => self.execute("DELETE FROM configuration_scan WHERE number = ?1", [scan.0]),
        }
    }
}

/// All configurations of a hub, in the order of their ids.
pub(super) fn configurations(
    connection: &Connection,
    hub: HubId,
) -> Result<Vec<Configuration>, StoreError> {
    let statement =
        format!("SELECT {COLUMNS} FROM configuration WHERE hub_id = ?1 ORDER BY configuration_id");
    let mut statement = connection.prepare_cached(&statement)?;
    let mut rows = statement.query([hub.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

fn decode(row: &Row<'_>) -> Result<Configuration, StoreError> {
    const DOCUMENT: StoreError = StoreError::Column("a document of a configuration");
    let text = |column| row.get_ref(column)?.as_str().map_err(|_| DOCUMENT);
    let millis =
        |column| -> Result<_, StoreError> { Ok(UnixMillis::from_millis(row.get(column)?)) };
    let key = ConfigurationKey {
        id: ConfigurationId::parse(text(0)?).map_err(|_| StoreError::Column("configuration_id"))?,
        etag: ETag(unsigned(row, 1)?),
        created: millis(2)?,
        updated: millis(3)?,
        priority: row.get(4)?,
    };
    Configuration::decode(key, text(5)?).ok_or(DOCUMENT)
}
