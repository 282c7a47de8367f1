//! Applies operations on twins to the store. Runs on the writer thread, inside its transaction.

use bytes::Bytes;
use ringhub_core::id::{HubId, Identity};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{Applied, ReportedPatch, ServiceChange};

use super::{Changed, Reader, TwinChange, TwinOutcome, TwinOwner};
use crate::directory::IdentityRef;
use crate::registry::{ChangeError, Existing, RegistryError};
use crate::store::Store;

/// The writer's tools for twins in one transaction.
pub(crate) struct TwinApplier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) now: UnixMillis,
}

impl TwinApplier<'_> {
    /// Performs one operation, or says why not. A refused one has written nothing.
    pub(crate) fn apply(&self, change: TwinChange) -> Result<TwinOutcome, ChangeError> {
        match change {
            TwinChange::Service { hub, identity, change, when } => {
                self.change(hub, identity, change, &when)
            }
            TwinChange::Report { sender, patch, version } => self.report(&sender, &patch, version),
            TwinChange::Read(reader) => self.read(&reader),
        }
    }

    fn change(
        &self,
        hub: HubId,
        identity: Identity,
        change: ServiceChange,
        when: &Existing,
    ) -> Result<TwinOutcome, ChangeError> {
        let owner = owner(self.store, hub, &identity)?;
        let name = IdentityRef::from(&identity);
        let twin = self.store.twin(hub, name, owner.generation())?;
        if matches!(when, Existing::Match(etag) if *etag != twin.etag.text()) {
            return Err(RegistryError::TwinChanged.into());
        }
        let Applied { twin, desired } =
            twin.apply(change, self.now).map_err(RegistryError::Twin)?;
        self.store.put_service_side(hub, name, &twin)?;
        let configurations = self.store.configuration_statuses(hub, name)?;
        let changed = Changed { hub, identity, owner, twin, desired, configurations };
        Ok(TwinOutcome::Changed(Box::new(changed)))
    }

    fn report(
        &self,
        sender: &Reader,
        patch: &Bytes,
        version: Option<u64>,
    ) -> Result<TwinOutcome, ChangeError> {
        let patch = ReportedPatch::parse(patch).map_err(RegistryError::Twin)?;
        let changed = self.store.change_reported(sender, &mut |section| {
            if version.is_some_and(|version| version != section.version()) {
                return Err(RegistryError::TwinChanged);
            }
            section.report(&patch, self.now).map_err(RegistryError::Twin)
        })?;
        Ok(TwinOutcome::Reported(changed.ok_or_else(|| not_found(&sender.identity))?))
    }

    fn read(&self, reader: &Reader) -> Result<TwinOutcome, ChangeError> {
        let name = IdentityRef::from(&reader.identity);
        let document = self.store.twin_document(reader.hub, name, reader.generation)?;
        Ok(TwinOutcome::Document(document.ok_or_else(|| not_found(&reader.identity))?))
    }
}

/// The identity that a twin belongs to.
///
/// # Errors
/// A refusal when the device or the module is not registered.
pub(crate) fn owner(
    store: &dyn Store,
    hub: HubId,
    identity: &Identity,
) -> Result<TwinOwner, ChangeError> {
    let device = store.device(hub, &identity.device)?.ok_or(RegistryError::DeviceNotFound)?;
    let Some(id) = &identity.module else { return Ok(TwinOwner::Device(Box::new(device))) };
    let module = store.module(hub, &identity.device, id)?.ok_or(RegistryError::ModuleNotFound)?;
    Ok(TwinOwner::Module(Box::new(module)))
}

fn not_found(identity: &Identity) -> RegistryError {
    match identity.module {
        None => RegistryError::DeviceNotFound,
        Some(_) => RegistryError::ModuleNotFound,
    }
}
