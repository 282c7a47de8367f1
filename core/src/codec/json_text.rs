//! JSON as clients send it: what stands around it, and whole numbers that no integer holds.

use std::borrow::Cow;

/// A number with fewer digits fits into 64 bits.
const LONG_DIGITS: usize = 19;

/// Takes off what editors and small devices put around JSON: a byte order mark before it, NUL bytes
/// after it.
///
/// Source: device-endpoints reference, "Direct methods".
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    while let Some(shorter) = rest.strip_suffix(b"\0") {
        rest = shorter.trim_ascii_end();
    }
    rest
}

/// Puts the largest or smallest integer of 64 bits in the place of whole numbers that are written
/// as integers and have more: a parser would take them for fractions, and store another number
/// than was sent. What bounds integers then refuses them with their place, while numbers that are
/// written with a point or an exponent pass whatever their value.
///
/// Costs a look at each byte, and a copy when there is such a number.
#[must_use]
pub fn clamp_integers(text: &str) -> Cow<'_, str> {
    if !has_long_run(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let rest = &text[at..];
        let len = match byte {
            b'"' => string_len(rest),
            b'-' | b'0'..=b'9' => number_len(rest),
            // The first byte of a character outside ASCII, which only texts have.
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        if let Some(clamped) = clamped(&rest[..len]) {
            out.push_str(&text[copied..at]);
            out.push_str(clamped);
            copied = at + len;
        }
        at += len;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

fn has_long_run(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run >= LONG_DIGITS
    })
}

/// Bytes of the text that begins here, with its quotes.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

fn number_len(text: &str) -> usize {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

/// What stands for an integer of more than 64 bits; `None` for everything else.
fn clamped(token: &str) -> Option<&'static str> {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_integer || token.parse::<i64>().is_ok() {
        return None;
    }
    Some(if token.starts_with('-') { "-9223372036854775808" } else { "9223372036854775807" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_before_and_nuls_after_are_taken_off() {
        for (sent, expected) in [
            (&b"{\"ok\":1}\0"[..], &b"{\"ok\":1}"[..]),
            (b"\xef\xbb\xbf {}\r\n\0\0 \0", b"{}"),
            (b"\0", b""),
            (b"\xef\xbb\xbf", b""),
            (b"\0{}", b"\0{}"),
            (b"\"a\\u0000\"", b"\"a\\u0000\""),
        ] {
            assert_eq!(trim(sent), expected);
        }
    }

    #[test]
    fn only_integers_of_more_than_64_bits_are_clamped() {
        let long = "123456789012345678901234567890";
        for text in [
            "{}",
            "[1,-9223372036854775808,9223372036854775807]",
            "[10000000000000000000000.0,6.02214076e23,1e308]",
            "[123456789012345678901234567890e1,-123456789012345678901234567890.5]",
            r#"{"123456789012345678901234567890":"\"123456789012345678901234567890ü"}"#,
        ] {
            assert!(matches!(clamp_integers(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        let text =
            format!(r#"{{"ü":"{long}\\","n":[{long},-{long}, 18446744073709551615],"m":1}}"#);
        let expected = format!(
            r#"{{"ü":"{long}\\","n":[{max},-9223372036854775808, {max}],"m":1}}"#,
            max = i64::MAX
        );
        assert_eq!(clamp_integers(&text), expected);
        // What is no JSON stays so.
        assert_eq!(clamp_integers("\"1234567890123456789012"), "\"1234567890123456789012");
        assert_eq!(clamp_integers("-12345678901234567890-"), "-12345678901234567890-");
    }
}
