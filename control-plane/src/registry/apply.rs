//! Applies a change to the store by the rules of the registry. Runs on the writer thread, inside
//! its transaction.

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::{DEVICES_PER_HUB_MAX, MODULES_PER_DEVICE_MAX};
use ringhub_core::quota::Usage;
use ringhub_core::time::UnixMillis;

use super::{
    BulkChange, Change, ChangeError, CredentialsDraft, Device, DeviceDraft, Effect, Existing,
    ItemOutcome, Mint, Missing, ModelRecord, Module, ModuleDraft, Outcome, Precondition,
    RegistryError,
};
use crate::c2d::C2dApplier;
use crate::certificate::CertificateApplier;
use crate::configuration::Followed;
use crate::credentials::Credentials;
use crate::directory::{Directory, IdentityRef, Status};
use crate::file_upload::UploadApplier;
use crate::hub::HubApplier;
use crate::job::JobApplier;
use crate::store::{Store, StoreError};
use crate::twin::TwinApplier;

/// Modules that every edge device has.
pub(crate) const EDGE_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];

/// The writer's tools for one transaction.
pub(crate) struct Applier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) directory: &'a Directory,
    pub(crate) mint: &'a mut Mint,
    pub(crate) now: UnixMillis,
    /// What the directory must learn after the commit, in this order.
    pub(crate) effects: Vec<Effect>,
}

impl Applier<'_> {
    /// Makes one change, or says why not. A refused change has written nothing.
    pub(crate) fn apply(&mut self, change: Change) -> Result<Outcome, ChangeError> {
        if change.hub().is_some_and(|hub| !self.directory.has_hub(hub)) {
            return Err(RegistryError::HubNotFound.into());
        }
        let reporter = self.reporter(&change);
        let outcome = self.make(change)?;
        self.follow_twins(reporter, &outcome)?;
        Ok(outcome)
    }

    fn make(&mut self, change: Change) -> Result<Outcome, ChangeError> {
        match change {
            Change::PutDevice(hub, draft, when) => self.put_device(hub, *draft, &when),
            Change::DeleteDevice(hub, id, when) => self.delete_device(hub, id, &when),
            Change::PutModule(hub, draft, when) => self.put_module(hub, *draft, &when),
            Change::DeleteModule(hub, device, id, when) => {
                self.delete_module(hub, device, id, &when)
            }
            Change::SetSubscriptions(hub, identity, flags) => {
                self.set_subscriptions(hub, identity, flags)
            }
            Change::SetModel(record) => self.set_model(record),
            Change::Presence(records) => self.save_presence(&records),
            Change::QuotaUsage(used) => self.save_quota_usage(&used),
            Change::C2d(change) => {
                let Self { store, directory, effects, now, .. } = self;
                C2dApplier { store: *store, directory, effects }.apply(change, *now)
            }
            Change::Upload(change) => {
                let Self { store, effects, now, .. } = self;
                UploadApplier { store: *store, now: *now, effects }.apply(change)
            }
            Change::Twin(change) => {
                let twins = TwinApplier { store: self.store, now: self.now };
                twins.apply(change).map(Outcome::Twin)
            }
            Change::Hub(hub, change) => {
                let Self { store, effects, .. } = self;
                HubApplier { store: *store, effects }.apply(hub, change)
            }
            Change::CreateHub(row) => {
                let Self { store, effects, now, .. } = self;
                HubApplier { store: *store, effects }.create(&row, *now)
            }
            Change::Job(change) => {
                let jobs =
                    JobApplier { store: self.store, directory: self.directory, now: self.now };
                jobs.apply(change).map(Outcome::Job)
            }
            Change::RegistryJob(change) => self.change_registry_jobs(change).map(Outcome::from),
            Change::Certificate(hub, change) => {
                let Self { store, effects, now, .. } = self;
                CertificateApplier { store: *store, now: *now, effects }.apply(hub, change)
            }
            Change::Configuration(hub, change) => {
                self.change_configurations(hub, change).map(Outcome::Configuration)
            }
            Change::QueryIndex(hub, change) => self.change_indexes(hub, change),
            Change::RotateKeys(hub, identity, keys) => self.rotate_keys(hub, &identity, keys),
            Change::Bulk(items) => self.bulk(items),
        }
    }

    fn save_quota_usage(&self, used: &[(HubId, Usage)]) -> Result<Outcome, ChangeError> {
        let is_there = |(hub, _): &&(HubId, Usage)| self.directory.has_hub(*hub);
        for (hub, usage) in used.iter().filter(is_there) {
            self.store.put_quota_usage(*hub, *usage)?;
        }
        Ok(Outcome::Done)
    }

    fn bulk(
        &mut self,
        items: Vec<Result<BulkChange, RegistryError>>,
    ) -> Result<Outcome, ChangeError> {
        let apply = |item| self.apply_item(item);
        Ok(Outcome::Bulk(items.into_iter().map(apply).collect::<Result<_, _>>()?))
    }

    /// An identity stays as it was made also when its twin is refused.
    pub(crate) fn apply_item(
        &mut self,
        item: Result<BulkChange, RegistryError>,
    ) -> Result<ItemOutcome, StoreError> {
        let BulkChange { change, twin } = match item {
            Ok(item) => item,
            Err(why) => return Ok(ItemOutcome { identity: Err(why), twin: None }),
        };
        let identity = unless_store(self.apply(change))?;
        let twin = match twin.filter(|_| identity.is_ok()) {
            None => None,
            Some(change) => {
                let twins = TwinApplier { store: self.store, now: self.now };
                Some(unless_store(twins.apply(change))?)
            }
        };
        Ok(ItemOutcome { identity, twin })
    }

    fn put_device(
        &mut self,
        hub: HubId,
        draft: DeviceDraft,
        when: &Precondition,
    ) -> Result<Outcome, ChangeError> {
        let mut device = match self.store.device(hub, &draft.id)? {
            Some(device) => {
                when.existing.check(device.etag, RegistryError::DeviceExists)?;
                Device { etag: device.etag.next(), ..device }
            }
            None if when.missing == Missing::Refuse => {
                return Err(RegistryError::DeviceNotFound.into());
            }
            None => self.new_device(hub, draft.id.clone())?,
        };
        self.overwrite(hub, &mut device, draft)?;
        self.store.put_device(hub, &device)?;
        self.effects.push(Effect::DevicePut(hub, Box::new(device.clone())));
        if device.iot_edge {
            self.ensure_edge_modules(hub, &device.id)?;
        }
        let name = IdentityRef { device: device.id.as_str(), module: None };
        self.follow(hub, name, Followed::ServiceSide)?;
        Ok(Outcome::Device(Box::new(device)))
    }

    fn new_device(&mut self, hub: HubId, id: DeviceId) -> Result<Device, ChangeError> {
        if self.directory.counts(hub).devices >= DEVICES_PER_HUB_MAX {
            return Err(RegistryError::TooManyDevices.into());
        }
        Ok(Device {
            id,
            generation: self.mint.generation(),
            etag: Mint::etag().map_err(|_| RegistryError::Storage)?,
            status: Status::Enabled,
            status_reason: None,
            status_updated: None,
            credentials: Credentials::Keys(Mint::keys().map_err(|_| RegistryError::Storage)?),
            iot_edge: false,
            device_scope: None,
            parent_scope: None,
            subscriptions: 0,
        })
    }

    /// Puts what the draft says into `device`, which is either stored or new.
    fn overwrite(
        &self,
        hub: HubId,
        device: &mut Device,
        draft: DeviceDraft,
    ) -> Result<(), ChangeError> {
        if draft.status != device.status {
            device.status_updated = Some(self.now);
        }
        device.status = draft.status;
        device.status_reason = draft.status_reason;
        device.iot_edge = draft.iot_edge.unwrap_or(device.iot_edge);
        if let Some(credentials) = draft.credentials {
            device.credentials = make(credentials)?;
        }
        let parent = if device.iot_edge {
            device.device_scope = Some(device.edge_scope());
            draft.parent_scope
        } else {
            let scope = draft.device_scope.or(draft.parent_scope);
            device.device_scope = scope.filter(|scope| !scope.is_empty());
            device.device_scope.clone()
        };
        if let Some(scope) = &parent
            && device.parent_scope != parent
        {
            self.check_parent(hub, scope)?;
        }
        device.parent_scope = parent;
        Ok(())
    }

    /// A parent is an edge device that exists under exactly this scope.
    fn check_parent(&self, hub: HubId, scope: &str) -> Result<(), ChangeError> {
        let name = scope.strip_prefix("ms-azure-iot-edge://").and_then(|s| s.rsplit_once('-'));
        let (id, _) = name.ok_or(RegistryError::DeviceScope)?;
        let id = DeviceId::parse(id).map_err(|_| RegistryError::DeviceScope)?;
        match self.store.device(hub, &id)? {
            Some(parent) if parent.iot_edge && parent.edge_scope() == scope => Ok(()),
            _ => Err(RegistryError::DeviceScope.into()),
        }
    }

    fn ensure_edge_modules(&mut self, hub: HubId, device: &DeviceId) -> Result<(), ChangeError> {
        for name in EDGE_MODULES {
            let id = ModuleId::parse(name).map_err(RegistryError::Id)?;
            if self.store.module(hub, device, &id)?.is_none() {
                let module = self.new_module(device.clone(), id)?;
                self.write_module(hub, &module)?;
            }
        }
        Ok(())
    }

    fn delete_device(
        &mut self,
        hub: HubId,
        id: DeviceId,
        when: &Existing,
    ) -> Result<Outcome, ChangeError> {
        let device = self.store.device(hub, &id)?.ok_or(RegistryError::DeviceNotFound)?;
        when.check(device.etag, RegistryError::DeviceExists)?;
        self.store.delete_device(hub, &id)?;
        self.effects.push(Effect::DeviceDeleted(hub, id));
        Ok(Outcome::Done)
    }

    fn put_module(
        &mut self,
        hub: HubId,
        draft: ModuleDraft,
        when: &Precondition,
    ) -> Result<Outcome, ChangeError> {
        if self.store.device(hub, &draft.device)?.is_none() {
            return Err(RegistryError::DeviceNotFound.into());
        }
        let mut module = match self.store.module(hub, &draft.device, &draft.id)? {
            Some(module) => {
                when.existing.check(module.etag, RegistryError::ModuleExists)?;
                Module { etag: module.etag.next(), ..module }
            }
            None if when.missing == Missing::Refuse => {
                return Err(RegistryError::ModuleNotFound.into());
            }
            None if self.store.modules(hub, &draft.device)?.len() >= MODULES_PER_DEVICE_MAX => {
                return Err(RegistryError::TooManyModules.into());
            }
            None => self.new_module(draft.device, draft.id)?,
        };
        module.managed_by = draft.managed_by;
        if let Some(credentials) = draft.credentials {
            module.credentials = make(credentials)?;
        }
        self.write_module(hub, &module)?;
        Ok(Outcome::Module(Box::new(module)))
    }

    pub(crate) fn new_module(
        &mut self,
        device: DeviceId,
        id: ModuleId,
    ) -> Result<Module, ChangeError> {
        Ok(Module {
            device,
            id,
            generation: self.mint.generation(),
            etag: Mint::etag().map_err(|_| RegistryError::Storage)?,
            managed_by: None,
            credentials: Credentials::Keys(Mint::keys().map_err(|_| RegistryError::Storage)?),
            subscriptions: 0,
        })
    }

    pub(crate) fn write_module(&mut self, hub: HubId, module: &Module) -> Result<(), ChangeError> {
        self.store.put_module(hub, module)?;
        self.effects.push(Effect::ModulePut(hub, Box::new(module.clone())));
        let name = IdentityRef { device: module.device.as_str(), module: Some(module.id.as_str()) };
        Ok(self.follow(hub, name, Followed::ServiceSide)?)
    }

    fn delete_module(
        &mut self,
        hub: HubId,
        device: DeviceId,
        id: ModuleId,
        when: &Existing,
    ) -> Result<Outcome, ChangeError> {
        let module = self.store.module(hub, &device, &id)?.ok_or(RegistryError::ModuleNotFound)?;
        when.check(module.etag, RegistryError::ModuleExists)?;
        if EDGE_MODULES.contains(&id.as_str()) {
            return Err(RegistryError::SystemModule.into());
        }
        self.store.delete_module(hub, &device, &id)?;
        // A deployment may want it back.
        let name = IdentityRef { device: device.as_str(), module: None };
        self.follow(hub, name, Followed::ServiceSide)?;
        self.effects.push(Effect::ModuleDeleted(hub, device, id));
        Ok(Outcome::Done)
    }

    fn set_subscriptions(
        &mut self,
        hub: HubId,
        identity: Identity,
        flags: u32,
    ) -> Result<Outcome, ChangeError> {
        self.store.set_subscriptions(hub, &identity, flags)?;
        self.effects.push(Effect::SubscriptionsSet(hub, identity, flags));
        Ok(Outcome::Done)
    }

    fn set_model(&mut self, record: ModelRecord) -> Result<Outcome, ChangeError> {
        let ModelRecord { hub, identity, generation, model } = &record;
        self.store.set_model(*hub, identity, *generation, model.as_deref())?;
        self.follow(*hub, IdentityRef::from(identity), Followed::ServiceSide)?;
        self.effects.push(Effect::ModelSet(record));
        Ok(Outcome::Done)
    }
}

/// Takes apart what the rules refuse and what the disk refuses.
fn unless_store<T>(made: Result<T, ChangeError>) -> Result<Result<T, RegistryError>, StoreError> {
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(ChangeError::Refused(why)) => Ok(Err(why)),
        Err(ChangeError::Store(error)) => Err(error),
    }
}

fn make(draft: CredentialsDraft) -> Result<Credentials, RegistryError> {
    match draft {
        CredentialsDraft::GenerateKeys => {
            Mint::keys().map(Credentials::Keys).map_err(|_| RegistryError::Storage)
        }
        CredentialsDraft::Given(credentials) => Ok(credentials),
    }
}
