//! What the client of a connection has proved about devices and modules.

use std::collections::HashMap;

use ringhub_control_plane::directory::{AuthFailure, Credential, Directory, Grant, IdentityRef};
use ringhub_core::auth::{CertificateChain, Permissions, Segment};
use ringhub_core::id::{HubId, Identity};
use ringhub_core::limits::AMQP_DEVICE_TOKENS_MAX;
use ringhub_core::time::UnixMillis;

use crate::reader::{Claims, end_of};

/// The connection holds [`AMQP_DEVICE_TOKENS_MAX`] tokens of devices already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct TooManyTokens;

/// Tokens by identity, and what came before the connection was opened.
#[derive(Debug, Default)]
pub(in super::super) struct DeviceCredentials {
    /// From `$cbs`. They belong to the connection, whichever session brought them.
    tokens: HashMap<(HubId, Identity), Grant>,
    /// From SASL PLAIN.
    login: Option<Grant>,
    /// From the handshake.
    certificate: Option<Box<CertificateChain>>,
}

impl DeviceCredentials {
    pub(in super::super) fn new(certificate: Option<Box<CertificateChain>>) -> Self {
        Self { certificate, ..Self::default() }
    }

    /// What the handshake proved.
    pub(in super::super) fn certificate(&self) -> Option<&CertificateChain> {
        self.certificate.as_deref()
    }

    /// Takes the grant of a login.
    pub(in super::super) fn log_in(&mut self, grant: Grant) {
        self.login = Some(grant);
    }

    /// True if a device has logged in, which cannot renew its token.
    pub(super) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// True if nothing was proved about any device.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.login.is_none() && self.certificate.is_none()
    }

    /// Takes the grant of a token in the place of an earlier one of the identity.
    pub(in super::super) fn put(
        &mut self,
        grant: Grant,
        now: UnixMillis,
    ) -> Result<(), TooManyTokens> {
        let name = (grant.hub, grant.identity.clone());
        if self.tokens.len() >= AMQP_DEVICE_TOKENS_MAX && !self.tokens.contains_key(&name) {
            self.tokens.retain(|_, grant| now < end_of(grant.expires));
            if self.tokens.len() >= AMQP_DEVICE_TOKENS_MAX {
                return Err(TooManyTokens);
            }
        }
        self.tokens.insert(name, grant);
        Ok(())
    }

    /// Forgets the token of an identity that may no longer be connected.
    pub(super) fn remove(&mut self, hub: HubId, identity: &Identity) {
        self.tokens.remove(&(hub, identity.clone()));
    }

    /// Judges whether `identity` may use its nodes: by its token or login, by a token of a policy
    /// among `claims`, or by the certificate.
    ///
    /// # Errors
    /// As for [`Directory::authenticate`].
    pub(super) fn admit(
        &self,
        (hub, identity): (HubId, &Identity),
        claims: &Claims,
        directory: &Directory,
        now: UnixMillis,
    ) -> Result<Grant, AuthFailure> {
        let is_own = |grant: &&Grant| grant.hub == hub && grant.identity == *identity;
        let login = self.login.as_ref().filter(is_own);
        let token = self.tokens.get(&(hub, identity.clone()));
        let live = |grant: &&Grant| now < end_of(grant.expires);
        if let Some(grant) = login.filter(live).or_else(|| token.filter(live)) {
            return Ok(grant.clone());
        }
        let name = IdentityRef::from(identity);
        let path = [
            Segment::Literal("devices"),
            Segment::Id(name.device),
            Segment::Literal("modules"),
            Segment::Id(name.module.unwrap_or_default()),
        ];
        let resource = &path[..if name.module.is_some() { 4 } else { 2 }];
        let token = claims.token_allowing(hub, resource, Permissions::DEVICE_CONNECT, now);
        let certificate = self.certificate.as_deref();
        // Which devices there are is nobody's business who has shown no token.
        if token.is_none() && certificate.is_none() {
            return Err(AuthFailure::NoToken);
        }
        let judged = directory.authenticate(hub, name, Credential { token, certificate }, now);
        judged.map_err(|why| match why {
            AuthFailure::UnknownDevice | AuthFailure::UnknownModule if token.is_none() => {
                AuthFailure::NoToken
            }
            why => why,
        })
    }
}
