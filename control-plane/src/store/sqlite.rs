//! The store's trait over one SQLite connection.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::Path;

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::time::UnixMillis;
use rusqlite::{CachedStatement, Connection, Params, Row, params};

use super::query_indexes::FollowedIndex;
use super::row::{
    self, DEVICE_COLUMNS, MODULE_COLUMNS, NO_MODULE, credential_columns, signed, unsigned,
};
use super::schema::{VERSION, explain};
use super::section_cache::SectionCache;
use super::{
    C2dStore as _, ConfigurationTargets as _, ModelStore as _, OpenError, Store, StoreError,
    UploadStore as _,
};
use crate::directory::{GenerationId, PresenceRecord, Status};
use crate::registry::{Device, Module};

/// Documents of the registry through one connection, which belongs to one thread.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    pub(super) connection: Connection,
    /// Reported properties that this connection has changed; empty on one that only reads.
    pub(super) reported: RefCell<SectionCache>,
    /// Indexes that changes have to follow; `None` until the first change.
    pub(super) followed: RefCell<Option<Vec<FollowedIndex>>>,
}

impl SqliteStore {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, reported: RefCell::default(), followed: RefCell::default() }
    }

    /// The database.
    pub(super) fn path(&self) -> &Path {
        Path::new(self.connection.path().unwrap_or_default())
    }

    /// An error of this connection, with the file and the remedy.
    pub(crate) fn explain(&self, error: &StoreError) -> OpenError {
        explain(self.path(), error)
    }

    /// Writes something that changes nothing, and makes it durable.
    pub(super) fn rewrite_version(&self) -> Result<(), StoreError> {
        Ok(self.connection.pragma_update(None, "user_version", VERSION)?)
    }

    /// Begins a transaction that will write.
    pub(super) fn begin(&self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Makes everything since [`begin`](Self::begin) durable.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        self.write_reported()?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Forgets everything since [`begin`](Self::begin). SQLite may have done so already.
    pub(super) fn rollback(&self) {
        self.reported.borrow_mut().clear();
        self.forget_followed();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the registry transaction could not be rolled back");
        }
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(decode(row)?);
        }
        Ok(found)
    }

    /// A statement that is kept for the next time.
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// The number of the row that was inserted last.
    pub(super) fn last_number(&self) -> u64 {
        u64::from_ne_bytes(self.connection.last_insert_rowid().to_ne_bytes())
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        self.prepare(sql)?.execute(params)?;
        Ok(())
    }

    /// Deletes identities by a statement that returns their generations.
    fn delete_identities(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        let gone = self.rows(sql, params, |row| Ok(GenerationId(unsigned(row, 0)?)))?;
        let mut reported = self.reported.borrow_mut();
        gone.into_iter().for_each(|generation| drop(reported.take(generation)));
        Ok(())
    }
}

impl Store for SqliteStore {
    fn device(&self, hub: HubId, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let statement =
            sql("SELECT ", DEVICE_COLUMNS, " FROM device WHERE hub_id = ?1 AND device_id = ?2");
        Ok(self.rows(&statement, params![hub.0, id.as_str()], row::device)?.pop())
    }

    fn devices(&self, hub: HubId, after: &str, limit: usize) -> Result<Vec<Device>, StoreError> {
        let statement = sql(
            "SELECT ",
            DEVICE_COLUMNS,
            " FROM device WHERE hub_id = ?1 AND device_id > ?2 ORDER BY device_id LIMIT ?3",
        );
        self.rows(&statement, params![hub.0, after, bound(limit)], row::device)
    }

    fn module(
        &self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Result<Option<Module>, StoreError> {
        let statement = sql(
            "SELECT ",
            MODULE_COLUMNS,
            " FROM module WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
        );
        let params = params![hub.0, device.as_str(), id.as_str()];
        Ok(self.rows(&statement, params, row::module)?.pop())
    }

    fn modules(&self, hub: HubId, device: &DeviceId) -> Result<Vec<Module>, StoreError> {
        let statement =
            sql("SELECT ", MODULE_COLUMNS, " FROM module WHERE hub_id = ?1 AND device_id = ?2");
        self.rows(&statement, params![hub.0, device.as_str()], row::module)
    }

    fn modules_of(
        &self,
        hub: HubId,
        devices: RangeInclusive<&str>,
        limit: usize,
    ) -> Result<Vec<Module>, StoreError> {
        let statement = sql(
            "SELECT ",
            MODULE_COLUMNS,
            " FROM module WHERE hub_id = ?1 AND device_id BETWEEN ?2 AND ?3 \
             ORDER BY device_id, module_id LIMIT ?4",
        );
        let params = params![hub.0, devices.start(), devices.end(), bound(limit)];
        self.rows(&statement, params, row::module)
    }

    fn put_device(&self, hub: HubId, device: &Device) -> Result<(), StoreError> {
        let (kind, primary, secondary) = credential_columns(&device.credentials);
        let statement = sql(
            "INSERT OR REPLACE INTO device (hub_id, ",
            DEVICE_COLUMNS,
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        self.execute(
            &statement,
            params![
                hub.0,
                device.id.as_str(),
                signed(device.generation.0),
                signed(device.etag.0),
                kind,
                primary,
                secondary,
                device.subscriptions,
                device.status == Status::Enabled,
                device.status_reason,
                device.status_updated.map(UnixMillis::as_millis),
                device.iot_edge,
                device.device_scope,
                device.parent_scope,
            ],
        )
    }

    fn put_module(&self, hub: HubId, module: &Module) -> Result<(), StoreError> {
        let (kind, primary, secondary) = credential_columns(&module.credentials);
        let statement = sql(
            "INSERT OR REPLACE INTO module (hub_id, ",
            MODULE_COLUMNS,
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        self.execute(
            &statement,
            params![
                hub.0,
                module.device.as_str(),
                signed(module.generation.0),
                signed(module.etag.0),
                kind,
                primary,
                secondary,
                module.subscriptions,
                module.id.as_str(),
                module.managed_by,
            ],
        )
    }

    fn delete_device(&self, hub: HubId, id: &DeviceId) -> Result<(), StoreError> {
        self.delete_queue(hub, id, None)?;
        self.delete_models(hub, id, None)?;
        self.delete_targets(hub, id, None)?;
        self.delete_index_keys(hub, id, None)?;
        self.delete_uploads(hub, id)?;
        let params = params![hub.0, id.as_str()];
        self.execute("DELETE FROM twin WHERE hub_id = ?1 AND device_id = ?2", params)?;
        self.execute("DELETE FROM twin_reported WHERE hub_id = ?1 AND device_id = ?2", params)?;
        self.execute("DELETE FROM presence WHERE hub_id = ?1 AND device_id = ?2", params)?;
        for statement in [
            "DELETE FROM module WHERE hub_id = ?1 AND device_id = ?2 RETURNING generation_id",
            "DELETE FROM device WHERE hub_id = ?1 AND device_id = ?2 RETURNING generation_id",
        ] {
            self.delete_identities(statement, params)?;
        }
        Ok(())
    }

    fn delete_module(
        &self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Result<(), StoreError> {
        self.delete_queue(hub, device, Some(id))?;
        self.delete_models(hub, device, Some(id))?;
        self.delete_targets(hub, device, Some(id))?;
        self.delete_index_keys(hub, device, Some(id))?;
        let params = params![hub.0, device.as_str(), id.as_str()];
        for statement in [
            "DELETE FROM presence WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
            "DELETE FROM twin WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
            "DELETE FROM twin_reported WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
        ] {
            self.execute(statement, params)?;
        }
        let statement = "DELETE FROM module \
             WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3 RETURNING generation_id";
        self.delete_identities(statement, params)
    }

    fn set_subscriptions(
        &self,
        hub: HubId,
        identity: &Identity,
        flags: u32,
    ) -> Result<(), StoreError> {
        let device = identity.device.as_str();
        match &identity.module {
            None => self.execute(
                "UPDATE device SET subscriptions = ?3 WHERE hub_id = ?1 AND device_id = ?2",
                params![hub.0, device, flags],
            ),
            Some(module) => self.execute(
                "UPDATE module SET subscriptions = ?4 \
                 WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
                params![hub.0, device, module.as_str(), flags],
            ),
        }
    }

    fn put_presence(&self, record: &PresenceRecord) -> Result<(), StoreError> {
        let Identity { device, module } = &record.identity;
        let statement = match module {
            None => PUT_DEVICE_PRESENCE,
            Some(_) => PUT_MODULE_PRESENCE,
        };
        let millis = |time: Option<UnixMillis>| time.map(UnixMillis::as_millis);
        self.execute(
            statement,
            params![
                record.hub.0,
                device.as_str(),
                module.as_ref().map_or(NO_MODULE, ModuleId::as_str),
                signed(record.generation.0),
                record.is_connected,
                millis(record.changed),
                millis(record.last_activity),
            ],
        )
    }
}

/// Writes nothing unless the identity is there and still the same.
const PUT_DEVICE_PRESENCE: &str = "INSERT OR REPLACE INTO presence \
     SELECT hub_id, device_id, ?3, ?5, ?6, ?7 FROM device \
     WHERE hub_id = ?1 AND device_id = ?2 AND generation_id = ?4";
const PUT_MODULE_PRESENCE: &str = "INSERT OR REPLACE INTO presence \
     SELECT hub_id, device_id, module_id, ?5, ?6, ?7 FROM module \
     WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3 AND generation_id = ?4";

/// A number of rows as SQLite takes it.
pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A statement around a list of columns.
fn sql(before: &str, columns: &str, after: &str) -> String {
    [before, columns, after].concat()
}
