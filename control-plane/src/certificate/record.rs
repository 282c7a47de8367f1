//! Certificates as the store keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::auth::Authority;
use ringhub_core::limits::VERIFICATION_CODE_TIME;
use ringhub_core::time::UnixMillis;

use super::CertificateError;

/// Longest name.
const NAME_CHARS_MAX: usize = 64;

/// Version of a certificate; rises with every change and starts anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateETag(pub(crate) u64);

impl CertificateETag {
    /// The tag as clients see it, without quotes: base64 of eight bytes.
    ///
    /// Source: control-plane reference, "ETag rules".
    pub(crate) fn text(self) -> String {
        STANDARD.encode(self.0.to_be_bytes())
    }

    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// What the owner of an authority signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerificationCode {
    pub(crate) text: String,
    pub(crate) made: UnixMillis,
}

impl VerificationCode {
    /// The code, unless it is too old.
    pub(super) fn check(&self, now: UnixMillis) -> Result<&str, CertificateError> {
        let age_ms = now.as_millis().saturating_sub(self.made.as_millis());
        let is_fresh = u128::try_from(age_ms).unwrap_or(0) <= VERIFICATION_CODE_TIME.as_millis();
        if is_fresh { Ok(&self.text) } else { Err(CertificateError::CodeExpired) }
    }
}

/// A certificate authority of a hub, with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HubCertificate {
    /// As it was first spelled; names compare without case.
    pub(crate) name: String,
    pub(crate) etag: CertificateETag,
    pub(crate) authority: Authority,
    /// Devices with certificates of its are admitted.
    pub(crate) is_verified: bool,
    pub(crate) created: UnixMillis,
    pub(crate) updated: UnixMillis,
    /// Until it is used, or another one takes its place.
    pub(crate) code: Option<VerificationCode>,
}

/// Checks the name of a new certificate.
///
/// Source: control-plane reference, "Certificates".
pub(super) fn check_name(name: &str) -> Result<(), CertificateError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let good = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_good);
    if good { Ok(()) } else { Err(CertificateError::Name) }
}
