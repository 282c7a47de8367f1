//! New keys for identities.

use ringhub_core::auth::KeyPair;
use ringhub_core::id::{HubId, Identity};

use super::{
    Applier, ChangeError, Device, Effect, KeyChoice, Mint, Module, Outcome, RegistryError,
};
use crate::credentials::Credentials;

impl Applier<'_> {
    /// Makes new keys in the place of those that are chosen.
    ///
    /// Source: control-plane reference, "Key regeneration".
    pub(super) fn rotate_keys(
        &mut self,
        hub: HubId,
        identity: &Identity,
        keys: KeyChoice,
    ) -> Result<Outcome, ChangeError> {
        let device = self.store.device(hub, &identity.device)?;
        let device = device.ok_or(RegistryError::DeviceNotFound)?;
        let Some(id) = &identity.module else {
            let credentials = rotated(&device.credentials, keys)?;
            let device = Device { credentials, etag: device.etag.next(), ..device };
            self.store.put_device(hub, &device)?;
            self.effects.push(Effect::DevicePut(hub, Box::new(device.clone())));
            return Ok(Outcome::Device(Box::new(device)));
        };
        let module = self.store.module(hub, &identity.device, id)?;
        let module = module.ok_or(RegistryError::ModuleNotFound)?;
        let credentials = rotated(&module.credentials, keys)?;
        let module = Module { credentials, etag: module.etag.next(), ..module };
        self.write_module(hub, &module)?;
        Ok(Outcome::Module(Box::new(module)))
    }
}

fn rotated(credentials: &Credentials, keys: KeyChoice) -> Result<Credentials, RegistryError> {
    let Credentials::Keys(old) = credentials else {
        return Err(RegistryError::Argument("the identity has no keys"));
    };
    Ok(Credentials::Keys(keys.renew(old)?))
}

impl KeyChoice {
    /// `old` with new keys in the place of those that are chosen.
    pub(crate) fn renew(self, old: &KeyPair) -> Result<KeyPair, RegistryError> {
        let new = Mint::keys().map_err(|_| RegistryError::Storage)?;
        Ok(match self {
            Self::Primary => KeyPair::new(new.primary(), old.secondary())?,
            Self::Secondary => KeyPair::new(old.primary(), new.secondary())?,
            Self::Both => new,
        })
    }
}
