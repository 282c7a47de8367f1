//! Checks credentials of devices and back ends against the directory: from a [`Credential`] to a
//! [`Principal`].

use ringhub_core::auth::{
    CertificateChain, CertificateRefused, KeyPair, KeyReading, Permissions, SasToken, Segment,
};
use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::SAS_CLOCK_SKEW;
use ringhub_core::time::UnixMillis;

use super::hub::identity_resource;
use super::{
    Access, AuthFailure, AuthScope, Credential, Directory, GenerationId, Grant, Hub, IdentityRef,
    KeyRules, Policy, Principal, Proof, ServiceGrant, Status, Table,
};
use crate::credentials::{Credentials, Thumbprints};

impl Directory {
    /// Finds out who presents `credential`, and whether that one may have `access`. The one way to
    /// be admitted, whatever the protocol.
    ///
    /// # Errors
    /// [`AuthFailure`], for the log; a peer learns only that it is refused.
    ///
    /// Source: device-endpoints reference, "Scope and permission rules".
    pub fn admit<'a>(
        &self,
        hub: HubId,
        access: Access<'_>,
        credential: impl Into<Credential<'a>>,
        now: UnixMillis,
    ) -> Result<Principal, AuthFailure> {
        let credential = credential.into();
        let back_end = |path: &[Segment<'_>], needed| {
            let token = credential.token.ok_or(AuthFailure::NoToken)?;
            self.authorize_service(hub, token, path, needed, now).map(Principal::BackEnd)
        };
        let identity =
            |name| self.authenticate(hub, name, credential, now).map(Principal::Identity);
        match access {
            Access::Identity(name) => identity(name),
            Access::Resource(path, needed) => back_end(path, needed),
            Access::ModulesOf(device, path, needed) => {
                let token = credential.token.map(SasToken::parse).transpose()?;
                if token.is_some_and(|token| token.policy().is_some()) {
                    back_end(path, needed)
                } else {
                    identity(IdentityRef { device, module: None })
                }
            }
        }
    }

    /// [`admit`](Self::admit) for a device or module.
    ///
    /// What counts is what the registry has for the identity: its keys, or those of its device if
    /// the token names the module; its thumbprints; or a certificate of an authority of the hub.
    /// Beside that, a token of a policy that allows [`Permissions::DEVICE_CONNECT`]. The identity
    /// must exist and its device be enabled.
    ///
    /// # Errors
    /// As for [`admit`](Self::admit).
    ///
    /// Source: device-endpoints reference, "Client certificates (X.509)" and "Scope and permission
    /// rules".
    pub fn authenticate<'a>(
        &self,
        hub: HubId,
        identity: IdentityRef<'_>,
        credential: impl Into<Credential<'a>>,
        now: UnixMillis,
    ) -> Result<Grant, AuthFailure> {
        let table = self.table(hub).ok_or(AuthFailure::UnknownHub)?;
        let found = table.find(identity)?;
        let verdict = found.judge(&table.hub, identity, credential.into(), now)?;
        if found.status == Status::Disabled {
            return Err(AuthFailure::Disabled);
        }
        let FoundIdentity { identity, generation, edition, .. } = found;
        let Verdict { scope, proof, expires } = verdict;
        Ok(Grant { hub, identity, generation, scope, proof, edition, expires })
    }

    /// [`admit`](Self::admit) for a back end: checks the SAS token of one that wants to use
    /// `resource`, a path below the host.
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
        check_scope(&hub, &token, resource)?;
        let policy = verify_policy(&hub, &token, needed, now)?;
        let expires = token.expiry();
        Ok(ServiceGrant { hub: hub.id, permissions: policy.permissions, expires })
    }
}

/// Copies of what authentication needs, taken under the stripe lock.
struct FoundIdentity {
    identity: Identity,
    generation: GenerationId,
    status: Status,
    credentials: Credentials,
    edition: u8,
    /// Keys of the device of a module.
    device_keys: Option<KeyPair>,
}

/// What a credential proves.
struct Verdict {
    scope: AuthScope,
    proof: Proof,
    expires: UnixMillis,
}

impl FoundIdentity {
    /// Takes the credential that the registry has for the identity, and no other.
    fn judge(
        &self,
        hub: &Hub,
        name: IdentityRef<'_>,
        credential: Credential<'_>,
        now: UnixMillis,
    ) -> Result<Verdict, AuthFailure> {
        let Credential { token, certificate } = credential;
        match (&self.credentials, certificate, token) {
            (Credentials::Thumbprints(pair), Some(chain), _) => thumbprint(pair, chain, now),
            (Credentials::CertificateAuthority, Some(chain), _) => issued(hub, name, chain, now),
            (_, _, Some(token)) => self.judge_token(hub, name, token, now),
            (Credentials::Thumbprints(_) | Credentials::CertificateAuthority, None, None) => {
                Err(AuthFailure::NoCertificate)
            }
            (Credentials::Keys(_) | Credentials::None, _, None) => Err(AuthFailure::NoToken),
        }
    }

    fn judge_token(
        &self,
        hub: &Hub,
        name: IdentityRef<'_>,
        token: &str,
        now: UnixMillis,
    ) -> Result<Verdict, AuthFailure> {
        let token = SasToken::parse(token)?;
        check_scope(hub, &token, &identity_resource(name.device, name.module))?;
        let scope = if token.policy().is_some() {
            verify_policy(hub, &token, Permissions::DEVICE_CONNECT, now)?;
            AuthScope::Hub
        } else {
            let scope = self.verify_own(name, &token, now)?;
            let KeyRules { devices, modules, .. } = hub.keys();
            let counts = if scope == AuthScope::Module { modules } else { devices };
            if !counts {
                return Err(AuthFailure::KeysOff);
            }
            scope
        };
        Ok(Verdict { scope, proof: Proof::Token, expires: token.expiry() })
    }

    /// A module may use its own keys, or those of its device in a token that names the module.
    fn verify_own(
        &self,
        name: IdentityRef<'_>,
        token: &SasToken<'_>,
        now: UnixMillis,
    ) -> Result<AuthScope, AuthFailure> {
        const MODULE_SEGMENTS: usize = 4;
        let verify = |keys| token.verify(keys, KeyReading::Decoded, now, SAS_CLOCK_SKEW);
        let own = match &self.credentials {
            Credentials::Keys(keys) => verify(keys).map_err(AuthFailure::from),
            Credentials::None => Err(AuthFailure::NoKeys),
            Credentials::Thumbprints(_) | Credentials::CertificateAuthority => {
                return Err(AuthFailure::NoKeys);
            }
        };
        match (own, &self.device_keys) {
            (Ok(()), _) => Ok(name.module.map_or(AuthScope::Device, |_| AuthScope::Module)),
            (Err(_), Some(keys))
                if token.scope()?.path().count() >= MODULE_SEGMENTS && verify(keys).is_ok() =>
            {
                Ok(AuthScope::Device)
            }
            (Err(why), _) => Err(why),
        }
    }
}

fn thumbprint(
    registered: &Thumbprints,
    chain: &CertificateChain,
    now: UnixMillis,
) -> Result<Verdict, AuthFailure> {
    let proof = if chain.has_thumbprint(&registered.primary) {
        Proof::PrimaryThumbprint
    } else if registered.secondary.as_deref().is_some_and(|text| chain.has_thumbprint(text)) {
        Proof::SecondaryThumbprint
    } else {
        return Err(CertificateRefused::Thumbprint.into());
    };
    Ok(Verdict { scope: AuthScope::X509Thumbprint, proof, expires: chain.valid_until(now)? })
}

/// Looks for an authority that has issued the certificate.
fn issued(
    hub: &Hub,
    name: IdentityRef<'_>,
    chain: &CertificateChain,
    now: UnixMillis,
) -> Result<Verdict, AuthFailure> {
    chain.valid_until(now)?;
    let is_for = match name.module {
        None => chain.is_for(name.device),
        Some(module) => chain.is_for(&format!("{}/{module}", name.device)),
    };
    if !is_for {
        return Err(CertificateRefused::CommonName.into());
    }
    let known = hub.authorities.read();
    let issuer = chain.issuer(known.iter().map(|(_, authority)| authority), now)?;
    let number = known.iter().find(|(_, authority)| std::ptr::eq(authority, issuer.authority));
    let (number, _) = number.ok_or(CertificateRefused::UnknownAuthority)?;
    let proof = Proof::Authority(*number);
    Ok(Verdict { scope: AuthScope::X509CertificateAuthority, proof, expires: issuer.until })
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
        let device_keys = match (&device.entry.credentials, name.module) {
            (Credentials::Keys(keys), Some(_)) => Some(keys.clone()),
            _ => None,
        };
        Ok(FoundIdentity {
            identity: owned(id, name.module)?,
            generation: entry.generation,
            status: device.status,
            credentials: entry.credentials.clone(),
            edition: entry.edition,
            device_keys,
        })
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
    if !hub.keys().policies {
        return Err(AuthFailure::KeysOff);
    }
    let policy = hub.policy(name).ok_or(AuthFailure::UnknownPolicy)?;
    token.verify(&policy.keys, KeyReading::DecodedOrText, now, SAS_CLOCK_SKEW)?;
    if policy.permissions.allow(needed) { Ok(policy) } else { Err(AuthFailure::Permission) }
}
