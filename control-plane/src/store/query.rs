//! Twins one after the other, in the order of their keys, for queries.
//!
//! What a query says reaches SQL as parameters only; the text of a statement follows from the
//! columns and from the kind of the keys, of which there are few.

use std::cmp::{max, min};
use std::ops::ControlFlow;
use std::thread;

use ringhub_core::id::HubId;
use ringhub_core::twin::{Section, Tags, Twin, TwinETag};
use rusqlite::types::ValueRef;
use rusqlite::{Params, Row, ToSql, params};

use super::query_indexes::{IndexedKeys, LOOK, Look};
use super::row::{
    self, DEVICE_COLUMN_COUNT, DEVICE_COLUMNS, MODULE_COLUMN_COUNT, MODULE_COLUMNS, unsigned,
};
use super::{SqliteStore, StoreError};
use crate::directory::GenerationId;
use crate::twin::TwinOwner;

/// Rows of a scan after which whoever waits for the processor gets it: a tenth of a millisecond.
const ROWS_BEFORE_OTHERS: usize = 64;

/// Comes after every id: they are ASCII.
pub(crate) const ID_END: &str = "\u{7f}";

/// Columns of twins, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TwinColumns(u16);

impl TwinColumns {
    /// Ids and generation, which are always read.
    pub(crate) const KEY: Self = Self(0);
    pub(crate) const ETAG: Self = Self(1);
    pub(crate) const TAGS: Self = Self(1 << 1);
    pub(crate) const DESIRED_VERSION: Self = Self(1 << 2);
    pub(crate) const DESIRED: Self = Self(1 << 3);
    pub(crate) const DESIRED_STAMPS: Self = Self(1 << 4);
    pub(crate) const REPORTED_VERSION: Self = Self(1 << 5);
    pub(crate) const REPORTED: Self = Self(1 << 6);
    pub(crate) const REPORTED_STAMPS: Self = Self(1 << 7);
    /// What the registry says of the identity.
    pub(crate) const IDENTITY: Self = Self(1 << 8);
    /// What configurations have done with the identity.
    pub(crate) const CONFIGURATIONS: Self = Self(1 << 9);
    pub(crate) const ALL: Self = Self((1 << 10) - 1);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Columns behind those of the identity, in this order.
const TWIN_COLUMNS: [(&str, TwinColumns); 9] = [
    ("t.etag", TwinColumns::ETAG),
    ("t.tags", TwinColumns::TAGS),
    ("t.desired_version", TwinColumns::DESIRED_VERSION),
    ("t.desired", TwinColumns::DESIRED),
    ("t.desired_stamps", TwinColumns::DESIRED_STAMPS),
    ("r.version", TwinColumns::REPORTED_VERSION),
    ("r.properties", TwinColumns::REPORTED),
    ("r.stamps", TwinColumns::REPORTED_STAMPS),
    ("c.statuses", TwinColumns::CONFIGURATIONS),
];

/// Which twins are looked at, by the ids of their devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TwinKeys {
    All,
    /// Ids in order, each once.
    Devices(Vec<String>),
    /// From one id to another, both included.
    Between(String, String),
    /// Those that an index names.
    Indexed(IndexedKeys),
}

impl TwinKeys {
    pub(crate) fn devices<'i>(ids: impl Iterator<Item = &'i str>) -> Self {
        let mut ids: Vec<_> = ids.map(ToOwned::to_owned).collect();
        ids.sort_unstable();
        ids.dedup();
        Self::Devices(ids)
    }

    /// What is in both, and perhaps more, but not more than the narrower of them.
    pub(crate) fn narrower(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one,
            (Self::Devices(mut ids), other) | (other, Self::Devices(mut ids)) => {
                ids.retain(|id| other.contains(id));
                Self::Devices(ids)
            }
            (Self::Between(a, b), Self::Between(c, d)) => Self::Between(max(a, c), min(b, d)),
            (indexed @ Self::Indexed(_), _) | (_, indexed) => indexed,
        }
    }

    /// What is in one of both, and perhaps more.
    pub(crate) fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Devices(one), Self::Devices(other)) => {
                Self::devices(one.iter().chain(&other).map(String::as_str))
            }
            (Self::Between(a, b), Self::Between(c, d)) => Self::Between(min(a, c), max(b, d)),
            _ => Self::All,
        }
    }

    /// Ranges of ids in order, both ends included, outside of which there are none.
    pub(crate) fn ranges(&self) -> Vec<(String, String)> {
        match self {
            Self::Devices(ids) => ids.iter().map(|id| (id.clone(), id.clone())).collect(),
            Self::Between(from, to) => vec![(from.clone(), to.clone())],
            Self::All | Self::Indexed(_) => vec![(String::new(), ID_END.to_owned())],
        }
    }

    fn contains(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Devices(ids) => ids.binary_search_by(|other| other.as_str().cmp(id)).is_ok(),
            Self::Between(from, to) => (from.as_str()..=to.as_str()).contains(&id),
            // It is asked later.
            Self::Indexed(_) => true,
        }
    }
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwinScan<'a> {
    pub(crate) hub: HubId,
    /// Twins of modules instead of those of devices.
    pub(crate) of_modules: bool,
    pub(crate) keys: &'a TwinKeys,
    pub(crate) columns: TwinColumns,
    /// Device and module behind which to begin; empty ones are before all.
    pub(crate) after: (&'a str, &'a str),
}

/// How SQLite reads twins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanPlan {
    pub(crate) sql: String,
    /// What it says of each table.
    pub(crate) steps: Vec<String>,
}

/// Reads twins in order.
pub(crate) trait TwinScans {
    /// Shows twins in the order of device and module until `visit` breaks. True when it has seen
    /// the last one.
    fn scan_twins(
        &self,
        scan: TwinScan<'_>,
        visit: &mut dyn FnMut(&StoredTwin<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<bool, StoreError>;
    /// How many twins of modules a hub has.
    fn count_modules(&self, hub: HubId) -> Result<u64, StoreError>;
    /// How a scan is done.
    fn explain_scan(&self, scan: TwinScan<'_>) -> Result<ScanPlan, StoreError>;
}

impl TwinScans for SqliteStore {
    fn scan_twins(
        &self,
        scan: TwinScan<'_>,
        visit: &mut dyn FnMut(&StoredTwin<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<bool, StoreError> {
        self.write_reported()?;
        let TwinKeys::Indexed(indexed) = scan.keys else { return self.scan_rows(scan, visit) };
        let module_end = if scan.of_modules { ID_END } else { "" };
        let mut after = (scan.after.0.to_owned(), scan.after.1.to_owned());
        loop {
            let scan = TwinScan { after: (&after.0, &after.1), ..scan };
            let Some(Look { devices, is_end }) = self.look_up(indexed, scan.after.0)? else {
                return self.scan_rows(TwinScan { keys: &TwinKeys::All, ..scan }, visit);
            };
            let last = devices.last().cloned();
            if !self.scan_rows(TwinScan { keys: &TwinKeys::Devices(devices), ..scan }, visit)? {
                return Ok(false);
            }
            match last {
                Some(last) if !is_end => after = (last, module_end.to_owned()),
                _ => return Ok(true),
            }
        }
    }

    fn count_modules(&self, hub: HubId) -> Result<u64, StoreError> {
        let mut statement = self.prepare("SELECT count(*) FROM module WHERE hub_id = ?1")?;
        let mut rows = statement.query([hub.0])?;
        rows.next()?.map_or(Ok(0), |row| unsigned(row, 0))
    }

    fn explain_scan(&self, scan: TwinScan<'_>) -> Result<ScanPlan, StoreError> {
        if let TwinKeys::Indexed(_) = scan.keys {
            let found = TwinKeys::Devices(Vec::new());
            let ScanPlan { sql, steps } = self.explain_scan(TwinScan { keys: &found, ..scan })?;
            let mut all = self.steps(LOOK, params![0, 0, "", "", 0])?;
            all.extend(steps);
            return Ok(ScanPlan { sql: [LOOK, "; ", &sql].concat(), steps: all });
        }
        let sql = scan.sql();
        let key = scan.key_value();
        let params = scan.params(&key);
        let params: Vec<_> = params.iter().map(|(name, value)| (*name, &**value)).collect();
        let steps = self.steps(&sql, &*params)?;
        Ok(ScanPlan { sql, steps })
    }
}

impl SqliteStore {
    /// A scan whose keys no index has to be asked for.
    fn scan_rows(
        &self,
        scan: TwinScan<'_>,
        visit: &mut dyn FnMut(&StoredTwin<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut statement = self.prepare(&scan.sql())?;
        let key = scan.key_value();
        let params = scan.params(&key);
        let params: Vec<_> = params.iter().map(|(name, value)| (*name, &**value)).collect();
        let mut rows = statement.query(&*params)?;
        for number in 1_usize.. {
            let Some(row) = rows.next()? else { break };
            // A thread keeps its processor for some milliseconds even if one that is less nice
            // wakes up there, unless it gives it away.
            if number.is_multiple_of(ROWS_BEFORE_OTHERS) {
                thread::yield_now();
            }
            if visit(&StoredTwin::new(row, scan.of_modules)?)?.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What SQLite says of the tables of a statement.
    fn steps(&self, sql: &str, params: impl Params) -> Result<Vec<String>, StoreError> {
        let mut statement = self.prepare(&["EXPLAIN QUERY PLAN ", sql].concat())?;
        let mut rows = statement.query(params)?;
        let mut steps = Vec::new();
        while let Some(row) = rows.next()? {
            steps.push(row.get("detail")?);
        }
        Ok(steps)
    }
}

impl TwinScan<'_> {
    fn sql(&self) -> String {
        // Ids that are named are looked up: a place that SQLite could begin at as well, and go on
        // from over all that lies between them, is hidden from it.
        let is_named = matches!(self.keys, TwinKeys::Devices(_));
        let hidden = if is_named { "+" } else { "" };
        let (table, identity, module, after, order) = if self.of_modules {
            let after = format!("({hidden}i.device_id, {hidden}i.module_id) > (:device, :module)");
            ("module", MODULE_COLUMNS, "i.module_id", after, "i.device_id, i.module_id")
        } else {
            let after = format!("{hidden}i.device_id > :device AND :module = ''");
            ("device", DEVICE_COLUMNS, "''", after, "i.device_id")
        };
        let place = match self.place() {
            Place::At(_) => "i.device_id >= :device AND :module = ''",
            Place::After => &after,
        };
        let has_identity = self.columns.has(TwinColumns::IDENTITY);
        let mut columns = Vec::new();
        for column in identity.split(", ").map(str::trim) {
            let is_key = matches!(column, "device_id" | "module_id" | "generation_id");
            let table = if is_key || has_identity { "i." } else { "NULL AS " };
            columns.push([table, column].concat());
        }
        for (column, kind) in TWIN_COLUMNS {
            columns.push(if self.columns.has(kind) { column } else { "NULL" }.to_owned());
        }
        let columns = columns.join(", ");
        let configurations = match self.columns.has(TwinColumns::CONFIGURATIONS) {
            true => format!(
                " LEFT JOIN configuration_target c ON c.hub_id = i.hub_id \
                 AND c.device_id = i.device_id AND c.module_id = {module}"
            ),
            false => String::new(),
        };
        let keys = match self.keys {
            TwinKeys::All | TwinKeys::Indexed(_) => "",
            TwinKeys::Devices(_) => " AND i.device_id IN (SELECT value FROM json_each(:keys))",
            TwinKeys::Between(..) => " AND i.device_id <= :keys",
        };
        format!(
            "SELECT {columns} FROM {table} i \
             LEFT JOIN twin t ON t.hub_id = i.hub_id AND t.device_id = i.device_id \
             AND t.module_id = {module} \
             LEFT JOIN twin_reported r ON r.hub_id = i.hub_id AND r.device_id = i.device_id \
             AND r.module_id = {module}{configurations} \
             WHERE i.hub_id = :hub AND {place}{keys} ORDER BY {order}"
        )
    }

    /// One bound, so that SQLite has no choice between two.
    fn place(&self) -> Place<'_> {
        match self.keys {
            TwinKeys::Between(from, _) if self.after.0 < from.as_str() => Place::At(from),
            _ => Place::After,
        }
    }

    fn key_value(&self) -> Option<String> {
        match self.keys {
            TwinKeys::All | TwinKeys::Indexed(_) => None,
            TwinKeys::Devices(ids) => {
                let passed = ids.partition_point(|id| id.as_str() < self.after.0);
                Some(serde_json::json!(ids[passed..]).to_string())
            }
            TwinKeys::Between(_, to) => Some(to.clone()),
        }
    }

    fn params<'p>(&'p self, key: &'p Option<String>) -> Vec<(&'p str, Box<dyn ToSql + 'p>)> {
        let (device, module) = match self.place() {
            Place::At(from) => (from, ""),
            Place::After => self.after,
        };
        let mut params: Vec<(&str, Box<dyn ToSql>)> = vec![
            (":hub", Box::new(self.hub.0)),
            (":device", Box::new(device)),
            (":module", Box::new(module)),
        ];
        params.extend(key.iter().map(|key| (":keys", Box::new(key) as Box<dyn ToSql>)));
        params
    }
}

/// Where a scan begins.
enum Place<'a> {
    /// With the device of this id, if there is one.
    At(&'a str),
    /// Behind the last one.
    After,
}

/// The two parts of the properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionName {
    Desired,
    Reported,
}

/// One twin of a scan. Of what was not read there is what a twin has in the beginning.
#[derive(Debug)]
pub(crate) struct StoredTwin<'r> {
    row: &'r Row<'r>,
    /// Index of the first column behind those of the identity.
    first: usize,
    pub(crate) device: &'r str,
    /// `None` for the device itself.
    pub(crate) module: Option<&'r str>,
    pub(crate) generation: GenerationId,
}

impl<'r> StoredTwin<'r> {
    fn new(row: &'r Row<'r>, of_modules: bool) -> Result<Self, StoreError> {
        let name = |column| row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from);
        Ok(Self {
            row,
            first: if of_modules { MODULE_COLUMN_COUNT } else { DEVICE_COLUMN_COUNT },
            device: name(0)?.unwrap_or_default(),
            module: if of_modules { name(7)? } else { None },
            generation: GenerationId(unsigned(row, 1)?),
        })
    }

    /// The identity; its columns must have been read.
    pub(crate) fn owner(&self) -> Result<TwinOwner, StoreError> {
        Ok(match self.module {
            None => TwinOwner::Device(Box::new(row::device(self.row)?)),
            Some(_) => TwinOwner::Module(Box::new(row::module(self.row)?)),
        })
    }

    pub(crate) fn etag(&self) -> Result<TwinETag, StoreError> {
        Ok(TwinETag(self.number(0, 1)?))
    }

    /// Tags as JSON.
    pub(crate) fn tags(&self) -> Result<&'r str, StoreError> {
        self.document(1)
    }

    pub(crate) fn version(&self, section: SectionName) -> Result<u64, StoreError> {
        self.number(section.column(), 1)
    }

    /// Properties as JSON, without metadata and version.
    pub(crate) fn properties(&self, section: SectionName) -> Result<&'r str, StoreError> {
        self.document(section.column() + 1)
    }

    pub(crate) fn section(&self, section: SectionName) -> Result<Section, StoreError> {
        let column = self.first + section.column();
        let stored = super::twins::section(self.row, column)?;
        Ok(stored.unwrap_or_else(|| Section::new(self.generation.created())))
    }

    /// The whole twin; all columns must have been read.
    pub(crate) fn twin(&self) -> Result<Twin, StoreError> {
        Ok(Twin {
            etag: self.etag()?,
            tags: Tags::decode(self.tags()?)?,
            desired: self.section(SectionName::Desired)?,
            reported: self.section(SectionName::Reported)?,
        })
    }

    /// The JSON of what configurations have done with the identity; `None` when none is for it.
    pub(crate) fn configurations(&self) -> Result<Option<&'r str>, StoreError> {
        let text = self.row.get_ref(self.first + 8)?.as_str_or_null();
        let text = text.map_err(|_| StoreError::Column("statuses"))?;
        Ok(text.filter(|text| *text != "{}"))
    }

    fn number(&self, column: usize, beginning: u64) -> Result<u64, StoreError> {
        let column = self.first + column;
        let is_null = self.row.get_ref(column)? == ValueRef::Null;
        if is_null { Ok(beginning) } else { unsigned(self.row, column) }
    }

    fn document(&self, column: usize) -> Result<&'r str, StoreError> {
        let text = self.row.get_ref(self.first + column)?.as_str_or_null();
        Ok(text.map_err(|_| StoreError::Column("a document of a twin"))?.unwrap_or("{}"))
    }
}

impl SectionName {
    /// Index of its version behind the columns of the identity; properties and stamps follow.
    const fn column(self) -> usize {
        match self {
            Self::Desired => 2,
            Self::Reported => 5,
        }
    }
}
