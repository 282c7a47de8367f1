//! Bounds of certificates.

use core::time::Duration;

/// Certificate authorities of a hub. More: refused as a bad argument.
///
/// Source: control-plane reference, "Other limits".
pub const AUTHORITIES_MAX: usize = 25;

/// Longest certificate in bytes of DER that can be uploaded: names of 8 KiB and the largest key
/// fit. Longer: refused as a bad argument.
pub const CERTIFICATE_BYTES_MAX: usize = 32 * 1024;

/// Most certificates of a chain that a device sends, the leaf included. More: it is refused.
pub const CERTIFICATE_CHAIN_MAX: usize = 10;

/// How long a verification code counts: whoever signs with it may have to fetch a key from a safe.
/// Over: refused, and a new one has to be made.
pub const VERIFICATION_CODE_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
