//! Hubs with their policies and consumer groups: made on first sight, then read.

use ringhub_core::auth::policy::DEFAULT_POLICIES;
use ringhub_core::auth::{KeyPair, Permissions};
use ringhub_core::id::{ConsumerGroup, HubId};
use ringhub_core::message::PartitionMapping;
use rusqlite::{Connection, OptionalExtension as _, params};
use tracing::warn;

use super::configurations::configurations;
use super::query_indexes::query_indexes;
use super::{CertificateStore, Database, OpenError, SqliteStore, StoreError};
use crate::c2d::CloudToDevice;
use crate::configuration::Configurations;
use crate::directory::{Authorities, Hub, Policy, Shared};
use crate::file_upload::FileUpload;
use crate::registry::Mint;

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
    /// Consumer groups besides `$Default` that are made if they are not there.
    pub consumer_groups: Vec<String>,
    /// Bounds of messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// Where files of devices go, and who is told.
    pub file_upload: FileUpload,
}

/// What hubs have besides identities.
pub(crate) trait HubStore: CertificateStore {
    /// The shared access policies of a hub, by their names.
    fn policies(&self, hub: HubId) -> Result<Vec<Policy>, StoreError>;
    /// Stores a policy in place of the one with its name.
    fn put_policy(&self, hub: HubId, policy: &Policy) -> Result<(), StoreError>;
    /// The consumer groups of a hub, by their names.
    fn consumer_groups(&self, hub: HubId) -> Result<Vec<ConsumerGroup>, StoreError>;
    /// Stores a consumer group; one that is there already stays as it is spelled.
    fn put_consumer_group(&self, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError>;
    /// Removes a consumer group.
    fn delete_consumer_group(&self, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError>;
}

impl HubStore for SqliteStore {
    fn policies(&self, hub: HubId) -> Result<Vec<Policy>, StoreError> {
        policies(&self.connection, hub)
    }

    fn put_policy(&self, hub: HubId, policy: &Policy) -> Result<(), StoreError> {
        put_policy(&self.connection, hub, policy)
    }

    fn consumer_groups(&self, hub: HubId) -> Result<Vec<ConsumerGroup>, StoreError> {
        groups(&self.connection, hub)
    }

    fn put_consumer_group(&self, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError> {
        add_group(&self.connection, hub, group)
    }

    fn delete_consumer_group(&self, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError> {
        let statement = "DELETE FROM consumer_group WHERE hub_id = ?1 AND name = ?2 COLLATE NOCASE";
        self.execute(statement, params![hub.0, group.as_str()])
    }
}

/// Makes the hubs that are not there yet and reads all of them, in the order of their ids.
///
/// A hub keeps everything when its name changes. Hubs of the database that `settings` does not have
/// are removed when they are without devices, as versions left them that took another name for
/// another hub; otherwise they are refused.
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
    for (id, host_name, devices) in hubs_with_devices(connection).map_err(explain)? {
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

fn hubs_with_devices(connection: &Connection) -> Result<Vec<(HubId, String, u64)>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT hub_id, host_name, (SELECT count(*) FROM device d WHERE d.hub_id = hub.hub_id) \
         FROM hub",
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

/// Makes a hub with the default policies; `None` when there are no random bytes for their keys.
fn create(connection: &Connection, hub: &HubSettings) -> Result<Option<()>, StoreError> {
    let mapping = mapping_number(PartitionMapping::default());
    connection.execute(
        "INSERT INTO hub (hub_id, host_name, partition_count, partition_mapping) \
         VALUES (?1, ?2, ?3, ?4)",
        params![hub.id.0, hub.host_name, hub.partition_count, mapping],
    )?;
    for (name, permissions) in DEFAULT_POLICIES {
        let Ok(keys) = Mint::keys() else { return Ok(None) };
        let name = name.to_owned();
        put_policy(connection, hub.id, &Policy { name, permissions, keys })?;
    }
    add_groups(connection, hub.id, &[ConsumerGroup::DEFAULT.to_owned()])?;
    add_groups(connection, hub.id, &hub.consumer_groups)?;
    Ok(Some(()))
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
    groups.iter().try_for_each(|name| add_group(connection, hub, &ConsumerGroup::new(name)))
}

fn add_group(connection: &Connection, hub: HubId, group: &ConsumerGroup) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO consumer_group (hub_id, name) SELECT ?1, ?2 WHERE NOT EXISTS \
         (SELECT 1 FROM consumer_group WHERE hub_id = ?1 AND name = ?2 COLLATE NOCASE)",
        params![hub.0, group.as_str()],
    )?;
    Ok(())
}

fn read(connection: &Connection, settings: &[HubSettings]) -> Result<Vec<Hub>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT hub_id, host_name, partition_count, partition_mapping FROM hub ORDER BY hub_id",
    )?;
    let mut rows = statement.query([])?;
    let mut hubs = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, host_name) = (HubId(row.get(0)?), row.get::<_, String>(1)?);
        if usize::try_from(id.0) != Ok(hubs.len()) {
            return Err(StoreError::Column("hub_id"));
        }
        let configured = settings.iter().find(|hub| hub.id == id);
        hubs.push(Hub {
            id,
            aliases: configured.map(|hub| hub.aliases.clone()).unwrap_or_default(),
            host_name,
            partition_count: row.get(2)?,
            partition_mapping: mapping_of(row.get(3)?)?,
            authorities: Authorities::default(),
            policies: Shared::new(policies(connection, id)?),
            consumer_groups: Shared::new(groups(connection, id)?),
            configurations: Configurations::new(configurations(connection, id)?),
            query_indexes: Shared::new(query_indexes(connection, id)?),
            cloud_to_device: configured.map(|hub| hub.cloud_to_device).unwrap_or_default(),
            file_upload: configured.map(|hub| hub.file_upload.clone()).unwrap_or_default(),
        });
    }
    Ok(hubs)
}

fn policies(connection: &Connection, hub: HubId) -> Result<Vec<Policy>, StoreError> {
    let mut statement = connection.prepare(
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

fn groups(connection: &Connection, hub: HubId) -> Result<Vec<ConsumerGroup>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT name FROM consumer_group WHERE hub_id = ?1 ORDER BY name COLLATE NOCASE",
    )?;
    let names = statement.query_map([hub.0], |row| row.get::<_, String>(0))?;
    Ok(names.map(|name| name.map(|name| ConsumerGroup::new(&name))).collect::<Result<_, _>>()?)
}
