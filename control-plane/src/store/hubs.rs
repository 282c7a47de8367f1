//! Hubs with their policies and consumer groups: made on first sight, then read.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use ringhub_core::auth::policy::DEFAULT_POLICIES;
use ringhub_core::auth::{KeyPair, Permissions};
use ringhub_core::id::{ConsumerGroup, HubId};
use ringhub_core::message::PartitionMapping;
use ringhub_core::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tracing::warn;

use super::configurations::configurations;
use super::hub_rows::remove_rows;
use super::hub_settings::{settings_of, settings_text};
use super::query_indexes::query_indexes;
use super::{CertificateStore, Database, OpenError, SqliteStore, StoreError};
use crate::c2d::CloudToDevice;
use crate::clock;
use crate::configuration::Configurations;
use crate::directory::{Authorities, Hub, HubProperties, Policy, Shared};
use crate::file_upload::FileUpload;
use crate::hub::{HubRow, MadeGroup};
use crate::registry::{Mint, NoEntropy};

/// A hub as the configuration describes it.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// The hub in the database; it stays the same when its name changes.
    pub id: HubId,
    /// Fully qualified host name, which clients address the hub by.
    pub host_name: String,
    /// Further host names that mean this hub, such as `localhost`.
    pub aliases: Vec<String>,
    /// Number of D2C partitions; fixed when the hub is created.
    pub partition_count: u16,
    /// How long events are kept.
    pub retention: Duration,
    /// Consumer groups besides `$Default` that are made if they are not there.
    pub consumer_groups: Vec<String>,
    /// Bounds of messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// Where files of devices go, and who is told.
    pub file_upload: FileUpload,
}

/// How far the life of a hub is. The numbers stand in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HubState {
    Active = 0,
    /// Nobody finds it, and what it has left is being removed.
    Deleting = 1,
    /// A version that had one hub has left it.
    LeftOver = 2,
}

impl HubState {
    fn of(number: u8) -> Result<Self, StoreError> {
        let all = [Self::Active, Self::Deleting, Self::LeftOver];
        let found = all.into_iter().find(|state| *state as u8 == number);
        found.ok_or(StoreError::Column("the state of a hub"))
    }
}

/// What hubs have besides identities.
pub(crate) trait HubStore: CertificateStore {
    /// The hub of this name, in any case.
    fn hub_named(&self, host_name: &str) -> Result<Option<(HubId, HubState)>, StoreError>;
    /// How many there are, in whatever state.
    fn count_hubs(&self) -> Result<usize, StoreError>;
    /// Stores a hub with its policies and consumer groups, and gives its number, which no hub has
    /// had before.
    fn insert_hub(&self, row: &HubRow, now: UnixMillis) -> Result<HubId, StoreError>;
    /// Stores what may be changed of a hub.
    fn set_hub_properties(&self, hub: HubId, properties: &HubProperties) -> Result<(), StoreError>;
    /// Notes that a hub is being deleted; false if it is no active one.
    fn mark_hub_deleted(&self, hub: HubId) -> Result<bool, StoreError>;
    /// The hubs that are being deleted, with their names.
    fn deleted_hubs(&self) -> Result<Vec<(HubId, String)>, StoreError>;
    /// Removes at most about `limit` rows of a hub from all tables; none when there are no more.
    fn remove_rows_of_hub(&self, hub: HubId, limit: usize) -> Result<usize, StoreError>;
    /// Removes the hub itself, if it is being deleted.
    fn forget_hub(&self, hub: HubId) -> Result<(), StoreError>;
    /// A hub as clients shall find it, if it is active. It has no identities yet.
    fn active_hub(&self, hub: HubId) -> Result<Option<Hub>, StoreError>;
    /// Removes a policy.
    fn delete_policy(&self, hub: HubId, name: &str) -> Result<(), StoreError>;
    /// The shared access policies of a hub, by their names.
    fn policies(&self, hub: HubId) -> Result<Vec<Policy>, StoreError>;
    /// Stores a policy in place of the one with its name.
    fn put_policy(&self, hub: HubId, policy: &Policy) -> Result<(), StoreError>;
    /// The consumer groups of a hub, by their names.
    fn consumer_groups(&self, hub: HubId) -> Result<Vec<MadeGroup>, StoreError>;
    /// Stores a consumer group; one that is there already stays as it is.
    fn put_consumer_group(&self, hub: HubId, made: &MadeGroup) -> Result<(), StoreError>;
    /// Removes a consumer group.
    fn delete_consumer_group(&self, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError>;
}

impl HubStore for SqliteStore {
    fn hub_named(&self, host_name: &str) -> Result<Option<(HubId, HubState)>, StoreError> {
        let mut statement =
            self.prepare("SELECT hub_id, state FROM hub WHERE host_name = ?1 COLLATE NOCASE")?;
        let mut rows = statement.query([host_name])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((HubId(row.get(0)?), HubState::of(row.get(1)?)?)))
    }

    fn count_hubs(&self) -> Result<usize, StoreError> {
        let mut statement = self.prepare("SELECT count(*) FROM hub")?;
        let count = statement.query_row([], |row| row.get::<_, i64>(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    fn insert_hub(&self, row: &HubRow, now: UnixMillis) -> Result<HubId, StoreError> {
        let mut next = self.prepare("UPDATE hub_number SET next = next + 1 RETURNING next - 1")?;
        let hub = HubId(next.query_row([], |row| row.get(0))?);
        insert(&self.connection, hub, row, now)?;
        Ok(hub)
    }

    fn set_hub_properties(&self, hub: HubId, properties: &HubProperties) -> Result<(), StoreError> {
        let statement = "UPDATE hub SET settings = ?2, resource = ?3 WHERE hub_id = ?1";
        self.execute(statement, params![hub.0, settings_text(properties), properties.resource])
    }

    fn mark_hub_deleted(&self, hub: HubId) -> Result<bool, StoreError> {
        let statement = "UPDATE hub SET state = 1 WHERE hub_id = ?1 AND state = 0";
        Ok(self.prepare(statement)?.execute([hub.0])? > 0)
    }

    fn deleted_hubs(&self) -> Result<Vec<(HubId, String)>, StoreError> {
        let mut statement =
            self.prepare("SELECT hub_id, host_name FROM hub WHERE state = 1 ORDER BY hub_id")?;
        let rows = statement.query_map([], |row| Ok((HubId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn remove_rows_of_hub(&self, hub: HubId, limit: usize) -> Result<usize, StoreError> {
        remove_rows(&self.connection, hub, limit)
    }

    fn forget_hub(&self, hub: HubId) -> Result<(), StoreError> {
        self.execute("DELETE FROM hub WHERE hub_id = ?1 AND state = 1", [hub.0])
    }

    fn active_hub(&self, hub: HubId) -> Result<Option<Hub>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM hub WHERE hub_id = ?1 AND state = 0");
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query([hub.0])?;
        rows.next()?.map(|row| hub_of(&self.connection, row, None)).transpose()
    }

    fn delete_policy(&self, hub: HubId, name: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM policy WHERE hub_id = ?1 AND name = ?2", params![hub.0, name])
    }

    fn policies(&self, hub: HubId) -> Result<Vec<Policy>, StoreError> {
        policies(&self.connection, hub)
    }

    fn put_policy(&self, hub: HubId, policy: &Policy) -> Result<(), StoreError> {
        put_policy(&self.connection, hub, policy)
    }

    fn consumer_groups(&self, hub: HubId) -> Result<Vec<MadeGroup>, StoreError> {
        groups(&self.connection, hub)
    }

    fn put_consumer_group(&self, hub: HubId, made: &MadeGroup) -> Result<(), StoreError> {
        add_group(&self.connection, hub, &made.group, made.created)
    }

    fn delete_consumer_group(&self, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError> {
        let statement = "DELETE FROM consumer_group WHERE hub_id = ?1 AND name = ?2 COLLATE NOCASE";
        self.execute(statement, params![hub.0, group.as_str()])
    }
}

/// Makes the hubs that are not there yet and reads all of them, in the order of their ids.
///
/// A hub keeps everything when its name changes. Those that were left by versions which took
/// another name for another hub are removed when they are without devices; otherwise they are
/// refused.
pub(crate) fn open_hubs(
    database: &Database,
    connection: &Connection,
    settings: &[HubSettings],
) -> Result<Vec<Hub>, OpenError> {
    check_names(settings)?;
    let explain = |error: StoreError| database.explain(&error);
    let sqlite = |error: rusqlite::Error| database.explain(&error.into());
    let transaction = connection.unchecked_transaction().map_err(sqlite)?;
    remove_leftovers(database, &transaction, settings)?;
    for hub in settings {
        match stored(&transaction, hub.id).map_err(explain)? {
            None => create(&transaction, hub).map_err(explain)?.ok_or(OpenError::Entropy)?,
            Some((name, count)) if count == hub.partition_count => {
                rename(&transaction, hub, &name).map_err(explain)?;
                add_groups(&transaction, hub.id, &hub.consumer_groups).map_err(explain)?;
            }
            Some((_, stored)) => {
                let host_name = hub.host_name.clone();
                let configured = hub.partition_count;
                return Err(OpenError::PartitionCount { host_name, stored, configured });
            }
        }
    }
    transaction.commit().map_err(sqlite)?;
    read(connection, settings).map_err(explain)
}

fn remove_leftovers(
    database: &Database,
    connection: &Connection,
    settings: &[HubSettings],
) -> Result<(), OpenError> {
    let explain = |error: StoreError| database.explain(&error);
    for (id, host_name, devices) in leftovers(connection).map_err(explain)? {
        if settings.iter().any(|hub| hub.id == id) {
            continue;
        }
        if devices > 0 {
            let path = database.path().to_owned();
            return Err(OpenError::SecondHub { path, host_name, devices });
        }
        let tables = [
            "hub",
            "policy",
            "consumer_group",
            "certificate",
            "configuration",
            "configuration_scan",
            "file_upload",
            "file_notification",
        ];
        for table in tables {
            let statement = format!("DELETE FROM {table} WHERE hub_id = ?1");
            connection.execute(&statement, [id.0]).map_err(|error| explain(error.into()))?;
        }
        let why = "an earlier version made a second hub when the host name was changed";
        warn!(hub = host_name, why, "a hub without devices is removed");
    }
    Ok(())
}

fn leftovers(connection: &Connection) -> Result<Vec<(HubId, String, u64)>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT hub_id, host_name, (SELECT count(*) FROM device d WHERE d.hub_id = hub.hub_id) \
         FROM hub WHERE state = 2",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((HubId(row.get(0)?), row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Gives a hub that is called `name` the name that the settings give it.
fn rename(connection: &Connection, hub: &HubSettings, name: &str) -> Result<(), StoreError> {
    if hub.host_name.eq_ignore_ascii_case(name) {
        return Ok(());
    }
    let statement = "UPDATE hub SET host_name = ?2 WHERE hub_id = ?1";
    connection.execute(statement, params![hub.id.0, hub.host_name])?;
    warn!(
        from = name,
        to = hub.host_name,
        "the hub has a new name and keeps its devices, keys and data; clients need it as HostName \
         and in `sr` of their tokens: those for the old name are refused"
    );
    Ok(())
}

fn check_names(settings: &[HubSettings]) -> Result<(), OpenError> {
    let all = settings.iter().flat_map(|hub| std::iter::once(&hub.host_name).chain(&hub.aliases));
    let mut names: Vec<_> = all.map(|name| name.to_ascii_lowercase()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    let good = count > 0 && names.len() == count && names.iter().all(|name| !name.is_empty());
    if good { Ok(()) } else { Err(OpenError::HostNames) }
}

/// Name and number of partitions of a hub that is there.
fn stored(connection: &Connection, id: HubId) -> Result<Option<(String, u16)>, StoreError> {
    let row = connection
        .query_row("SELECT host_name, partition_count FROM hub WHERE hub_id = ?1", [id.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(row)
}

/// Makes a configured hub; `None` when there are no random bytes for its keys.
fn create(connection: &Connection, hub: &HubSettings) -> Result<Option<()>, StoreError> {
    let Ok(policies) = default_policies() else { return Ok(None) };
    let row = HubRow {
        host_name: hub.host_name.clone(),
        partition_count: hub.partition_count,
        properties: HubProperties::new(hub.retention, hub.cloud_to_device, String::new()),
        policies,
        consumer_groups: hub.consumer_groups.iter().map(|name| ConsumerGroup::new(name)).collect(),
    };
    insert(connection, hub.id, &row, clock::now()).map(Some)
}

/// The policies that every new hub has, with keys of its own.
pub(crate) fn default_policies() -> Result<Vec<Policy>, NoEntropy> {
    let policy = |(name, permissions): (&str, _)| {
        Ok(Policy { name: name.to_owned(), permissions, keys: Mint::keys()? })
    };
    DEFAULT_POLICIES.into_iter().map(policy).collect()
}

fn insert(
    connection: &Connection,
    hub: HubId,
    row: &HubRow,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let mapping = mapping_number(PartitionMapping::default());
    connection
        .prepare_cached(
            "INSERT INTO hub (hub_id, host_name, partition_count, partition_mapping, state, \
             created_ms, settings, resource) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)",
        )?
        .execute(params![
            hub.0,
            row.host_name,
            row.partition_count,
            mapping,
            now.as_millis(),
            settings_text(&row.properties),
            row.properties.resource,
        ])?;
    for policy in &row.policies {
        put_policy(connection, hub, policy)?;
    }
    add_group(connection, hub, &ConsumerGroup::new(ConsumerGroup::DEFAULT), now)?;
    row.consumer_groups.iter().try_for_each(|group| add_group(connection, hub, group, now))
}

/// A mapping as it stands in the database.
const fn mapping_number(mapping: PartitionMapping) -> u8 {
    match mapping {
        PartitionMapping::Crc64 => 0,
        PartitionMapping::PartitionKey => 1,
    }
}

fn mapping_of(number: u8) -> Result<PartitionMapping, StoreError> {
    [PartitionMapping::Crc64, PartitionMapping::PartitionKey]
        .into_iter()
        .find(|mapping| mapping_number(*mapping) == number)
        .ok_or(StoreError::Column("partition_mapping"))
}

fn put_policy(connection: &Connection, hub: HubId, policy: &Policy) -> Result<(), StoreError> {
    let (permissions, keys) = (policy.permissions.bits(), &policy.keys);
    connection.execute(
        "INSERT OR REPLACE INTO policy (hub_id, name, permissions, primary_key, secondary_key) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![hub.0, policy.name, permissions, keys.primary(), keys.secondary()],
    )?;
    Ok(())
}

fn add_groups(connection: &Connection, hub: HubId, groups: &[String]) -> Result<(), StoreError> {
    let now = clock::now();
    groups.iter().try_for_each(|name| add_group(connection, hub, &ConsumerGroup::new(name), now))
}

fn add_group(
    connection: &Connection,
    hub: HubId,
    group: &ConsumerGroup,
    created: UnixMillis,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO consumer_group (hub_id, name, created_ms) SELECT ?1, ?2, ?3 WHERE NOT EXISTS \
         (SELECT 1 FROM consumer_group WHERE hub_id = ?1 AND name = ?2 COLLATE NOCASE)",
        params![hub.0, group.as_str(), created.as_millis()],
    )?;
    Ok(())
}

const COLUMNS: &str =
    "hub_id, host_name, partition_count, partition_mapping, created_ms, settings, resource";

fn read(connection: &Connection, settings: &[HubSettings]) -> Result<Vec<Hub>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM hub WHERE state = 0 ORDER BY hub_id");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut hubs = Vec::new();
    while let Some(row) = rows.next()? {
        hubs.push(hub_of(connection, row, Some(settings))?);
    }
    Ok(hubs)
}

/// The hub of a row; the settings of the configuration count more than those of the row.
fn hub_of(
    connection: &Connection,
    row: &Row<'_>,
    settings: Option<&[HubSettings]>,
) -> Result<Hub, StoreError> {
    let id = HubId(row.get(0)?);
    let (retention, cloud_to_device) = settings_of(row.get_ref(5)?.as_str().unwrap_or_default())?;
    let mut properties = HubProperties::new(retention, cloud_to_device, row.get(6)?);
    let configured = settings.and_then(|all| all.iter().find(|hub| hub.id == id));
    if let Some(configured) = configured {
        properties.retention = configured.retention;
        properties.cloud_to_device = configured.cloud_to_device;
        properties.file_upload = Arc::new(configured.file_upload.clone());
    }
    Ok(Hub {
        id,
        host_name: row.get(1)?,
        aliases: configured.map(|hub| hub.aliases.clone()).unwrap_or_default(),
        is_configured: configured.is_some(),
        partition_count: row.get(2)?,
        partition_mapping: mapping_of(row.get(3)?)?,
        authorities: Authorities::default(),
        policies: Shared::new(policies(connection, id)?),
        consumer_groups: Shared::new(
            groups(connection, id)?.into_iter().map(|g| g.group).collect(),
        ),
        configurations: Configurations::new(configurations(connection, id)?),
        query_indexes: Shared::new(query_indexes(connection, id)?),
        created: UnixMillis::from_millis(row.get(4)?),
        properties: ArcSwap::from(Arc::new(properties)),
        quota: OnceLock::new(),
    })
}

fn policies(connection: &Connection, hub: HubId) -> Result<Vec<Policy>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, permissions, primary_key, secondary_key FROM policy WHERE hub_id = ?1",
    )?;
    let mut rows = statement.query([hub.0])?;
    let mut policies = Vec::new();
    while let Some(row) = rows.next()? {
        let (primary, secondary): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let keys = KeyPair::new(&primary, &secondary);
        policies.push(Policy {
            name: row.get(0)?,
            permissions: Permissions::from_bits(row.get(1)?),
            keys: keys.map_err(|_| StoreError::Column("primary_key"))?,
        });
    }
    Ok(policies)
}

fn groups(connection: &Connection, hub: HubId) -> Result<Vec<MadeGroup>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, created_ms FROM consumer_group WHERE hub_id = ?1 ORDER BY name COLLATE NOCASE",
    )?;
    let groups = statement.query_map([hub.0], |row| {
        let group = ConsumerGroup::new(&row.get::<_, String>(0)?);
        Ok(MadeGroup { group, created: UnixMillis::from_millis(row.get(1)?) })
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}
