//! The two symmetric keys of an identity or a policy.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::{KEY_BYTES_MAX, KEY_BYTES_MIN};

/// Why a text is not a symmetric key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not standard base64 with padding.
    #[error("a key is base64 text")]
    Encoding,
    /// Decodes to fewer than [`KEY_BYTES_MIN`] or more than [`KEY_BYTES_MAX`] bytes.
    #[error("a key has 16 to 64 bytes, this one has {0}")]
    Length(usize),
}

/// How the HMAC key is made of a configured key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyReading {
    /// The bytes that the base64 text stands for: IoT Hub clients.
    Decoded,
    /// Those bytes, or the base64 text itself as Event Hubs clients use it.
    DecodedOrText,
}

/// Primary and secondary key; either one verifies a token.
///
/// Both keys share one allocation: a hub holds a pair for each of a million identities.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    bytes: Box<[u8]>,
    primary_len: u8,
}

impl KeyPair {
    /// Takes two keys as raw bytes.
    ///
    /// # Errors
    /// [`InvalidKey::Length`] for a key outside the permitted length.
    pub fn new(primary: &[u8], secondary: &[u8]) -> Result<Self, InvalidKey> {
        check_len(secondary)?;
        let primary_len = check_len(primary)?;
        Ok(Self { bytes: [primary, secondary].concat().into(), primary_len })
    }

    /// Takes two keys as the base64 texts that the registry shows.
    ///
    /// # Errors
    /// [`InvalidKey`] for text that is not base64, or a key outside the permitted length.
    ///
    /// Source: control-plane reference, "Authentication object".
    pub fn from_base64(primary: &str, secondary: &str) -> Result<Self, InvalidKey> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| InvalidKey::Encoding);
        Self::new(&decode(primary)?, &decode(secondary)?)
    }

    /// The primary key.
    #[must_use]
    pub fn primary(&self) -> &[u8] {
        &self.bytes[..usize::from(self.primary_len)]
    }

    /// The secondary key.
    #[must_use]
    pub fn secondary(&self) -> &[u8] {
        &self.bytes[usize::from(self.primary_len)..]
    }

    /// The primary key as base64 text.
    #[must_use]
    pub fn primary_text(&self) -> String {
        STANDARD.encode(self.primary())
    }

    /// The secondary key as base64 text.
    #[must_use]
    pub fn secondary_text(&self) -> String {
        STANDARD.encode(self.secondary())
    }
}

fn check_len(key: &[u8]) -> Result<u8, InvalidKey> {
    let permitted = KEY_BYTES_MIN..=KEY_BYTES_MAX;
    match u8::try_from(key.len()) {
        Ok(len) if permitted.contains(&key.len()) => Ok(len),
        _ => Err(InvalidKey::Length(key.len())),
    }
}

impl fmt::Debug for KeyPair {
    /// Keeps the keys out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_16_to_64_bytes() {
        for (len, expected) in [
            (15, Err(InvalidKey::Length(15))),
            (16, Ok(())),
            (64, Ok(())),
            (65, Err(InvalidKey::Length(65))),
        ] {
            let key = vec![7; len];
            assert_eq!(KeyPair::new(&key, &[1; 16]).map(drop), expected, "primary {len}");
            assert_eq!(KeyPair::new(&[1; 16], &key).map(drop), expected, "secondary {len}");
        }
    }

    #[test]
    fn keys_survive_the_way_through_base64() {
        let pair = KeyPair::new(&[1; 32], &[2; 48]).expect("both lengths are permitted");
        let again = KeyPair::from_base64(&pair.primary_text(), &pair.secondary_text());
        assert_eq!(again.as_ref(), Ok(&pair));
        assert_eq!((pair.primary(), pair.secondary()), (&[1; 32][..], &[2; 48][..]));
    }

    #[test]
    fn refuses_text_that_is_not_base64() {
        let good = STANDARD.encode([1; 32]);
        for bad in ["", "&&&&", "AAECAwQFBgcICQoLDA0ODw", "cmluZ2h1Yi1kZW1v LWtleQ=="] {
            assert!(KeyPair::from_base64(bad, &good).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_output_hides_the_keys() {
        let pair = KeyPair::new(&[1; 32], &[2; 32]).expect("both lengths are permitted");
        assert_eq!(format!("{pair:?}"), "KeyPair(..)");
    }
}
