//! Changes of certificates as requests ask for them.

use ringhub_core::auth::Authority;

use crate::registry::Existing;

/// A certificate as a request describes it.
#[derive(Clone, Debug)]
pub(crate) struct CertificateDraft {
    pub(crate) name: String,
    pub(crate) authority: Authority,
    /// Counts without a proof: the owner says so.
    pub(crate) is_verified: bool,
}

/// One write to the certificates of a hub.
#[derive(Clone, Debug)]
pub(crate) enum CertificateChange {
    /// Makes one, or replaces one if that may be overwritten. It must be proved anew.
    Put(Box<CertificateDraft>, Existing),
    /// Takes one away, with the connections that it has admitted.
    Delete(String, Existing),
    /// Makes a code; one that was made before does not count any more.
    MakeCode(String, Existing),
    /// Takes a certificate in DER as the proof that the owner has the key.
    Verify(String, Existing, Box<[u8]>),
}
