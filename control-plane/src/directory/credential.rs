//! What a peer presents, and what it wants with that.

use ringhub_core::auth::{CertificateChain, Permissions, Segment};

use super::IdentityRef;

/// What a peer presents: a token, a certificate, both or nothing. What counts is for the registry
/// to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credential<'a> {
    /// A SAS token of a device, a module or a policy.
    pub token: Option<&'a str>,
    /// The chain of the TLS handshake, whose key the peer has.
    pub certificate: Option<&'a CertificateChain>,
}

impl<'a> From<&'a str> for Credential<'a> {
    fn from(token: &'a str) -> Self {
        Self { token: Some(token), certificate: None }
    }
}

impl<'a> From<&'a String> for Credential<'a> {
    fn from(token: &'a String) -> Self {
        token.as_str().into()
    }
}

/// What somebody wants to be admitted to.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// To be this device or module: its connection, its links, its requests.
    Identity(IdentityRef<'a>),
    /// To use a resource of back ends, a path below the host, which takes a policy with this right.
    Resource(&'a [Segment<'a>], Permissions),
    /// To use the modules of a device, at this path: takes a policy with this right, or what the
    /// device itself connects with.
    ModulesOf(&'a str, &'a [Segment<'a>], Permissions),
}
