//! Twins in the database. An identity without rows has the twin of the beginning, so a million of
//! them take no room; what back ends write and what devices report are rows of their own, so that a
//! report rewrites nothing else.

use ringhub_core::id::HubId;
use ringhub_core::twin::{DamagedTwin, Section, Tags, Twin, TwinETag, device_document};
use rusqlite::types::ValueRef;
use rusqlite::{Row, params};

use super::row::{NO_MODULE, signed, unsigned};
use super::section_cache::Kept;
use super::{SqliteStore, StoreError};
use crate::directory::{GenerationId, IdentityRef};
use crate::query::TwinPart;
use crate::registry::{ChangeError, RegistryError};
use crate::twin::Reader;

/// Twins of all hubs. Names are those of registered identities.
pub(crate) trait TwinStore {
    /// The twin of an identity; `generation` says since when there is one.
    fn twin(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        generation: GenerationId,
    ) -> Result<Twin, StoreError>;
    /// Stores etag, tags and desired properties.
    fn put_service_side(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        twin: &Twin,
    ) -> Result<(), StoreError>;
    /// Changes the reported properties of an identity by `change`, which leaves them as they are
    /// when it refuses. Returns their version; `None` when no identity has this name and
    /// generation. Only on the connection that writes.
    fn change_reported(
        &self,
        owner: &Reader,
        change: &mut dyn FnMut(&mut Section) -> Result<(), RegistryError>,
    ) -> Result<Option<u64>, ChangeError>;
    /// The twin as its device reads it; `None` when no identity has this name and generation.
    fn twin_document(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        generation: GenerationId,
    ) -> Result<Option<Vec<u8>>, StoreError>;
}

/// The third parameter is the module, or an empty text for the device itself.
const TWIN: &str = "
    SELECT t.etag, t.tags, t.desired_version, t.desired, t.desired_stamps,
           r.version, r.properties, r.stamps
    FROM (SELECT 1)
    LEFT JOIN twin t ON t.hub_id = ?1 AND t.device_id = ?2 AND t.module_id = ?3
    LEFT JOIN twin_reported r ON r.hub_id = ?1 AND r.device_id = ?2 AND r.module_id = ?3";
/// A row that is there is changed in its place: another one in its place would lie elsewhere.
const PUT_SERVICE_SIDE: &str = "
    INSERT INTO twin
    (hub_id, device_id, module_id, etag, tags, desired_version, desired, desired_stamps)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (hub_id, device_id, module_id) DO UPDATE SET
    etag = ?4, tags = ?5, desired_version = ?6, desired = ?7, desired_stamps = ?8";
/// The columns in the order of the table.
const PUT_REPORTED: &str = "
    INSERT INTO twin_reported VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (hub_id, device_id, module_id) DO UPDATE SET
    version = ?4, properties = ?5, stamps = ?6";
const DEVICE_REPORTED: &str = "
    SELECT i.generation_id, r.version, r.properties, r.stamps FROM device i
    LEFT JOIN twin_reported r ON r.hub_id = ?1 AND r.device_id = ?2 AND r.module_id = ?3
    WHERE i.hub_id = ?1 AND i.device_id = ?2";
const MODULE_REPORTED: &str = "
    SELECT i.generation_id, r.version, r.properties, r.stamps FROM module i
    LEFT JOIN twin_reported r ON r.hub_id = ?1 AND r.device_id = ?2 AND r.module_id = ?3
    WHERE i.hub_id = ?1 AND i.device_id = ?2 AND i.module_id = ?3";
const DEVICE_DOCUMENT: &str = "
    SELECT i.generation_id, t.desired_version, t.desired, r.version, r.properties FROM device i
    LEFT JOIN twin t ON t.hub_id = ?1 AND t.device_id = ?2 AND t.module_id = ?3
    LEFT JOIN twin_reported r ON r.hub_id = ?1 AND r.device_id = ?2 AND r.module_id = ?3
    WHERE i.hub_id = ?1 AND i.device_id = ?2";
const MODULE_DOCUMENT: &str = "
    SELECT i.generation_id, t.desired_version, t.desired, r.version, r.properties FROM module i
    LEFT JOIN twin t ON t.hub_id = ?1 AND t.device_id = ?2 AND t.module_id = ?3
    LEFT JOIN twin_reported r ON r.hub_id = ?1 AND r.device_id = ?2 AND r.module_id = ?3
    WHERE i.hub_id = ?1 AND i.device_id = ?2 AND i.module_id = ?3";

impl TwinStore for SqliteStore {
    fn twin(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        generation: GenerationId,
    ) -> Result<Twin, StoreError> {
        self.write_reported()?;
        let found = self.first(TWIN, hub, name, |row| {
            let fresh = Twin::new(generation.created());
            let service_side = match row.get::<_, Option<i64>>(0)? {
                None => fresh.clone(),
                Some(_) => Twin {
                    etag: TwinETag(unsigned(row, 0)?),
                    tags: Tags::decode(text(row, 1)?)?,
                    desired: section(row, 2)?.unwrap_or(fresh.desired),
                    reported: fresh.reported.clone(),
                },
            };
            Ok(Twin { reported: section(row, 5)?.unwrap_or(fresh.reported), ..service_side })
        })?;
        Ok(found.unwrap_or_else(|| Twin::new(generation.created())))
    }

    fn put_service_side(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        twin: &Twin,
    ) -> Result<(), StoreError> {
        let tags = twin.tags.encode();
        let mut statement = self.connection.prepare_cached(PUT_SERVICE_SIDE)?;
        statement.execute(params![
            hub.0,
            name.device,
            name.module.unwrap_or_default(),
            signed(twin.etag.0),
            tags,
            signed(twin.desired.version()),
            twin.desired.properties(),
            twin.desired.stamps(),
        ])?;
        self.follow_part(hub, name, TwinPart::Tags, tags)?;
        self.follow_part(hub, name, TwinPart::Desired, twin.desired.properties())
    }

    fn change_reported(
        &self,
        owner: &Reader,
        change: &mut dyn FnMut(&mut Section) -> Result<(), RegistryError>,
    ) -> Result<Option<u64>, ChangeError> {
        let mut sections = self.reported.borrow_mut();
        let kept = match sections.take(owner.generation) {
            Some(kept) => Some(kept),
            None => self.reported(owner)?.map(|section| Kept::new(owner.clone(), section)),
        };
        let Some(mut kept) = kept else { return Ok(None) };
        let outcome = kept.change(change);
        let version = kept.section.version();
        sections.put(kept, |changed| self.put_reported(changed))?;
        outcome?;
        Ok(Some(version))
    }

    fn twin_document(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        generation: GenerationId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.write_reported()?;
        let sql = if name.module.is_none() { DEVICE_DOCUMENT } else { MODULE_DOCUMENT };
        let found = self.first(sql, hub, name, |row| {
            if unsigned(row, 0)? != generation.0 {
                return Ok(None);
            }
            let [desired, reported] = [properties(row, 1)?, properties(row, 3)?];
            Ok(Some(device_document(desired, reported)))
        })?;
        Ok(found.flatten())
    }
}

impl SqliteStore {
    /// Writes the rows of the reported properties that have changed: before the commit, and before
    /// this connection reads them.
    pub(super) fn write_reported(&self) -> Result<(), StoreError> {
        let mut sections = self.reported.borrow_mut();
        if sections.is_written() {
            return Ok(());
        }
        sections.write(|changed| self.put_reported(changed))
    }

    fn put_reported(&self, changed: &mut dyn Iterator<Item = &Kept>) -> Result<(), StoreError> {
        let mut statement = self.prepare(PUT_REPORTED)?;
        for Kept { owner: Reader { hub, identity, .. }, section, .. } in changed {
            let name = IdentityRef::from(identity);
            statement.execute(params![
                hub.0,
                name.device,
                name.module.unwrap_or(NO_MODULE),
                signed(section.version()),
                section.properties(),
                section.stamps(),
            ])?;
            self.follow_part(*hub, name, TwinPart::Reported, section.properties())?;
        }
        Ok(())
    }

    /// The reported properties as their row has them; `None` when no identity has this name and
    /// generation.
    pub(super) fn reported(&self, owner: &Reader) -> Result<Option<Section>, StoreError> {
        let Reader { hub, identity, generation } = owner;
        let name = IdentityRef::from(identity);
        let sql = if name.module.is_none() { DEVICE_REPORTED } else { MODULE_REPORTED };
        let found = self.first(sql, *hub, name, |row| {
            if unsigned(row, 0)? != generation.0 {
                return Ok(None);
            }
            Ok(Some(section(row, 1)?.unwrap_or_else(|| Section::new(generation.created()))))
        })?;
        Ok(found.flatten())
    }

    /// The first row of a statement about one identity.
    fn first<T>(
        &self,
        sql: &str,
        hub: HubId,
        name: IdentityRef<'_>,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let module = name.module.unwrap_or_default();
        let mut rows = statement.query(params![hub.0, name.device, module])?;
        rows.next()?.map(decode).transpose()
    }
}

/// A section in three columns from `first` on; `None` when nothing is stored.
pub(super) fn section(row: &Row<'_>, first: usize) -> Result<Option<Section>, StoreError> {
    if row.get_ref(first)? == ValueRef::Null {
        return Ok(None);
    }
    let stamps = row.get_ref(first + 2)?.as_blob().map_err(|_| StoreError::Column("stamps"))?;
    Ok(Some(Section::decode(unsigned(row, first)?, text(row, first + 1)?, stamps)?))
}

/// Properties and version of a section in two columns; those of the beginning when nothing is
/// stored.
fn properties<'r>(row: &'r Row<'_>, first: usize) -> Result<(&'r str, u64), StoreError> {
    if row.get_ref(first)? == ValueRef::Null {
        return Ok(("{}", 1));
    }
    Ok((text(row, first + 1)?, unsigned(row, first)?))
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, StoreError> {
    row.get_ref(column)?.as_str().map_err(|_| StoreError::Column("a document of a twin"))
}

impl From<DamagedTwin> for StoreError {
    fn from(_: DamagedTwin) -> Self {
        Self::Column("a section of a twin")
    }
}
