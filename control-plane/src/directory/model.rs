//! Plug and Play models that identities have announced.

use ringhub_core::id::{HubId, Identity};

use super::entry::Entry;
use super::presence::entry_mut;
use super::{Directory, GenerationId, Grant, IdentityRef};

impl Directory {
    /// The model that an identity has announced last; `None` without one.
    #[must_use]
    pub fn model(&self, hub: HubId, name: IdentityRef<'_>) -> Option<Box<str>> {
        self.with_entry(hub, name, |entry| entry.model.clone())?
    }

    /// Whether `model` is what the store has for the identity in `grant`. Costs one stripe lock and
    /// allocates nothing, because every connect asks.
    pub(crate) fn has_model(&self, grant: &Grant, model: Option<&str>) -> bool {
        let name = IdentityRef::from(&grant.identity);
        let is_same = |entry: &Entry| entry.model.as_deref() == model;
        self.with_entry(grant.hub, name, is_same).unwrap_or(true)
    }

    /// Takes over what the store has; nothing for an identity that was deleted or replaced.
    pub(crate) fn set_model(
        &self,
        hub: HubId,
        identity: &Identity,
        generation: GenerationId,
        model: Option<Box<str>>,
    ) {
        let Some(table) = self.table(hub) else { return };
        let name = IdentityRef::from(identity);
        let mut stripe = table.stripe(name.device);
        let device = stripe.devices.get_mut(name.device);
        let entry = device.and_then(|device| entry_mut(device, name.module));
        if let Some(entry) = entry.filter(|entry| entry.generation == generation) {
            entry.model = model;
        }
    }
}
