//! Models of identities in the database; who announces none has no row.

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use rusqlite::{Connection, params};

use super::row::{self, NO_MODULE, signed};
use super::{SqliteStore, StoreError};
use crate::directory::{Directory, GenerationId};

/// Models of all hubs.
pub(crate) trait ModelStore {
    /// Stores the model of an identity, or that it has none; nothing for one that is unknown or was
    /// replaced.
    fn set_model(
        &self,
        hub: HubId,
        identity: &Identity,
        generation: GenerationId,
        model: Option<&str>,
    ) -> Result<(), StoreError>;
    /// Forgets the models of a device and of its modules, or that of one module.
    fn delete_models(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError>;
}

/// Writes nothing unless the identity is there and still the same.
const PUT_DEVICE_MODEL: &str = "INSERT OR REPLACE INTO model \
     SELECT hub_id, device_id, ?3, ?5 FROM device \
     WHERE hub_id = ?1 AND device_id = ?2 AND generation_id = ?4";
const PUT_MODULE_MODEL: &str = "INSERT OR REPLACE INTO model \
     SELECT hub_id, device_id, module_id, ?5 FROM module \
     WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3 AND generation_id = ?4";
const DELETE_MODEL: &str =
    "DELETE FROM model WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3";
const DELETE_MODELS: &str = "DELETE FROM model \
     WHERE hub_id = ?1 AND device_id = ?2 AND (?3 IS NULL OR module_id = ?3)";
/// The generation is that of the identity now: a model goes with the identity that it is of.
const MODELS: &str = "SELECT o.device_id, o.module_id, o.hub_id, \
     coalesce(m.generation_id, d.generation_id), o.model_id FROM model o \
     JOIN device d USING (hub_id, device_id) LEFT JOIN module m USING (hub_id, device_id, module_id)";

impl ModelStore for SqliteStore {
    fn set_model(
        &self,
        hub: HubId,
        identity: &Identity,
        generation: GenerationId,
        model: Option<&str>,
    ) -> Result<(), StoreError> {
        let Identity { device, module } = identity;
        let put = if module.is_none() { PUT_DEVICE_MODEL } else { PUT_MODULE_MODEL };
        let (device, module) = (device.as_str(), module.as_ref().map_or(NO_MODULE, |m| m.as_str()));
        match model {
            Some(model) => {
                self.execute(put, params![hub.0, device, module, signed(generation.0), model])
            }
            None => self.execute(DELETE_MODEL, params![hub.0, device, module]),
        }
    }

    fn delete_models(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError> {
        let params = params![hub.0, device.as_str(), module.map(ModuleId::as_str)];
        self.execute(DELETE_MODELS, params)
    }
}

/// Tells `directory` all models.
pub(super) fn load(connection: &Connection, directory: &Directory) -> Result<(), StoreError> {
    let mut statement = connection.prepare(MODELS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (hub, identity, generation) = row::owner(row)?;
        let model = row.get_ref(4)?.as_str().map_err(|_| StoreError::Column("model_id"))?;
        directory.set_model(hub, &identity, generation, Some(model.into()));
    }
    Ok(())
}
