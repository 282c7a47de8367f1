//! What an identity proves itself with.

use ringhub_core::auth::KeyPair;

/// Credentials of a device or module, as the registry stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Symmetric keys.
    Keys(KeyPair),
    /// Hashes of self-signed certificates.
    Thumbprints(Box<Thumbprints>),
    /// A certificate chain to an authority of the hub.
    CertificateAuthority,
    /// Nothing: the identity cannot connect on its own.
    None,
}

/// Certificate hashes in hex, in the case in which they were registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thumbprints {
    /// SHA-1 (40 digits) or SHA-256 (64 digits) of the DER certificate.
    pub(crate) primary: Box<str>,
    /// A second certificate of the same hash kind, for rollover.
    pub(crate) secondary: Option<Box<str>>,
}
