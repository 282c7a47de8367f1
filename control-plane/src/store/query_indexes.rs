//! Indexes for queries, and the keys that twins have in them.
//!
//! Keys follow every change of a twin, in its transaction. A twin without a value at the path has
//! no row.

use ringhub_core::id::{DeviceId, HubId, ModuleId};
use ringhub_core::limits::{QUERY_INDEX_LOOK_DEVICES, QUERY_INDEX_TURN_TWINS};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::row::{NO_MODULE, unsigned};
use super::{SqliteStore, StoreError};
use crate::directory::IdentityRef;
use crate::query::{IndexKey, IndexPath, TwinPart};
use crate::query_index::{BuildStep, IndexNumber, IndexStage, QueryIndex, QueryIndexDraft};

/// Tables of indexes; an empty `module_id` is the device itself. The index by key ends with the
/// primary key of its table, so that the devices of a key are in order.
pub(super) const TABLES: &str = "
CREATE TABLE query_index (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    of_modules INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    twins INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL
) STRICT;
CREATE TABLE query_index_key (
    number INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (number, device_id, module_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX query_index_by_key ON query_index_key (number, key);
";

const COLUMNS: &str = "number, name, path, of_modules, stage, twins, device_id, module_id";

/// Also the statement by which a query finds devices.
pub(super) const LOOK: &str = "SELECT DISTINCT device_id FROM query_index_key \
     WHERE number = ?1 AND key = ?2 AND device_id >= ?3 AND device_id <= ?4 \
     ORDER BY device_id LIMIT ?5";

/// Devices that an index names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexedKeys {
    pub(crate) number: IndexNumber,
    /// Values that are wanted, each once.
    pub(crate) keys: Vec<IndexKey>,
    /// Ids from one to another, both included.
    pub(crate) between: (String, String),
}

/// Indexes of all hubs.
pub(crate) trait QueryIndexStore {
    /// All of a hub that were not deleted, in the order in which they were made.
    fn query_indexes(&self, hub: HubId) -> Result<Vec<QueryIndex>, StoreError>;
    /// The one that has waited longest to be built or taken away.
    fn unfinished_query_index(&self, hub: HubId) -> Result<Option<QueryIndex>, StoreError>;
    /// Makes one that is still to be built.
    fn add_query_index(&self, hub: HubId, draft: &QueryIndexDraft) -> Result<(), StoreError>;
    fn set_query_index_stage(
        &self,
        number: IndexNumber,
        stage: IndexStage,
    ) -> Result<(), StoreError>;
    /// Notes the keys of twins that have none yet, and how far the building is; nothing for an
    /// index that was deleted meanwhile.
    fn note_build(&self, step: &BuildStep) -> Result<(), StoreError>;
    /// Takes away some keys of a deleted index, or itself when it has none any more.
    fn forget_query_index(&self, number: IndexNumber) -> Result<(), StoreError>;
}

impl QueryIndexStore for SqliteStore {
    fn query_indexes(&self, hub: HubId) -> Result<Vec<QueryIndex>, StoreError> {
        query_indexes(&self.connection, hub)
    }

    fn unfinished_query_index(&self, hub: HubId) -> Result<Option<QueryIndex>, StoreError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM query_index WHERE hub_id = ?1 AND stage <> ?2 \
             ORDER BY number LIMIT 1"
        );
        let mut statement = self.prepare(&statement)?;
        let mut rows = statement.query(params![hub.0, IndexStage::Ready as u8])?;
        rows.next()?.map(decode).transpose()
    }

    fn add_query_index(&self, hub: HubId, draft: &QueryIndexDraft) -> Result<(), StoreError> {
        self.forget_followed();
        self.execute(
            "INSERT INTO query_index \
             (hub_id, name, path, of_modules, stage, twins, device_id, module_id) \
             VALUES (?, ?, ?, ?, ?, 0, '', '')",
            params![
                hub.0,
                draft.name(),
                draft.path.text(),
                draft.of_modules,
                IndexStage::Building as u8
            ],
        )
    }

    fn set_query_index_stage(
        &self,
        number: IndexNumber,
        stage: IndexStage,
    ) -> Result<(), StoreError> {
        self.forget_followed();
        let statement = "UPDATE query_index SET stage = ?2 WHERE number = ?1";
        self.execute(statement, params![number.0, stage as u8])
    }

    fn note_build(&self, step: &BuildStep) -> Result<(), StoreError> {
        let building = IndexStage::Building;
        if self.stage_of(step.number)? != Some(building) {
            return Ok(());
        }
        let statement = "INSERT OR IGNORE INTO query_index_key VALUES (?, ?, ?, ?)";
        let mut statement = self.prepare(statement)?;
        for (device, module, key) in &step.keys {
            statement.execute(params![step.number.0, device, module, key.0])?;
        }
        let stage = if step.last.is_some() { building } else { IndexStage::Ready };
        let (device, module) = step.last.clone().unwrap_or_default();
        self.execute(
            "UPDATE query_index SET stage = ?2, twins = twins + ?3, device_id = ?4, \
             module_id = ?5 WHERE number = ?1",
            params![step.number.0, stage as u8, step.twins.cast_signed(), device, module],
        )
    }

    fn forget_query_index(&self, number: IndexNumber) -> Result<(), StoreError> {
        let statement = "DELETE FROM query_index_key WHERE (number, device_id, module_id) IN \
             (SELECT number, device_id, module_id FROM query_index_key WHERE number = ?1 LIMIT ?2)";
        let some = params![number.0, super::sqlite::bound(QUERY_INDEX_TURN_TWINS)];
        if self.prepare(statement)?.execute(some)? > 0 {
            return Ok(());
        }
        self.execute("DELETE FROM query_index WHERE number = ?1", [number.0])
    }
}

/// An index that changes of twins have to follow.
#[derive(Debug)]
pub(super) struct FollowedIndex {
    hub: HubId,
    number: IndexNumber,
    path: IndexPath,
    of_modules: bool,
}

impl SqliteStore {
    /// Reads the list of indexes anew before the next change of a twin.
    pub(super) fn forget_followed(&self) {
        self.followed.replace(None);
    }

    /// Notes the key of a twin in each index whose path is in `part`, of which `json` is what it
    /// will be. Costs a look at a list in memory while there is none.
    pub(super) fn follow_part(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        part: TwinPart,
        json: &str,
    ) -> Result<(), StoreError> {
        self.for_followed(hub, |index| {
            if index.path.part() != part || index.of_modules != name.module.is_some() {
                return Ok(());
            }
            let module = name.module.unwrap_or(NO_MODULE);
            match index.path.key(json) {
                Some(key) => self.execute(
                    "INSERT INTO query_index_key VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT DO UPDATE SET key = excluded.key WHERE key <> excluded.key",
                    params![index.number.0, name.device, module, key.0],
                ),
                None => self.execute(
                    "DELETE FROM query_index_key \
                     WHERE number = ?1 AND device_id = ?2 AND module_id = ?3",
                    params![index.number.0, name.device, module],
                ),
            }
        })
    }

    /// Takes away the keys of a device and its modules, or of one module.
    pub(super) fn delete_index_keys(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError> {
        let module = module.map(ModuleId::as_str);
        self.for_followed(hub, |index| {
            self.execute(
                "DELETE FROM query_index_key WHERE number = ?1 AND device_id = ?2 \
                 AND module_id = ifnull(?3, module_id)",
                params![index.number.0, device.as_str(), module],
            )
        })
    }

    fn for_followed(
        &self,
        hub: HubId,
        each: impl Fn(&FollowedIndex) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.followed.borrow().is_none() {
            let found = self.read_followed()?;
            self.followed.replace(Some(found));
        }
        let followed = self.followed.borrow();
        followed.iter().flatten().filter(|index| index.hub == hub).try_for_each(each)
    }

    fn read_followed(&self) -> Result<Vec<FollowedIndex>, StoreError> {
        let statement = format!("SELECT {COLUMNS}, hub_id FROM query_index WHERE stage <> ?1");
        let mut statement = self.prepare(&statement)?;
        let mut rows = statement.query([IndexStage::Forgotten as u8])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let QueryIndex { number, path, of_modules, .. } = decode(row)?;
            found.push(FollowedIndex { hub: HubId(row.get("hub_id")?), number, path, of_modules });
        }
        Ok(found)
    }

    fn stage_of(&self, number: IndexNumber) -> Result<Option<IndexStage>, StoreError> {
        let mut statement = self.prepare("SELECT stage FROM query_index WHERE number = ?1")?;
        let stage = statement.query_row([number.0], |row| row.get(0)).optional()?;
        stage.map(stage_from).transpose()
    }

    /// Some of the devices that an index names, from `first` on, in order. `None` when the index
    /// is not there any more.
    pub(super) fn look_up(
        &self,
        indexed: &IndexedKeys,
        first: &str,
    ) -> Result<Option<Look>, StoreError> {
        let (from, to) = &indexed.between;
        let first = first.max(from.as_str());
        let mut devices = Vec::new();
        // Behind this one, another key may have devices that were not looked at.
        let mut end: Option<String> = None;
        let mut statement = self.prepare(LOOK)?;
        let limit = super::sqlite::bound(QUERY_INDEX_LOOK_DEVICES);
        for key in &indexed.keys {
            let params = params![indexed.number.0, key.0, first, to, limit];
            let found = statement.query_map(params, |row| row.get::<_, String>(0))?;
            let found = found.collect::<Result<Vec<_>, _>>()?;
            if found.len() == QUERY_INDEX_LOOK_DEVICES
                && let Some(last) = found.last()
                && end.as_ref().is_none_or(|end| last < end)
            {
                end = Some(last.clone());
            }
            devices.extend(found);
        }
        if let Some(end) = &end {
            devices.retain(|device| device <= end);
        }
        devices.sort_unstable();
        devices.dedup();
        // Keys go after the index, so what was found is all if it is still there.
        let is_there = self.stage_of(indexed.number)? == Some(IndexStage::Ready);
        Ok(is_there.then_some(Look { devices, is_end: end.is_none() }))
    }
}

/// What a look into an index has found.
pub(super) struct Look {
    pub(super) devices: Vec<String>,
    /// There are no others.
    pub(super) is_end: bool,
}

/// All indexes of a hub that were not deleted, in the order in which they were made.
pub(super) fn query_indexes(
    connection: &Connection,
    hub: HubId,
) -> Result<Vec<QueryIndex>, StoreError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM query_index WHERE hub_id = ?1 AND stage <> ?2 ORDER BY number"
    );
    let mut statement = connection.prepare_cached(&statement)?;
    let mut rows = statement.query(params![hub.0, IndexStage::Forgotten as u8])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

fn decode(row: &Row<'_>) -> Result<QueryIndex, StoreError> {
    let path = IndexPath::parse(&row.get::<_, String>(2)?);
    Ok(QueryIndex {
        number: IndexNumber(row.get(0)?),
        name: row.get(1)?,
        path: path.ok_or(StoreError::Column("path of an index"))?,
        of_modules: row.get(3)?,
        stage: stage_from(row.get(4)?)?,
        twins: unsigned(row, 5)?,
        last: (row.get(6)?, row.get(7)?),
    })
}

fn stage_from(number: u8) -> Result<IndexStage, StoreError> {
    [IndexStage::Building, IndexStage::Ready, IndexStage::Forgotten]
        .into_iter()
        .find(|stage| *stage as u8 == number)
        .ok_or(StoreError::Column("stage of an index"))
}
