//! Why a change of a certificate is refused.

use ringhub_core::auth::CertificateRefused;

/// A refusal that the requester is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("the name of a certificate has 1 to 64 letters, digits, '-', '.' and '_'")]
    Name,
    /// It cannot be an authority that never was one.
    #[error("the certificate is no authority: its basic constraints do not say CA")]
    NoAuthority,
    #[error(transparent)]
    Refused(#[from] CertificateRefused),
    #[error("the hub has no certificate of this name")]
    NotFound,
    #[error("the hub has this certificate already, under another name")]
    Exists,
    #[error("the hub has as many certificates as it may have: 25")]
    TooMany,
    #[error("If-Match must be there, with the etag of the certificate or *")]
    ConditionMissing,
    #[error("the certificate is there, and If-Match does not have its etag")]
    ETag,
    #[error("no verification code was made for the certificate")]
    NoCode,
    #[error("the verification code is older than 7 days: make a new one")]
    CodeExpired,
}
