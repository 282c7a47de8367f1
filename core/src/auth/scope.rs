//! What a token covers: the resource that its `sr` field names.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A text names no resource: it is not UTF-8 once decoded, or has no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no resource is named")]
pub struct InvalidScope;

/// One part of the path of a resource that somebody wants to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A word of the protocol or an entity name, compared without case.
    Literal(&'a str),
    /// A device or module id, compared with case.
    Id(&'a str),
}

impl Segment<'_> {
    /// Compares with a segment of a token, which some clients encode twice.
    fn matches(self, text: &str) -> bool {
        let same = |text: &str| match self {
            Self::Literal(word) => word.eq_ignore_ascii_case(text),
            Self::Id(id) => id == text,
        };
        same(text) || percent_decode_str(text).decode_utf8().is_ok_and(|decoded| same(&decoded))
    }
}

/// Decoded resource of a token, without scheme, port and trailing slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    text: Cow<'a, str>,
}

impl<'a> Scope<'a> {
    /// Decodes the raw `sr` field of a token.
    ///
    /// # Errors
    /// [`InvalidScope`] when it names no resource.
    pub fn decode(raw: &'a str) -> Result<Self, InvalidScope> {
        let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| InvalidScope)?;
        let start = decoded.find("://").map_or(0, |at| at + 3);
        let text = match decoded {
            Cow::Borrowed(text) => Cow::Borrowed(&text[start..]),
            Cow::Owned(text) => Cow::Owned(text[start..].to_owned()),
        };
        let scope = Self { text };
        if scope.host().is_empty() { Err(InvalidScope) } else { Ok(scope) }
    }

    /// The same scope with a text of its own.
    #[must_use]
    pub fn into_owned(self) -> Scope<'static> {
        Scope { text: Cow::Owned(self.text.into_owned()) }
    }

    /// The segments of the path, without empty ones.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1).filter(|segment| !segment.is_empty())
    }

    /// The host, as the client spelled it, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.text.split('/').next().unwrap_or_default();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// True when the path of this scope is a prefix of `resource` in whole segments.
    ///
    /// The host is for the caller to compare: a hub may have several names. A last segment
    /// `api-version=…`, which old samples append, is passed over.
    ///
    /// Source: device-endpoints reference, "Scope and permission rules".
    #[must_use]
    pub fn covers(&self, resource: &[Segment<'_>]) -> bool {
        let mut segments = self.path().peekable();
        let mut resource = resource.iter();
        while let Some(text) = segments.next() {
            if segments.peek().is_none() && text.starts_with("api-version=") {
                return true;
            }
            if !resource.next().is_some_and(|segment| segment.matches(text)) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Segment::{Id, Literal};
    use super::*;

    const MODULE: [Segment<'static>; 4] =
        [Literal("devices"), Id("a"), Literal("modules"), Id("m")];
    const PARTITION: [Segment<'static>; 5] = [
        Literal("eh1"),
        Literal("ConsumerGroups"),
        Literal("$Default"),
        Literal("Partitions"),
        Literal("0"),
    ];

    #[test]
    fn a_scope_covers_whole_segments_only() {
        for (sr, device, module) in [
            ("h", true, true),
            ("h/", true, true),
            ("h/devices", true, true),
            ("h%2Fdevices%2Fa", true, true),
            ("h%2fDevices%2fa", true, true),
            ("amqps://h:5671/devices/a", true, true),
            ("h/devices/a/api-version=2016-11-14", true, true),
            ("h/devices/A", false, false),
            ("h/devices/ab", false, false),
            ("h/device", false, false),
            ("h/devices/a/modules/m", false, true),
            ("h/devices/a/modules/m/more", false, false),
            ("h/api-version=1/devices", false, false),
        ] {
            let scope = Scope::decode(sr).expect("the table holds decodable resources");
            assert_eq!(scope.host(), "h", "{sr}");
            assert_eq!(scope.covers(&MODULE[..2]), device, "device: {sr}");
            assert_eq!(scope.covers(&MODULE), module, "module: {sr}");
        }
    }

    #[test]
    fn ids_that_need_encoding_are_found_encoded_once_or_twice() {
        let resource = [Literal("devices"), Id("a+b%c#d")];
        for sr in ["h/devices/a%2Bb%25c%23d", "h%2Fdevices%2Fa%252Bb%2525c%2523d"] {
            assert!(Scope::decode(sr).expect("decodable").covers(&resource), "{sr}");
        }
    }

    #[test]
    fn event_hubs_audiences_compare_without_case() {
        for (sr, covered) in [
            ("sb%3A%2F%2Fns%2Feh1", true),
            ("sb://NS/EH1/", true),
            ("amqps://ns:5671/eh1/consumergroups/$default/partitions/0", true),
            ("sb://ns/eh1/ConsumerGroups/$Default/Partitions/1", false),
            ("sb://ns/eh10", false),
        ] {
            let scope = Scope::decode(sr).expect("the table holds decodable resources");
            assert!(scope.host().eq_ignore_ascii_case("ns"), "{sr}");
            assert_eq!(scope.covers(&PARTITION), covered, "{sr}");
        }
    }

    #[test]
    fn refuses_a_resource_without_host_or_with_broken_text() {
        for sr in ["", "%2Fdevices", "sb://", "%FF%FE"] {
            assert_eq!(Scope::decode(sr), Err(InvalidScope), "{sr}");
        }
    }
}
