//! Text from bytes.

use ascii::AsciiStr;

/// The text, if the bytes are UTF-8; the cost of an ASCII check for ASCII, as most short texts are.
#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Option<&str> {
    match AsciiStr::from_ascii(bytes) {
        Ok(text) => Some(text.as_str()),
        Err(_) => beyond_ascii(bytes),
    }
}

#[cold]
fn beyond_ascii(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}
