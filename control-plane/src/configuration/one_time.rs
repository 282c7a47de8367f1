//! Content that is written to one edge device, once. Runs on the writer thread, inside its
//! transaction, so that two of them never meet.
//!
//! Source: control-plane reference, "`applyConfigurationContent`".

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::twin::{Applied, Twin};
use serde_json::Map;

use super::error::ContentProblem;
use super::evaluate::merge;
use super::overlay::{Overlay, Setting};
use super::{ConfigurationError, ConfigurationOutcome, Content, Followed, Kind};
use crate::directory::IdentityRef;
use crate::registry::{Applier, ChangeError, RegistryError};
use crate::store::StoreError;
use crate::twin::{Changed, owner};

impl Applier<'_> {
    /// Makes the modules that are missing, writes desired properties, and removes modules that
    /// content has made before and does not list any more.
    pub(super) fn apply_content(
        &mut self,
        hub: HubId,
        id: &DeviceId,
        content: &Content,
    ) -> Result<ConfigurationOutcome, ChangeError> {
        let device = self.store.device(hub, id)?.ok_or(RegistryError::DeviceNotFound)?;
        if content.kind() != Kind::Edge {
            return Err(ConfigurationError::from(ContentProblem::NotOfModules).into());
        }
        if !device.iot_edge {
            return Err(ConfigurationError::NoEdgeDevice.into());
        }
        if !self.has_room(hub, id, content.modules().keys())? {
            return Err(RegistryError::TooManyModules.into());
        }
        // Nothing is written before all is known to be good.
        let mut twins = Vec::new();
        for (module, settings) in content.modules() {
            let identity = Identity { device: id.clone(), module: Some(module.clone()) };
            let applied = self.applied(hub, &identity, module, settings)?;
            twins.push((identity, applied));
        }
        let mut changed = Vec::new();
        for (identity, applied) in twins {
            let Some(module) = &identity.module else { continue };
            self.ensure_module(hub, id, module)?;
            if let Some(Applied { twin, desired }) = applied {
                let name = IdentityRef::from(&identity);
                self.store.put_service_side(hub, name, &twin)?;
                self.follow(hub, name, Followed::ServiceSide)?;
                let owner = owner(self.store, hub, &identity)?;
                let configurations = None;
                changed.push(Changed { hub, identity, owner, twin, desired, configurations });
            }
        }
        for module in self.store.modules(hub, id)? {
            if !content.lists(&module.id) {
                self.remove_managed(hub, id, &module.id)?;
            }
        }
        self.follow(hub, IdentityRef { device: id.as_str(), module: None }, Followed::ServiceSide)?;
        Ok(ConfigurationOutcome::Changed(changed))
    }

    /// The twin of a module with its settings; `None` when it has them already.
    fn applied(
        &self,
        hub: HubId,
        identity: &Identity,
        module: &ModuleId,
        settings: &[Setting],
    ) -> Result<Option<Applied>, ChangeError> {
        let twin = match self.store.module(hub, &identity.device, module)? {
            Some(found) => self.store.twin(hub, IdentityRef::from(identity), found.generation)?,
            None => Twin::new(self.now),
        };
        let desired: Map<_, _> = serde_json::from_str(twin.desired.properties())
            .map_err(|_| StoreError::Column("desired"))?;
        let mut overlay = Overlay::default();
        settings.iter().for_each(|setting| overlay.lay(0, setting));
        let patch = overlay.patch(&desired, &[]);
        if patch.is_empty() {
            return Ok(None);
        }
        let applied = twin.apply(merge(patch), self.now);
        let refused = |error: ringhub_core::twin::TwinError| {
            ConfigurationError::from(ContentProblem::Twin(error.to_string()))
        };
        Ok(Some(applied.map_err(refused)?))
    }
}
