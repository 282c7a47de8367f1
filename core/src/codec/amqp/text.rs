//! Values and ids as text, for those who know nothing else: MQTT, HTTP, feedback, logs.

use std::borrow::Cow;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::primitive::{Value, uuid_text};
use super::section::MessageId;

/// A simple value as text: numbers in decimal, truth as `true` and `false`, times as ISO 8601,
/// UUIDs in lower case with hyphens. `None` for null, bytes, decimals, compounds and described
/// values.
///
/// Allocates for all but strings and symbols.
#[must_use]
pub fn value_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Str(text) | Value::Symbol(text) => text.into(),
        Value::Bool(truth) => truth.to_string().into(),
        Value::Float(number) => number.to_string().into(),
        Value::Double(number) => number.to_string().into(),
        Value::Ulong(number) => number.to_string().into(),
        Value::Uuid(uuid) => uuid_text(uuid).into(),
        Value::Char(code) => char::from_u32(code)?.to_string().into(),
        Value::Timestamp(millis) => time_text(millis).into(),
        other => other.as_integer()?.to_string().into(),
    })
}

/// A message id or correlation id as text; `None` for bytes that are no UTF-8.
#[must_use]
pub fn id_text(id: MessageId<'_>) -> Option<Cow<'_, str>> {
    Some(match id {
        MessageId::Str(text) => text.into(),
        MessageId::Ulong(number) => number.to_string().into(),
        MessageId::Uuid(uuid) => uuid_text(&uuid).into(),
        MessageId::Binary(bytes) => core::str::from_utf8(bytes).ok()?.into(),
    })
}

/// Milliseconds since the Unix epoch as ISO 8601; the epoch itself for times beyond the year 9999.
#[must_use]
pub fn time_text(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_values_have_a_text() {
        let uuid = *b"\x01\x23\x45\x67\x89\xab\xcd\xef0123wxyz";
        for (value, text) in [
            (Value::Str("a"), Some("a")),
            (Value::Symbol("b"), Some("b")),
            (Value::Bool(true), Some("true")),
            (Value::Ubyte(1), Some("1")),
            (Value::Ulong(u64::MAX), Some("18446744073709551615")),
            (Value::Long(-2), Some("-2")),
            (Value::Float(0.5), Some("0.5")),
            (Value::Double(20.0), Some("20")),
            (Value::Char(0x20ac), Some("€")),
            (Value::Char(0xd800), None),
            (Value::Timestamp(1500), Some("1970-01-01T00:00:01.5Z")),
            (Value::Timestamp(i64::MAX), Some("1970-01-01T00:00:00Z")),
            (Value::Uuid(&uuid), Some("01234567-89ab-cdef-3031-32337778797a")),
            (Value::Null, None),
            (Value::Binary(b"x"), None),
            (Value::Described(b"x"), None),
        ] {
            assert_eq!(value_text(value).as_deref(), text, "{value:?}");
        }
    }

    #[test]
    fn ids_have_a_text_unless_they_are_bytes() {
        for (id, text) in [
            (MessageId::Ulong(0), Some("0")),
            (MessageId::Str("m"), Some("m")),
            (MessageId::Uuid([0xab; 16]), Some("abababab-abab-abab-abab-abababababab")),
            (MessageId::Binary(b"b"), Some("b")),
            (MessageId::Binary(b"\xff"), None),
        ] {
            assert_eq!(id_text(id).as_deref(), text, "{id:?}");
        }
    }
}
