//! Property bag at the end of a topic: `name=value` joined by `&`, both sides percent-encoded.
//!
//! Nothing is decoded until it is asked for, and nothing is allocated for text that has no escapes.
//! Source: device-endpoints reference 2.7, G19 to G21.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use memchr::memchr;
use percent_encoding::percent_decode_str;

/// A bag whose decoded text is not UTF-8; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a property is not UTF-8 after percent-decoding")]
pub struct InvalidPropertyBag;

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

/// Text of a bag that may hold percent escapes; decodes to UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a>(&'a str);

impl<'a> Encoded<'a> {
    /// The text as it came.
    #[must_use]
    pub const fn raw(self) -> &'a str {
        self.0
    }

    /// Whether decoding changes nothing.
    #[must_use]
    pub fn is_plain(self) -> bool {
        !self.0.as_bytes().contains(&b'%')
    }

    /// Decodes the text; allocates only when it holds an escape.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        if self.is_plain() {
            return Cow::Borrowed(self.0);
        }
        // The bag was checked, so nothing is lost.
        percent_decode_str(self.0).decode_utf8_lossy()
    }

    /// Writes the decoded text and gives its size; does not allocate beyond `out`.
    pub fn decode_into(self, out: &mut BytesMut) -> usize {
        if self.is_plain() {
            out.put_slice(self.0.as_bytes());
            return self.0.len();
        }
        let before = out.len();
        out.extend(percent_decode_str(self.0));
        out.len() - before
    }

    /// Size of the decoded text in bytes.
    #[must_use]
    pub fn decoded_len(self) -> usize {
        if self.is_plain() { self.0.len() } else { percent_decode_str(self.0).count() }
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
    if !raw.as_bytes().contains(&b'%') {
        return SystemProperty::from_short_name(raw.as_bytes());
    }
    let mut name = [0; 8];
    let mut len = 0;
    for byte in percent_decode_str(raw) {
        *name.get_mut(len)? = byte;
        len += 1;
    }
    SystemProperty::from_short_name(&name[..len])
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
    /// encoding.
    ///
    /// # Errors
    /// [`InvalidPropertyBag`] when the decoded text is not UTF-8.
    pub fn parse(text: &'a str) -> Result<Self, InvalidPropertyBag> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let text = text.strip_prefix('?').unwrap_or(text);
        if memchr(b'%', text.as_bytes()).is_some() && has_wide_escape(text.as_bytes()) {
            check_utf8(text)?;
        }
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
        pieces.map(|piece| Encoded(piece).decoded_len()).sum()
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

/// Whether an escape may stand for a byte outside ASCII: only those can break UTF-8.
fn has_wide_escape(text: &[u8]) -> bool {
    let wide = |digit: &u8| matches!(digit, b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F');
    text.windows(2).any(|pair| pair[0] == b'%' && wide(&pair[1]))
}

#[cold]
fn check_utf8(text: &str) -> Result<(), InvalidPropertyBag> {
    for piece in text.split(['&', '=']) {
        percent_decode_str(piece).decode_utf8().map_err(|_| InvalidPropertyBag)?;
    }
    Ok(())
}

/// Iterator over the properties of a bag.
#[derive(Clone, Debug)]
pub struct Properties<'a>(&'a str);

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        loop {
            if self.0.is_empty() {
                return None;
            }
            let (pair, rest) = split_once_at(self.0, b'&').unwrap_or((self.0, ""));
            self.0 = rest;
            if pair.is_empty() {
                continue;
            }
            let (name, value) = match split_once_at(pair, b'=') {
                Some((name, value)) => (name, Some(Encoded(value))),
                None => (pair, None),
            };
            return Some(Property { name: PropertyName::parse(name), value });
        }
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
            ("a=1//", &["a=1/"]),
            ("a&b=&=c&&d=e=f", &["a", "b=", "=c", "d=e=f"]),
            ("level=hot%20spot&x=a+b", &["level=hot spot", "x=a+b"]),
            (
                "%24.mid=m-1&$.ct=application%2Fjson",
                &["MessageId=m-1", "ContentType=application/json"],
            ),
            ("%24%2emi%64=1&$%2Ecid=2", &["MessageId=1", "CorrelationId=2"]),
            ("$.xyz=1&$.=2&%24.verylongname%20=3", &["$.xyz=1", "$.=2", "$.verylongname =3"]),
            ("iothub-ack=full&iothub-other=1", &["Ack=full", "iothub-other=1"]),
            ("%C3%A4=%e2%82%ac", &["ä=€"]),
            ("a=%zz%4", &["a=%zz%4"]),
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
    fn refuses_text_that_is_not_utf8_after_decoding() {
        for bad in ["a=%ff", "%C3=1", "a=%C3&%A4=1", "a=%ed%a0%80"] {
            assert_eq!(PropertyBag::parse(bad), Err(InvalidPropertyBag), "{bad}");
        }
    }

    #[test]
    fn borrows_text_without_escapes() {
        let bag = PropertyBag::parse("a=plain&b=c%20d").unwrap();
        let values: Vec<_> = bag.iter().filter_map(|property| property.value).collect();
        assert!(matches!(values[0].decode(), Cow::Borrowed("plain")));
        assert!(matches!(values[1].decode(), Cow::Owned(_)));
        let mut out = BytesMut::new();
        let sizes: Vec<_> = values.iter().map(|value| value.decode_into(&mut out)).collect();
        assert_eq!((sizes.as_slice(), &out[..]), (&[5, 3][..], &b"plainc d"[..]));
    }

    #[test]
    fn counts_decoded_names_and_values() {
        let bag = PropertyBag::parse("?a=%20%20&bc&d=%C3%A4/").unwrap();
        assert_eq!(bag.decoded_len(), 1 + 2 + 2 + 1 + 2);
        assert!(bag.encoded_len() >= bag.decoded_len());
    }
}
