//! Shared access signatures.
//!
//! ```text
//! SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>[&skn=<policy>]     fields in any order
//! signature = base64(HMAC-SHA256(key, resource "\n" expiry)), over both texts as received
//! ```

use std::borrow::Cow;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::key::{KeyPair, KeyReading};
use super::scope::{InvalidScope, Scope};
use crate::limits::SAS_TOKEN_BYTES_MAX;
use crate::time::UnixMillis;

/// Latest expiry in seconds that is taken as a number: 2^53, the largest exact integer of clients
/// in JavaScript.
const EXPIRY_SECS_MAX: i64 = 1 << 53;

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Longer than [`SAS_TOKEN_BYTES_MAX`].
    #[error("the token is too long")]
    TooLong,
    /// Does not begin with `SharedAccessSignature` and a blank.
    #[error("the token does not begin with SharedAccessSignature")]
    Scheme,
    /// A part without `=`.
    #[error("a field of the token has no value")]
    Field,
    /// A field that stands there twice.
    #[error("a field of the token is given twice")]
    Duplicate,
    /// `sr`, `sig` or `se` is not there.
    #[error("the token lacks a field")]
    Missing,
    /// `sr` is not a resource.
    #[error("the token names no resource")]
    Resource,
    /// `sig` is not 32 bytes in base64.
    #[error("the signature of the token is not base64")]
    Signature,
    /// `se` is not a number of seconds.
    #[error("the expiry of the token is not a number")]
    Expiry,
    /// `skn` is not UTF-8 once decoded.
    #[error("the policy name of the token is not text")]
    Policy,
}

/// Why a well-formed token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Neither key has signed it.
    #[error("the token has an invalid signature")]
    Signature,
    /// Its time has passed.
    #[error("the token has expired")]
    Expired,
}

/// A parsed token; says nothing about its truth before [`verify`](Self::verify).
#[derive(Clone, Debug)]
pub struct SasToken<'a> {
    resource: &'a str,
    expiry_text: &'a str,
    expiry: UnixMillis,
    signature: [u8; 32],
    policy: Option<Cow<'a, str>>,
}

impl<'a> SasToken<'a> {
    /// Splits a token into its fields. Unknown fields are passed over, an empty `skn` counts as
    /// absent.
    ///
    /// # Errors
    /// [`InvalidToken`] for anything that no client would send.
    ///
    /// Source: device-endpoints reference, "SAS token grammar"; control-plane reference, "SAS
    /// token".
    pub fn parse(text: &'a str) -> Result<Self, InvalidToken> {
        if text.len() > SAS_TOKEN_BYTES_MAX {
            return Err(InvalidToken::TooLong);
        }
        let fields = text.strip_prefix("SharedAccessSignature ").ok_or(InvalidToken::Scheme)?;
        let [mut sr, mut sig, mut se, mut skn] = [None; 4];
        for field in fields.trim().split('&') {
            let (name, value) = field.split_once('=').ok_or(InvalidToken::Field)?;
            let slot = match name {
                "sr" => &mut sr,
                "sig" => &mut sig,
                "se" => &mut se,
                "skn" => &mut skn,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(InvalidToken::Duplicate);
            }
        }
        let (Some(resource), Some(sig), Some(expiry_text)) = (sr, sig, se) else {
            return Err(InvalidToken::Missing);
        };
        Ok(Self {
            resource,
            expiry_text,
            expiry: parse_expiry(expiry_text)?,
            signature: parse_signature(sig)?,
            policy: skn.filter(|name| !name.is_empty()).map(parse_policy).transpose()?,
        })
    }

    /// The policy whose keys signed the token; `None` for a token of a device or module key.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// When the token expires, without clock skew.
    #[must_use]
    pub fn expiry(&self) -> UnixMillis {
        self.expiry
    }

    /// What the token covers.
    ///
    /// # Errors
    /// [`InvalidToken::Resource`] when the field names no host.
    pub fn scope(&self) -> Result<Scope<'a>, InvalidToken> {
        Scope::decode(self.resource).map_err(|InvalidScope| InvalidToken::Resource)
    }

    /// Checks signature and time. `skew` is how long after its expiry a token still counts.
    ///
    /// Both keys are always tried, so that the time taken does not tell which one signed.
    ///
    /// # Errors
    /// [`TokenRefused::Signature`] before [`TokenRefused::Expired`]: only the owner of a key learns
    /// about time.
    pub fn verify(
        &self,
        keys: &KeyPair,
        reading: KeyReading,
        now: UnixMillis,
        skew: Duration,
    ) -> Result<(), TokenRefused> {
        let mut signed = self.is_signed_by(keys.primary()) | self.is_signed_by(keys.secondary());
        if reading == KeyReading::DecodedOrText {
            signed |= self.is_signed_by(keys.primary_text().as_bytes());
            signed |= self.is_signed_by(keys.secondary_text().as_bytes());
        }
        let skew = i64::try_from(skew.as_millis()).unwrap_or(i64::MAX);
        if !signed {
            Err(TokenRefused::Signature)
        } else if now.as_millis() >= self.expiry.as_millis().saturating_add(skew) {
            Err(TokenRefused::Expired)
        } else {
            Ok(())
        }
    }

    fn is_signed_by(&self, key: &[u8]) -> bool {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(self.resource.as_bytes());
        mac.update(b"\n");
        mac.update(self.expiry_text.as_bytes());
        verify_slices_are_equal(mac.sign().as_ref(), &self.signature).is_ok()
    }
}

fn parse_expiry(text: &str) -> Result<UnixMillis, InvalidToken> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(secs) if digits && secs <= EXPIRY_SECS_MAX => Ok(UnixMillis::from_millis(secs * 1000)),
        _ => Err(InvalidToken::Expiry),
    }
}

/// Decodes `%XX` only: a raw `+` belongs to the base64 text.
fn parse_signature(raw: &str) -> Result<[u8; 32], InvalidToken> {
    let text: Cow<'_, [u8]> = percent_decode_str(raw).into();
    let mac = STANDARD.decode(&text).map_err(|_| InvalidToken::Signature)?;
    mac.try_into().map_err(|_| InvalidToken::Signature)
}

fn parse_policy(raw: &str) -> Result<Cow<'_, str>, InvalidToken> {
    percent_decode_str(raw).decode_utf8().map_err(|_| InvalidToken::Policy)
}

/// Signs a token as a client would; for the command line, the load generator and tests.
#[must_use]
pub fn sign(encoded_resource: &str, key: &[u8], expiry_secs: u64, policy: Option<&str>) -> String {
    let message = format!("{encoded_resource}\n{expiry_secs}");
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    let base64 = STANDARD.encode(mac.as_ref());
    let sig = percent_encoding::utf8_percent_encode(&base64, percent_encoding::NON_ALPHANUMERIC);
    let skn = policy.map(|name| format!("&skn={name}")).unwrap_or_default();
    format!("SharedAccessSignature sr={encoded_resource}&sig={sig}&se={expiry_secs}{skn}")
}

#[cfg(test)]
mod tests;
