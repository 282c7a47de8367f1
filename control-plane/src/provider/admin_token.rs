//! The secret of administrators.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use ringhub_core::limits::ADMIN_TOKEN_BYTES_MAX;

/// A secret that opens the resource provider, and nothing else. It can be exchanged while the
/// process runs.
pub struct AdminToken(RwLock<Box<[u8]>>);

impl AdminToken {
    /// Takes the text of a token; whitespace around it is no part of it. `None` for a text that is
    /// empty, too long or not visible ASCII, which no header could carry.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        checked(text).map(RwLock::new).map(Self)
    }

    /// Puts another token in its place, which counts for all requests from now on. False if the
    /// text is none, and the old one stays.
    pub fn replace(&self, text: &str) -> bool {
        let Some(token) = checked(text) else { return false };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = token;
        true
    }

    /// Whether this is the token. Takes the same time for every token of the right length.
    pub(super) fn is(&self, presented: &[u8]) -> bool {
        let token = self.0.read().unwrap_or_else(PoisonError::into_inner);
        verify_slices_are_equal(&token, presented).is_ok()
    }
}

fn checked(text: &str) -> Option<Box<[u8]>> {
    let token = text.trim().as_bytes();
    let good = (1..=ADMIN_TOKEN_BYTES_MAX).contains(&token.len())
        && token.iter().all(u8::is_ascii_graphic);
    good.then(|| token.into())
}

impl fmt::Debug for AdminToken {
    /// Keeps the token out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_until_another_takes_its_place() {
        let token = AdminToken::new(" one\n").expect("a token");
        assert!(token.is(b"one") && !token.is(b"on") && !token.is(b"ones") && !token.is(b""));
        assert!(!token.replace("") && !token.replace("two words") && token.is(b"one"));
        assert!(token.replace("two") && token.is(b"two") && !token.is(b"one"));
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
        assert!(AdminToken::new(&"x".repeat(ADMIN_TOKEN_BYTES_MAX)).is_some());
        assert!(AdminToken::new(&"x".repeat(ADMIN_TOKEN_BYTES_MAX + 1)).is_none());
    }
}
