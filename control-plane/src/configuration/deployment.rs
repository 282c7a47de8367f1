//! Deployments: what an edge device runs. Runs on the writer thread, inside its transaction.

use std::collections::{BTreeMap, BTreeSet};

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::MODULES_PER_DEVICE_MAX;

use super::Statuses;
use super::evaluate::{Evaluation, Taking};
use super::overlay::Overlay;
use super::state::{Layer, Status};
use crate::directory::IdentityRef;
use crate::registry::{Applier, ChangeError, EDGE_MODULES, Effect};

/// Who manages modules that content has made.
const MANAGER: &str = "IotEdge";

impl Evaluation<'_, '_> {
    /// Brings the modules of an edge device to what `taking` want, which stand from the lowest to
    /// the highest, and says how far each has come.
    ///
    /// The highest one that says all is the base; those above it are layers on it, those below it
    /// and layers without a base stay targeted.
    pub(super) fn deploy(
        &mut self,
        device: &DeviceId,
        taking: &[Taking],
    ) -> Result<Statuses, ChangeError> {
        let deployed = self.applier.store.deployed_modules(self.hub, device)?;
        let mut statuses = Statuses::default();
        taking.iter().for_each(|deployment| statuses.set(&deployment.id, Status::Targeted));
        if taking.is_empty() && deployed.is_empty() {
            return Ok(statuses);
        }
        let base = taking.iter().rposition(|deployment| deployment.content.is_base());
        let used = base.map_or(&[][..], |base| &taking[base..]);
        let mut overlays: BTreeMap<ModuleId, Overlay> = BTreeMap::new();
        for (index, deployment) in used.iter().enumerate() {
            for (module, settings) in deployment.content.modules() {
                let overlay = overlays.entry(module.clone()).or_default();
                settings.iter().for_each(|setting| overlay.lay(index, setting));
            }
        }
        if !self.applier.has_room(self.hub, device, overlays.keys())? {
            return Ok(statuses);
        }
        let mut goal = statuses.clone();
        for (index, deployment) in used.iter().enumerate() {
            if overlays.values().any(|overlay| overlay.shows(index)) {
                goal.set(&deployment.id, Status::Applied);
            }
        }
        let wanted: BTreeSet<_> = overlays.keys().cloned().collect();
        let mut is_whole = true;
        for (module, overlay) in overlays {
            let layer = Layer { statuses: goal.clone(), settings: overlay.into_settings() };
            is_whole &= self.deploy_module(device, module, Some(layer))?;
        }
        for module in deployed.into_iter().filter(|module| !wanted.contains(module)) {
            self.withdraw(device, module)?;
        }
        Ok(if is_whole { goal } else { statuses })
    }

    /// Makes the module if it is not there, and gives it a layer; false when that cannot be.
    fn deploy_module(
        &mut self,
        device: &DeviceId,
        module: ModuleId,
        layer: Option<Layer>,
    ) -> Result<bool, ChangeError> {
        self.applier.ensure_module(self.hub, device, &module)?;
        let identity = Identity { device: device.clone(), module: Some(module) };
        let name = IdentityRef::from(&identity);
        let mut state = self.applier.store.target_state(self.hub, name)?;
        if state.layer != layer {
            state.layer = layer;
            self.applier.store.put_target_state(self.hub, name, &state)?;
        }
        self.module(&identity)
    }

    /// Takes a module out of what deployments want: one that they made goes.
    fn withdraw(&mut self, device: &DeviceId, module: ModuleId) -> Result<(), ChangeError> {
        if self.applier.remove_managed(self.hub, device, &module)? {
            return Ok(());
        }
        self.deploy_module(device, module, None).map(drop)
    }
}

impl Applier<'_> {
    /// Whether a device may have all of these modules.
    pub(super) fn has_room<'m>(
        &self,
        hub: HubId,
        device: &DeviceId,
        wanted: impl Iterator<Item = &'m ModuleId>,
    ) -> Result<bool, ChangeError> {
        let there = self.store.modules(hub, device)?;
        let missing = wanted.filter(|id| there.iter().all(|module| module.id != **id)).count();
        Ok(there.len() + missing <= MODULES_PER_DEVICE_MAX)
    }

    /// Makes a module that content names, unless it is there.
    pub(super) fn ensure_module(
        &mut self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Result<(), ChangeError> {
        if self.store.module(hub, device, id)?.is_none() {
            let mut module = self.new_module(device.clone(), id.clone())?;
            if !EDGE_MODULES.contains(&id.as_str()) {
                module.managed_by = Some(MANAGER.to_owned());
            }
            self.write_module(hub, &module)?;
        }
        Ok(())
    }

    /// Removes a module that content has made; false when it is somebody else's.
    pub(super) fn remove_managed(
        &mut self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Result<bool, ChangeError> {
        let Some(module) = self.store.module(hub, device, id)? else { return Ok(true) };
        let manager = module.managed_by.unwrap_or_default();
        if !manager.eq_ignore_ascii_case(MANAGER) || EDGE_MODULES.contains(&id.as_str()) {
            return Ok(false);
        }
        self.store.delete_module(hub, device, id)?;
        self.effects.push(Effect::ModuleDeleted(hub, device.clone(), id.clone()));
        Ok(true)
    }
}
