//! Rows of the database as documents of the registry, and back.

use ringhub_core::auth::KeyPair;
use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::time::UnixMillis;
use rusqlite::Row;

use super::StoreError;
use crate::credentials::{Credentials, Thumbprints};
use crate::directory::{GenerationId, PresenceRecord, Status};
use crate::registry::{Device, ETag, Module};

/// Columns of a device, in the order of [`device`].
pub(super) const DEVICE_COLUMNS: &str = "device_id, generation_id, etag, credential_kind, \
     primary_credential, secondary_credential, subscriptions, enabled, status_reason, \
     status_updated_ms, iot_edge, device_scope, parent_scope";

/// Columns of a module, in the order of [`module`].
pub(super) const MODULE_COLUMNS: &str = "device_id, generation_id, etag, credential_kind, \
     primary_credential, secondary_credential, subscriptions, module_id, managed_by";

pub(super) const DEVICE_COLUMN_COUNT: usize = count(DEVICE_COLUMNS);
pub(super) const MODULE_COLUMN_COUNT: usize = count(MODULE_COLUMNS);

/// Columns of a presence, in the order of [`presence`]. The generation is that of the identity now:
/// a presence goes with the identity that it is of.
pub(super) const PRESENCE_COLUMNS: &str = "p.device_id, p.module_id, p.hub_id, \
     coalesce(m.generation_id, d.generation_id), p.connected, p.changed_ms, p.last_activity_ms";

/// What stands for the module in the presence of a device; no module has this id.
pub(super) const NO_MODULE: &str = "";

/// Numbers that stand for kinds of credentials in the file.
const KEYS: i64 = 0;
const THUMBPRINTS: i64 = 1;
const CERTIFICATE_AUTHORITY: i64 = 2;
const NO_CREDENTIALS: i64 = 3;

/// Credentials as three columns.
pub(super) type CredentialColumns<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

pub(super) fn credential_columns(credentials: &Credentials) -> CredentialColumns<'_> {
    match credentials {
        Credentials::Keys(keys) => (KEYS, Some(keys.primary()), Some(keys.secondary())),
        Credentials::Thumbprints(pair) => {
            let secondary = pair.secondary.as_deref().map(str::as_bytes);
            (THUMBPRINTS, Some(pair.primary.as_bytes()), secondary)
        }
        Credentials::CertificateAuthority => (CERTIFICATE_AUTHORITY, None, None),
        Credentials::None => (NO_CREDENTIALS, None, None),
    }
}

pub(super) fn device(row: &Row<'_>) -> Result<Device, StoreError> {
    Ok(Device {
        id: device_id(row)?,
        generation: GenerationId(unsigned(row, 1)?),
        etag: ETag(unsigned(row, 2)?),
        credentials: credentials(row)?,
        subscriptions: subscriptions(row)?,
        status: if row.get(7)? { Status::Enabled } else { Status::Disabled },
        status_reason: row.get(8)?,
        status_updated: row.get::<_, Option<i64>>(9)?.map(UnixMillis::from_millis),
        iot_edge: row.get(10)?,
        device_scope: row.get(11)?,
        parent_scope: row.get(12)?,
    })
}

pub(super) fn module(row: &Row<'_>) -> Result<Module, StoreError> {
    let id = row.get_ref(7)?.as_str().map_err(|_| StoreError::Column("module_id"))?;
    Ok(Module {
        device: device_id(row)?,
        id: ModuleId::parse(id).map_err(|_| StoreError::Column("module_id"))?,
        generation: GenerationId(unsigned(row, 1)?),
        etag: ETag(unsigned(row, 2)?),
        credentials: credentials(row)?,
        subscriptions: subscriptions(row)?,
        managed_by: row.get(8)?,
    })
}

pub(super) fn presence(row: &Row<'_>) -> Result<PresenceRecord, StoreError> {
    let millis = |column| -> Result<_, StoreError> {
        Ok(row.get::<_, Option<i64>>(column)?.map(UnixMillis::from_millis))
    };
    let (hub, identity, generation) = owner(row)?;
    Ok(PresenceRecord {
        hub,
        identity,
        generation,
        is_connected: row.get(4)?,
        changed: millis(5)?,
        last_activity: millis(6)?,
    })
}

/// The identity that a row of another table is of, from its first columns: device, module, hub and
/// generation.
pub(super) fn owner(row: &Row<'_>) -> Result<(HubId, Identity, GenerationId), StoreError> {
    let module = row.get_ref(1)?.as_str().map_err(|_| StoreError::Column("module_id"))?;
    let module = if module == NO_MODULE { None } else { Some(ModuleId::parse(module)) };
    let module = module.transpose().map_err(|_| StoreError::Column("module_id"))?;
    let identity = Identity { device: device_id(row)?, module };
    Ok((HubId(row.get(2)?), identity, GenerationId(unsigned(row, 3)?)))
}

/// How many columns a list has.
const fn count(columns: &str) -> usize {
    let (mut bytes, mut count) = (columns.as_bytes(), 1);
    while let [first, rest @ ..] = bytes {
        if *first == b',' {
            count += 1;
        }
        bytes = rest;
    }
    count
}

/// A `u64` as SQLite keeps it: the same bits with a sign.
pub(super) fn signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

/// A `u64` of which SQLite keeps the bits.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let value: i64 = row.get(column)?;
    Ok(u64::from_ne_bytes(value.to_ne_bytes()))
}

fn device_id(row: &Row<'_>) -> Result<DeviceId, StoreError> {
    let id = row.get_ref(0)?.as_str().map_err(|_| StoreError::Column("device_id"))?;
    DeviceId::parse(id).map_err(|_| StoreError::Column("device_id"))
}

fn subscriptions(row: &Row<'_>) -> Result<u32, StoreError> {
    u32::try_from(row.get::<_, i64>(6)?).map_err(|_| StoreError::Column("subscriptions"))
}

fn credentials(row: &Row<'_>) -> Result<Credentials, StoreError> {
    const FIRST: StoreError = StoreError::Column("primary_credential");
    let blob = |column| -> Result<Option<&[u8]>, StoreError> {
        row.get_ref(column)?.as_blob_or_null().map_err(|_| FIRST)
    };
    let (primary, secondary) = (blob(4)?, blob(5)?);
    match row.get::<_, i64>(3)? {
        KEYS => {
            let pair = KeyPair::new(primary.unwrap_or_default(), secondary.unwrap_or_default());
            pair.map(Credentials::Keys).map_err(|_| FIRST)
        }
        THUMBPRINTS => {
            let text = |blob| std::str::from_utf8(blob).map(Into::into).map_err(|_| FIRST);
            let primary = text(primary.ok_or(FIRST)?)?;
            let secondary = secondary.map(text).transpose()?;
            Ok(Credentials::Thumbprints(Box::new(Thumbprints { primary, secondary })))
        }
        CERTIFICATE_AUTHORITY => Ok(Credentials::CertificateAuthority),
        NO_CREDENTIALS => Ok(Credentials::None),
        _ => Err(StoreError::Column("credential_kind")),
    }
}
