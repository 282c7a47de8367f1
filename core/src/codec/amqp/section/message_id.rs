//! Ids of messages that outlive the bytes they came in.

use core::fmt;

use super::MessageId;
use crate::codec::amqp::primitive::uuid_text;

/// A message id or correlation id of its own, with its type.
///
/// [`Display`](fmt::Display) writes it as one text, type included, and [`parse`](Self::parse) reads
/// that: for those who carry an id along as a text, such as the request id of a twin request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageIdBuf {
    /// A number.
    Ulong(u64),
    /// A UUID in network byte order.
    Uuid([u8; 16]),
    /// Bytes.
    Binary(Box<[u8]>),
    /// Text.
    Str(Box<str>),
}

impl MessageIdBuf {
    /// The same id, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> MessageId<'_> {
        match self {
            Self::Ulong(number) => MessageId::Ulong(*number),
            Self::Uuid(uuid) => MessageId::Uuid(*uuid),
            Self::Binary(bytes) => MessageId::Binary(bytes),
            Self::Str(text) => MessageId::Str(text),
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "ulong" => Self::Ulong(rest.parse().ok()?),
            "uuid" => Self::Uuid(parse_uuid(rest)?),
            "binary" => Self::Binary(parse_hex(rest)?.into()),
            "string" => Self::Str(rest.into()),
            _ => return None,
        })
    }
}

impl From<MessageId<'_>> for MessageIdBuf {
    fn from(id: MessageId<'_>) -> Self {
        match id {
            MessageId::Ulong(number) => Self::Ulong(number),
            MessageId::Uuid(uuid) => Self::Uuid(uuid),
            MessageId::Binary(bytes) => Self::Binary(bytes.into()),
            MessageId::Str(text) => Self::Str(text.into()),
        }
    }
}

impl fmt::Display for MessageIdBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ulong(number) => write!(f, "ulong:{number}"),
            Self::Uuid(uuid) => write!(f, "uuid:{}", uuid_text(uuid)),
            Self::Binary(bytes) => {
                f.write_str("binary:")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Str(text) => write!(f, "string:{text}"),
        }
    }
}

impl MessageId<'_> {
    /// Bytes that the id takes, without its type.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Ulong(_) => 8,
            Self::Uuid(_) => 16,
            Self::Binary(bytes) => bytes.len(),
            Self::Str(text) => text.len(),
        }
    }

    /// Whether it is an empty text or no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id as a UUID, in whichever form: of that type, as sixteen bytes, or as text in any case.
    ///
    /// Clients repeat a UUID in the form that their library made of it.
    #[must_use]
    pub fn as_uuid(&self) -> Option<[u8; 16]> {
        match self {
            Self::Uuid(uuid) => Some(*uuid),
            Self::Binary(bytes) => (*bytes).try_into().ok(),
            Self::Str(text) => parse_uuid(text),
            Self::Ulong(_) => None,
        }
    }
}

/// Reads a UUID with hyphens.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let groups = [8, 13, 18, 23];
    let has_groups = text.len() == 36 && groups.iter().all(|at| text.as_bytes()[*at] == b'-');
    let digits: String = text.split('-').collect();
    if has_groups && digits.len() == 32 { parse_hex(&digits)?.try_into().ok() } else { None }
}

fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: [u8; 16] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef0123wxyz";
    const UUID_TEXT: &str = "01234567-89ab-cdef-3031-32337778797a";

    #[test]
    fn an_id_keeps_value_and_type_as_text() {
        for (id, text) in [
            (MessageId::Ulong(u64::MAX), "ulong:18446744073709551615"),
            (MessageId::Uuid(UUID), "uuid:01234567-89ab-cdef-3031-32337778797a"),
            (MessageId::Binary(b"\xff\x00"), "binary:ff00"),
            (MessageId::Binary(b""), "binary:"),
            (MessageId::Str("uuid:x"), "string:uuid:x"),
            (MessageId::Str(""), "string:"),
        ] {
            let kept = MessageIdBuf::from(id);
            assert_eq!(kept.to_string(), text);
            assert_eq!(MessageIdBuf::parse(text), Some(kept.clone()));
            assert_eq!(kept.borrowed(), id);
        }
        for text in ["", "ulong:-1", "uuid:1", "binary:f", "binary:zz", "text:x", "string"] {
            assert_eq!(MessageIdBuf::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_uuid_is_known_in_every_form() {
        let upper = UUID_TEXT.to_uppercase();
        for id in [
            MessageId::Uuid(UUID),
            MessageId::Binary(&UUID),
            MessageId::Str(UUID_TEXT),
            MessageId::Str(&upper),
        ] {
            assert_eq!(id.as_uuid(), Some(UUID), "{id:?}");
        }
        for id in [
            MessageId::Ulong(7),
            MessageId::Binary(b"short"),
            MessageId::Str("01234567-89ab-cdef-3031-32337778797"),
            MessageId::Str("0123456789abcdef303132337778797a"),
            MessageId::Str("01234567-89ab-cdef-3031-3233777879-a"),
            MessageId::Str("0123456-789ab-cdef-3031-32337778797a"),
            MessageId::Str("01234567-89ab-cdef-3031-3233777879é"),
        ] {
            assert_eq!(id.as_uuid(), None, "{id:?}");
        }
    }
}
