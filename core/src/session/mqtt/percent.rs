//! Percent escapes in what clients send over MQTT: one rule for property bags, the queries of twin
//! topics and the parameters of user names.
//!
//! `%` and two hexadecimal digits are an escape, and escapes in a row are the bytes of UTF-8 text.
//! Whatever is no escape (`100%`, `%zz`) or gives no UTF-8 (`%ff%fe`) stays as it came: the hub
//! that clients were written for keeps it too, and firmware that does not escape relies on it.

use std::borrow::Cow;

/// Size of one escape in bytes.
const ESCAPE_BYTES: usize = 3;
/// Largest size of a character in bytes.
const CHAR_BYTES_MAX: usize = 4;

/// Replaces the escapes of `text`; allocates once when it holds a `%`, else never.
///
/// The result is never longer than `text`.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let used = push_escape(from, &mut out);
        rest = &from[used..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Appends what the `%` at the front of `text` stands for, and gives the bytes that have been used.
fn push_escape(text: &str, out: &mut String) -> usize {
    let mut bytes = [0; CHAR_BYTES_MAX];
    let mut len = 0;
    let escapes = text.as_bytes().chunks(ESCAPE_BYTES).map_while(escaped_byte);
    for (place, byte) in bytes.iter_mut().zip(escapes) {
        *place = byte;
        len += 1;
    }
    let Some(first) = bytes[..len].utf8_chunks().next() else {
        out.push('%');
        return 1;
    };
    match first.valid().chars().next() {
        Some(character) => {
            out.push(character);
            character.len_utf8() * ESCAPE_BYTES
        }
        None => {
            let kept = &text[..first.invalid().len() * ESCAPE_BYTES];
            out.push_str(kept);
            kept.len()
        }
    }
}

fn escaped_byte(escape: &[u8]) -> Option<u8> {
    let &[b'%', high, low] = escape else { return None };
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_utf8_are_replaced_and_everything_else_stays() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("hot%20spot", "hot spot"),
            ("%C3%A4=%e2%82%ac", "ä=€"),
            ("a%2Bb%2fc%25d", "a+b/c%d"),
            ("%00", "\0"),
            // Decoded once only.
            ("%2541", "%41"),
            ("100%", "100%"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%4", "%zz%4"),
            ("%%41", "%A"),
            ("%4%41", "%4A"),
            ("%é", "%é"),
            ("%aé", "%aé"),
            ("%ff%fe", "%ff%fe"),
            ("%fF%41", "%fFA"),
            ("%C3%28", "%C3("),
            ("%C3ä%A4", "%C3ä%A4"),
            ("%ed%a0%80", "%ed%a0%80"),
            ("%e2%82", "%e2%82"),
            ("%e2%82%ac%e2", "€%e2"),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text), expected, "{text}");
        }
        assert!(matches!(decode("plain"), Cow::Borrowed(_)));
    }
}
