//! Property bag at the end of a topic: `name`, `name=` or `name=value` joined by `&`, both sides
//! percent-encoded.
//!
//! What a bag may hold is the same wherever clients send one:
//!
//! - Every piece has a name: `=x`, `&&` and `&` at either end close the connection, as does a
//!   second `=` in a piece or a raw `/`, which would begin another level of the topic. One slash at
//!   the end of a topic is left out before. Escaped, all of them are text like any other.
//! - An escape that is none (`%zz`) or gives no UTF-8 (`%ff%fe`) stays as it came.
//! - `+` cannot come raw, because no topic name holds it, and is never a space.
//!
//! Nothing is decoded until it is asked for, and nothing is allocated for text that has no escapes.
//! Source: device-endpoints reference 2.7, G19 to G21.

use std::borrow::Cow;

use memchr::memchr3_iter;

use super::percent;

/// Why a text is no property bag; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPropertyBag {
    /// A piece without a name.
    #[error("a property has no name")]
    NoName,
    /// A second `=` in a piece.
    #[error("a property has a second '=' that is not escaped")]
    Equals,
    /// A `/` other than one at the end.
    #[error("a property has a '/' that is not escaped")]
    Slash,
}

/// System properties that a bag can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemProperty {
    /// `$.mid`
    MessageId,
    /// `$.cid`
    CorrelationId,
    /// `$.uid`
    UserId,
    /// `$.to`
    To,
    /// `$.ct`
    ContentType,
    /// `$.ce`
    ContentEncoding,
    /// `$.exp`: absolute expiry, ISO 8601.
    AbsoluteExpiry,
    /// `$.ctime` or `iothub-creation-time-utc`
    CreationTime,
    /// `$.schema`
    MessageSchema,
    /// `$.on`
    OutputName,
    /// `$.sub`: Plug and Play component.
    Component,
    /// `$.ifid`
    InterfaceId,
    /// `$.cdid`
    ConnectionDeviceId,
    /// `$.cmid`
    ConnectionModuleId,
    /// `$.diagid`
    DiagnosticId,
    /// `$.diagctx`
    DiagnosticContext,
    /// `iothub-ack`
    Ack,
    /// `iothub-operation`
    Operation,
}

impl SystemProperty {
    /// Finds the property by its name after `$.`.
    const fn from_short_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"mid" => Self::MessageId,
            b"cid" => Self::CorrelationId,
            b"uid" => Self::UserId,
            b"to" => Self::To,
            b"ct" => Self::ContentType,
            b"ce" => Self::ContentEncoding,
            b"exp" => Self::AbsoluteExpiry,
            b"ctime" => Self::CreationTime,
            b"schema" => Self::MessageSchema,
            b"on" => Self::OutputName,
            b"sub" => Self::Component,
            b"ifid" => Self::InterfaceId,
            b"cdid" => Self::ConnectionDeviceId,
            b"cmid" => Self::ConnectionModuleId,
            b"diagid" => Self::DiagnosticId,
            b"diagctx" => Self::DiagnosticContext,
            _ => return None,
        })
    }

    /// Finds the system properties that have no prefix.
    const fn from_plain_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"iothub-ack" => Self::Ack,
            b"iothub-operation" => Self::Operation,
            b"iothub-creation-time-utc" => Self::CreationTime,
            _ => return None,
        })
    }
}

/// Text of a bag that may hold percent escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a>(&'a str);

impl<'a> Encoded<'a> {
    /// Decodes the text; allocates only when it holds an escape.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        percent::decode(self.0)
    }
}

/// Name of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyName<'a> {
    /// A system property that the hub knows.
    System(SystemProperty),
    /// A system property that the hub does not know: the name after `$.`, to be kept as it is.
    UnknownSystem(Encoded<'a>),
    /// A property of the application.
    Application(Encoded<'a>),
}

impl<'a> PropertyName<'a> {
    fn parse(raw: &'a str) -> Self {
        if let Some(short) = strip_system_prefix(raw) {
            return short_name(short).map_or(Self::UnknownSystem(Encoded(short)), Self::System);
        }
        // All plain names begin with an `i` that nobody has a reason to escape.
        if raw.starts_with("iothub-")
            && let Some(property) = SystemProperty::from_plain_name(raw.as_bytes())
        {
            return Self::System(property);
        }
        Self::Application(Encoded(raw))
    }
}

/// Strips `$.`, either character of which may be escaped.
fn strip_system_prefix(raw: &str) -> Option<&str> {
    let rest = raw.strip_prefix('$').or_else(|| raw.strip_prefix("%24"))?;
    rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2E")).or_else(|| rest.strip_prefix("%2e"))
}

fn short_name(raw: &str) -> Option<SystemProperty> {
    SystemProperty::from_short_name(percent::decode(raw).as_bytes())
}

/// One entry of a bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// What the property is called.
    pub name: PropertyName<'a>,
    /// Its value; `None` where there is no `=`.
    pub value: Option<Encoded<'a>>,
}

/// All properties of a message. Of entries with the same name the last one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyBag<'a>(&'a str);

impl<'a> PropertyBag<'a> {
    /// Takes the text after `events/`: strips one trailing slash and a leading `?`, and checks the
    /// rest.
    ///
    /// # Errors
    /// [`InvalidPropertyBag`]: close the connection.
    pub fn parse(text: &'a str) -> Result<Self, InvalidPropertyBag> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let text = text.strip_prefix('?').unwrap_or(text);
        check_pieces(text)?;
        Ok(Self(text))
    }

    /// Properties in the order of the bag.
    pub const fn iter(self) -> Properties<'a> {
        Properties(self.0)
    }

    /// Bytes that the bag adds to the size of the message: names and values, decoded.
    #[must_use]
    pub fn decoded_len(self) -> usize {
        let pieces = self.0.split(['&', '=']);
        pieces.map(|piece| percent::decode(piece).len()).sum()
    }

    /// Bytes of the bag as it came, never less than [`decoded_len`](Self::decoded_len).
    #[must_use]
    pub const fn encoded_len(self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for PropertyBag<'a> {
    type Item = Property<'a>;
    type IntoIter = Properties<'a>;

    fn into_iter(self) -> Properties<'a> {
        self.iter()
    }
}

/// Checks that each piece between `&` is a name, and a value after at most one `=`; no text has no
/// piece.
///
/// # Errors
/// [`InvalidPropertyBag`]: close the connection.
pub(super) fn check_pieces(text: &str) -> Result<(), InvalidPropertyBag> {
    let bytes = text.as_bytes();
    let (mut piece, mut in_name) = (0, true);
    for at in memchr3_iter(b'&', b'=', b'/', bytes) {
        match bytes[at] {
            b'/' => return Err(InvalidPropertyBag::Slash),
            _ if in_name && at == piece => return Err(InvalidPropertyBag::NoName),
            b'&' => (piece, in_name) = (at + 1, true),
            _ if in_name => in_name = false,
            _ => return Err(InvalidPropertyBag::Equals),
        }
    }
    let ends_in_and = in_name && piece == bytes.len() && !bytes.is_empty();
    if ends_in_and { Err(InvalidPropertyBag::NoName) } else { Ok(()) }
}

/// Iterator over the properties of a bag.
#[derive(Clone, Debug)]
pub struct Properties<'a>(&'a str);

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let (pair, rest) = split_once_at(self.0, b'&').unwrap_or((self.0, ""));
        self.0 = rest;
        let (name, value) = match split_once_at(pair, b'=') {
            Some((name, value)) => (name, Some(Encoded(value))),
            None => (pair, None),
        };
        Some(Property { name: PropertyName::parse(name), value })
    }
}

/// Splits at an ASCII byte.
fn split_once_at(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|found| found == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows a bag as `name=value` with decoded text; system names by their variant.
    fn shown(text: &str) -> Vec<String> {
        let bag = PropertyBag::parse(text).unwrap();
        let shown = bag.iter().map(|property| {
            let name = match property.name {
                PropertyName::System(system) => format!("{system:?}"),
                PropertyName::UnknownSystem(name) => format!("$.{}", name.decode()),
                PropertyName::Application(name) => name.decode().into_owned(),
            };
            match property.value {
                Some(value) => format!("{name}={}", value.decode()),
                None => name,
            }
        });
        shown.collect()
    }

    #[test]
    fn reads_what_clients_send() {
        let cases: [(&str, &[&str]); 14] = [
            ("", &[]),
            ("/", &[]),
            ("?", &[]),
            ("a=1&b=2", &["a=1", "b=2"]),
            ("?a=1/", &["a=1"]),
            ("a=/", &["a="]),
            ("a&b=&%3D=c&d=e%3Df%2F", &["a", "b=", "==c", "d=e=f/"]),
            ("level=hot%20spot&x=a%2Bb", &["level=hot spot", "x=a+b"]),
            (
                "%24.mid=m-1&$.ct=application%2Fjson",
                &["MessageId=m-1", "ContentType=application/json"],
            ),
            ("%24%2emi%64=1&$%2Ecid=2", &["MessageId=1", "CorrelationId=2"]),
            ("$.xyz=1&$.=2&%24.verylongname%20=3", &["$.xyz=1", "$.=2", "$.verylongname =3"]),
            ("iothub-ack=full&iothub-other=1", &["Ack=full", "iothub-other=1"]),
            ("%C3%A4=%e2%82%ac", &["ä=€"]),
            ("a=%zz%4&100%=%ff%fe&$.%ff=", &["a=%zz%4", "100%=%ff%fe", "$.%ff="]),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn recognises_every_system_property() {
        let cases = [
            ("$.mid", SystemProperty::MessageId),
            ("$.cid", SystemProperty::CorrelationId),
            ("$.uid", SystemProperty::UserId),
            ("$.to", SystemProperty::To),
            ("$.ct", SystemProperty::ContentType),
            ("$.ce", SystemProperty::ContentEncoding),
            ("$.exp", SystemProperty::AbsoluteExpiry),
            ("$.ctime", SystemProperty::CreationTime),
            ("$.schema", SystemProperty::MessageSchema),
            ("$.on", SystemProperty::OutputName),
            ("$.sub", SystemProperty::Component),
            ("$.ifid", SystemProperty::InterfaceId),
            ("$.cdid", SystemProperty::ConnectionDeviceId),
            ("$.cmid", SystemProperty::ConnectionModuleId),
            ("$.diagid", SystemProperty::DiagnosticId),
            ("$.diagctx", SystemProperty::DiagnosticContext),
            ("iothub-ack", SystemProperty::Ack),
            ("iothub-operation", SystemProperty::Operation),
            ("iothub-creation-time-utc", SystemProperty::CreationTime),
        ];
        for (name, expected) in cases {
            for text in [name.to_owned(), name.replace('$', "%24")] {
                assert_eq!(PropertyName::parse(&text), PropertyName::System(expected), "{text}");
            }
        }
    }

    #[test]
    fn refuses_what_has_no_name_or_would_be_another_level() {
        use InvalidPropertyBag::{Equals, NoName, Slash};
        let cases = [
            ("=", NoName),
            ("=x", NoName),
            ("&", NoName),
            ("&a=1", NoName),
            ("?&a=1", NoName),
            ("a=1&", NoName),
            ("a=1&/", NoName),
            ("a=1&&b=2", NoName),
            ("a=1&=x", NoName),
            ("a=1&=x&b=2", NoName),
            ("a=b=c", Equals),
            ("a==", Equals),
            ("a=1//", Slash),
            ("//", Slash),
            ("a/b=1", Slash),
            ("$.ct=application/json&$.ce=utf-8", Slash),
            ("/a=1", Slash),
        ];
        for (text, error) in cases {
            assert_eq!(PropertyBag::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn borrows_text_without_escapes() {
        let bag = PropertyBag::parse("a=plain&b=c%20d").unwrap();
        let values: Vec<_> = bag.iter().filter_map(|property| property.value).collect();
        assert!(matches!(values[0].decode(), Cow::Borrowed("plain")));
        assert!(matches!(values[1].decode(), Cow::Owned(_)));
    }

    #[test]
    fn counts_decoded_names_and_values() {
        let bag = PropertyBag::parse("?a=%20%20&bc&d=%C3%A4/").unwrap();
        assert_eq!(bag.decoded_len(), 1 + 2 + 2 + 1 + 2);
        assert!(bag.encoded_len() >= bag.decoded_len());
    }
}
