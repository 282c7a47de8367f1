//! Checks the tokens of devices and back ends against the directory.

use ringhub_core::auth::{KeyPair, KeyReading, Permissions, SasToken, Segment};
use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::SAS_CLOCK_SKEW;
use ringhub_core::time::UnixMillis;

use super::hub::identity_resource;
use super::{
    AuthFailure, AuthScope, Directory, GenerationId, Grant, Hub, IdentityRef, Policy, ServiceGrant,
    Status, Table,
};
use crate::credentials::Credentials;

impl Directory {
    /// Checks the SAS token of a device or module.
    ///
    /// A token without policy must be signed by the identity's own keys; one with a policy by that
    /// policy's, which must allow [`Permissions::DEVICE_CONNECT`]. Either way the identity must
    /// exist and its device be enabled.
    ///
    /// # Errors
    /// [`AuthFailure`], for the log; a peer learns only that it is refused.
    ///
    /// Source: device-endpoints reference, "Scope and permission rules".
    pub fn authenticate(
        &self,
        hub: HubId,
        identity: IdentityRef<'_>,
        token: &str,
        now: UnixMillis,
    ) -> Result<Grant, AuthFailure> {
        let table = self.table(hub).ok_or(AuthFailure::UnknownHub)?;
        let token = SasToken::parse(token)?;
        check_scope(&table.hub, &token, &identity_resource(identity.device, identity.module))?;
        let found = table.find(identity)?;
        let scope = if token.policy().is_some() {
            verify_policy(&table.hub, &token, Permissions::DEVICE_CONNECT, now)?;
            AuthScope::Hub
        } else {
            let keys = found.keys.as_ref().ok_or(AuthFailure::NoKeys)?;
            token.verify(keys, KeyReading::Decoded, now, SAS_CLOCK_SKEW)?;
            identity.module.map_or(AuthScope::Device, |_| AuthScope::Module)
        };
        if found.status == Status::Disabled {
            return Err(AuthFailure::Disabled);
        }
        let FoundIdentity { identity, generation, .. } = found;
        Ok(Grant { hub, identity, generation, scope, expires: token.expiry() })
    }

    /// Checks the SAS token of a back end that wants to use `resource`, a path below the host.
    ///
    /// # Errors
    /// [`AuthFailure`].
    ///
    /// Source: service-endpoints reference, "SAS token grammar".
    pub fn authorize_service(
        &self,
        hub: HubId,
        token: &str,
        resource: &[Segment<'_>],
        needed: Permissions,
        now: UnixMillis,
    ) -> Result<ServiceGrant, AuthFailure> {
        let hub = self.hub(hub).ok_or(AuthFailure::UnknownHub)?;
        let token = SasToken::parse(token)?;
        check_scope(hub, &token, resource)?;
        let policy = verify_policy(hub, &token, needed, now)?;
        let expires = token.expiry();
        Ok(ServiceGrant { hub: hub.id, permissions: policy.permissions, expires })
    }
}

/// Copies of what authentication needs, taken under the stripe lock.
struct FoundIdentity {
    identity: Identity,
    generation: GenerationId,
    status: Status,
    keys: Option<KeyPair>,
}

impl Table {
    fn find(&self, name: IdentityRef<'_>) -> Result<FoundIdentity, AuthFailure> {
        let stripe = self.stripe(name.device);
        let (id, device) =
            stripe.devices.get_key_value(name.device).ok_or(AuthFailure::UnknownDevice)?;
        let entry = match name.module {
            None => &device.entry,
            Some(module) => device.module(module).ok_or(AuthFailure::UnknownModule)?,
        };
        let keys = match &entry.credentials {
            Credentials::Keys(keys) => Some(keys.clone()),
            _ => None,
        };
        let identity = owned(id, name.module)?;
        Ok(FoundIdentity { identity, generation: entry.generation, status: device.status, keys })
    }
}

fn owned(device: &DeviceId, module: Option<&str>) -> Result<Identity, AuthFailure> {
    let module = module.map(ModuleId::parse).transpose().map_err(|_| AuthFailure::UnknownModule)?;
    Ok(Identity { device: device.clone(), module })
}

fn check_scope(
    hub: &Hub,
    token: &SasToken<'_>,
    resource: &[Segment<'_>],
) -> Result<(), AuthFailure> {
    let scope = token.scope()?;
    let covered = hub.is_named(scope.host()) && scope.covers(resource);
    if covered { Ok(()) } else { Err(AuthFailure::Scope) }
}

fn verify_policy(
    hub: &Hub,
    token: &SasToken<'_>,
    needed: Permissions,
    now: UnixMillis,
) -> Result<Policy, AuthFailure> {
    let name = token.policy().ok_or(AuthFailure::PolicyNeeded)?;
    let policy = hub.policy(name).ok_or(AuthFailure::UnknownPolicy)?;
    token.verify(&policy.keys, KeyReading::DecodedOrText, now, SAS_CLOCK_SKEW)?;
    if policy.permissions.allow(needed) { Ok(policy) } else { Err(AuthFailure::Permission) }
}
