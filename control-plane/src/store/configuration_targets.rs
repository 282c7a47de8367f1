//! Identities in the database as configurations see them: what was done with each, and which are to
//! be evaluated. An identity that no configuration takes has no row.

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use rusqlite::{OptionalExtension as _, params};

use super::row::NO_MODULE;
use super::{SqliteStore, StoreError};
use crate::configuration::{Due, DueNumber, Statuses, TargetState};
use crate::directory::IdentityRef;

/// What configurations have done, and have to do, with identities.
pub(crate) trait ConfigurationTargets {
    /// The JSON of the statuses of an identity; `None` when there are none.
    fn configuration_statuses(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
    ) -> Result<Option<String>, StoreError>;
    /// What was done with an identity.
    fn target_state(&self, hub: HubId, name: IdentityRef<'_>) -> Result<TargetState, StoreError>;
    /// Stores that.
    fn put_target_state(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        state: &TargetState,
    ) -> Result<(), StoreError>;
    /// Forgets a device and its modules, or one module.
    fn delete_targets(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError>;
    /// The modules of a device that deployments are for.
    fn deployed_modules(&self, hub: HubId, device: &DeviceId) -> Result<Vec<ModuleId>, StoreError>;
    /// Notes that an identity is to be evaluated, behind all that are already; one that is keeps
    /// its place.
    fn mark_due(&self, hub: HubId, name: IdentityRef<'_>, rounds: u8) -> Result<(), StoreError>;
    /// Those that have waited longest, at most `limit`.
    fn due(&self, hub: HubId, limit: usize) -> Result<Vec<Due>, StoreError>;
    /// Notes that one is evaluated.
    fn take_due(&self, number: DueNumber) -> Result<(), StoreError>;
}

impl ConfigurationTargets for SqliteStore {
    fn configuration_statuses(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
    ) -> Result<Option<String>, StoreError> {
        let mut statement = self.prepare(
            "SELECT statuses FROM configuration_target \
             WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3 AND statuses <> '{}'",
        )?;
        let module = name.module.unwrap_or(NO_MODULE);
        Ok(statement.query_row(params![hub.0, name.device, module], |row| row.get(0)).optional()?)
    }

    fn target_state(&self, hub: HubId, name: IdentityRef<'_>) -> Result<TargetState, StoreError> {
        const STATE: StoreError = StoreError::Column("the state of a target");
        let mut statement = self.prepare(
            "SELECT statuses, written, layer FROM configuration_target \
             WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
        )?;
        let module = name.module.unwrap_or(NO_MODULE);
        let mut rows = statement.query(params![hub.0, name.device, module])?;
        let Some(row) = rows.next()? else { return Ok(TargetState::default()) };
        let text = |column| row.get_ref(column)?.as_str_or_null().map_err(|_| STATE);
        let layer = text(2)?.map(serde_json::from_str).transpose().map_err(|_| STATE)?;
        Ok(TargetState {
            statuses: text(0)?.and_then(Statuses::decode).ok_or(STATE)?,
            written: serde_json::from_str(text(1)?.unwrap_or_default()).map_err(|_| STATE)?,
            layer,
        })
    }

    fn put_target_state(
        &self,
        hub: HubId,
        name: IdentityRef<'_>,
        state: &TargetState,
    ) -> Result<(), StoreError> {
        let module = name.module.unwrap_or(NO_MODULE);
        if state.is_empty() {
            return self.execute(
                "DELETE FROM configuration_target \
                 WHERE hub_id = ?1 AND device_id = ?2 AND module_id = ?3",
                params![hub.0, name.device, module],
            );
        }
        let json = |value| serde_json::to_string(value).map_err(|_| StoreError::Column("written"));
        let layer = state.layer.as_ref().map(serde_json::to_string).transpose();
        self.execute(
            "INSERT OR REPLACE INTO configuration_target VALUES (?, ?, ?, ?, ?, ?)",
            params![
                hub.0,
                name.device,
                module,
                state.statuses.encode(),
                json(&state.written)?,
                layer.map_err(|_| StoreError::Column("layer"))?,
            ],
        )
    }

    fn delete_targets(
        &self,
        hub: HubId,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(), StoreError> {
        let params = params![hub.0, device.as_str(), module.map(ModuleId::as_str)];
        for statement in [
            "DELETE FROM configuration_target \
             WHERE hub_id = ?1 AND device_id = ?2 AND (?3 IS NULL OR module_id = ?3)",
            "DELETE FROM configuration_due \
             WHERE hub_id = ?1 AND device_id = ?2 AND (?3 IS NULL OR module_id = ?3)",
        ] {
            self.execute(statement, params)?;
        }
        Ok(())
    }

    fn deployed_modules(&self, hub: HubId, device: &DeviceId) -> Result<Vec<ModuleId>, StoreError> {
        let mut statement = self.prepare(
            "SELECT module_id FROM configuration_target \
             WHERE hub_id = ?1 AND device_id = ?2 AND module_id <> '' AND layer IS NOT NULL",
        )?;
        let mut rows = statement.query(params![hub.0, device.as_str()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            found.push(ModuleId::parse(id).map_err(|_| StoreError::Column("module_id"))?);
        }
        Ok(found)
    }

    fn mark_due(&self, hub: HubId, name: IdentityRef<'_>, rounds: u8) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO configuration_due (hub_id, device_id, module_id, rounds) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (hub_id, device_id, module_id) \
             DO UPDATE SET rounds = min(rounds, excluded.rounds)",
            params![hub.0, name.device, name.module.unwrap_or(NO_MODULE), rounds],
        )
    }

    fn due(&self, hub: HubId, limit: usize) -> Result<Vec<Due>, StoreError> {
        let mut statement = self.prepare(
            "SELECT number, device_id, module_id, rounds FROM configuration_due \
             WHERE hub_id = ?1 ORDER BY number LIMIT ?2",
        )?;
        let mut rows = statement.query(params![hub.0, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
            let device = DeviceId::parse(text(1)?).map_err(|_| StoreError::Column("device_id"))?;
            let module = Some(text(2)?).filter(|id| *id != NO_MODULE).map(ModuleId::parse);
            let module = module.transpose().map_err(|_| StoreError::Column("module_id"))?;
            let identity = Identity { device, module };
            found.push(Due { number: DueNumber(row.get(0)?), identity, rounds: row.get(3)? });
        }
        Ok(found)
    }

    fn take_due(&self, number: DueNumber) -> Result<(), StoreError> {
        self.execute("DELETE FROM configuration_due WHERE number = ?1", [number.0])
    }
}
