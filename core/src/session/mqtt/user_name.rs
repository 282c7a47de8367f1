//! User name of CONNECT: which hub, which identity, which client.
//!
//! ```text
//! {hub host}/{device}[/{module}]/?api-version={date}[&DeviceClientType={enc}][&model-id={enc}][&auth-chain={enc}]
//! ```
//!
//! Ids are not percent-encoded, values are. Older clients leave out `?`, the parameters, or the
//! slash before them. Escapes and parameters without a name follow the rules of a
//! [property bag](super::property_bag); a raw `/` or `=` in a value is taken, because old clients
//! send both. Source: device-endpoints reference 2.1, G33 to G35.

use std::borrow::Cow;

use super::percent;
use crate::id::{InvalidId, check_id};

/// Key of the client description, the only one that an old preview set off by `/` instead of `&`.
const CLIENT_TYPE: &str = "DeviceClientType";
const KEYS: [&str; 4] = ["api-version", CLIENT_TYPE, "model-id", "auth-chain"];

/// Date that names a revision of the device API; later dates compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    year: u16,
    month: u8,
    day: u8,
}

impl ApiVersion {
    /// First version that knows Plug and Play models.
    pub const PLUG_AND_PLAY: Self = Self { year: 2020, month: 9, day: 30 };

    /// Reads `YYYY-MM-DD` with an optional `-preview`; any date is accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date = text.strip_suffix("-preview").unwrap_or(text);
        let mut parts = date.split('-');
        let version = Self {
            year: number(parts.next()?, 4)?,
            month: u8::try_from(number(parts.next()?, 2)?).ok()?,
            day: u8::try_from(number(parts.next()?, 2)?).ok()?,
        };
        let valid = (1..=12).contains(&version.month) && (1..=31).contains(&version.day);
        (valid && parts.next().is_none()).then_some(version)
    }
}

fn number(text: &str, digits: usize) -> Option<u16> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Why a text is not a user name of a hub client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserName {
    /// No slash: there is no identity after the host.
    #[error("the user name names no device")]
    NoDevice,
    /// The host is empty.
    #[error("the user name names no hub")]
    NoHost,
    /// A device or module id that breaks the id rules, or holds a wildcard of MQTT.
    #[error("an id in the user name is not valid")]
    Id,
    /// Something after the module that is not a parameter string.
    #[error("the user name has too many segments")]
    Segments,
    /// The api-version is not a date.
    #[error("the api-version is not a date")]
    ApiVersion,
    /// A parameter that has a value and no name.
    #[error("a parameter in the user name has no name")]
    NoName,
}

impl From<InvalidId> for InvalidUserName {
    fn from(_: InvalidId) -> Self {
        Self::Id
    }
}

/// Parts of a user name; ids are checked, values are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName<'a> {
    /// Hub host as the client spelled it; compares without case.
    pub host: &'a str,
    /// Device id.
    pub device: &'a str,
    /// Module id, if the client is a module.
    pub module: Option<&'a str>,
    /// Revision of the device API; old clients send none.
    pub api_version: Option<ApiVersion>,
    /// Free description of the client software.
    pub client_type: Option<Cow<'a, str>>,
    /// Plug and Play model that the device announces.
    pub model_id: Option<Cow<'a, str>>,
    /// Identities between the device and the hub, when a gateway connects on behalf of it.
    pub auth_chain: Option<Cow<'a, str>>,
}

impl<'a> UserName<'a> {
    /// Takes a user name apart.
    ///
    /// # Errors
    /// [`InvalidUserName`]: answer CONNACK 4.
    pub fn parse(text: &'a str) -> Result<Self, InvalidUserName> {
        let (host, path) = text.split_once('/').ok_or(InvalidUserName::NoDevice)?;
        if host.is_empty() {
            return Err(InvalidUserName::NoHost);
        }
        let (device, rest) = path.split_once('/').unwrap_or((path, ""));
        let (module, parameters) = split_module(rest)?;
        check_mqtt_id(device)?;
        module.map_or(Ok(()), check_mqtt_id)?;
        Self { host, device, module, ..Self::without_parameters() }.with_parameters(parameters)
    }

    const fn without_parameters() -> Self {
        Self {
            host: "",
            device: "",
            module: None,
            api_version: None,
            client_type: None,
            model_id: None,
            auth_chain: None,
        }
    }

    /// Takes the first of each key; unknown keys are ignored.
    fn with_parameters(mut self, parameters: &'a str) -> Result<Self, InvalidUserName> {
        for (key, value) in Parameters(parameters) {
            match key {
                "api-version" if self.api_version.is_none() => {
                    let version = ApiVersion::parse(&percent::decode(value));
                    self.api_version = Some(version.ok_or(InvalidUserName::ApiVersion)?);
                }
                CLIENT_TYPE => keep_first(&mut self.client_type, value),
                "model-id" => keep_first(&mut self.model_id, value),
                "auth-chain" => keep_first(&mut self.auth_chain, value),
                "" => return Err(InvalidUserName::NoName),
                _ => {}
            }
        }
        Ok(self)
    }

    /// Whether a client id is the one of this identity: `{device}` or `{device}/{module}`,
    /// case-sensitive.
    #[must_use]
    pub fn matches_client_id(&self, client_id: &str) -> bool {
        match (self.module, client_id.split_once('/')) {
            (None, None) => client_id == self.device,
            (Some(module), Some(parts)) => parts == (self.device, module),
            _ => false,
        }
    }
}

/// Splits what follows the device into module and parameters.
fn split_module(rest: &str) -> Result<(Option<&str>, &str), InvalidUserName> {
    if rest.is_empty() || is_parameters(rest) {
        return Ok((None, rest));
    }
    let (module, parameters) = rest.split_once('/').unwrap_or((rest, ""));
    if parameters.is_empty() || is_parameters(parameters) {
        Ok((Some(module), parameters))
    } else {
        Err(InvalidUserName::Segments)
    }
}

/// An id may hold `=`, so only a known key or `?` at the front makes a parameter string.
fn is_parameters(text: &str) -> bool {
    text.starts_with('?') || text.split_once('=').is_some_and(|(key, _)| KEYS.contains(&key))
}

/// `+` and `#` are permitted in ids but cannot stand in MQTT topics.
fn check_mqtt_id(id: &str) -> Result<(), InvalidUserName> {
    check_id(id)?;
    if id.contains(['+', '#']) { Err(InvalidUserName::Id) } else { Ok(()) }
}

fn keep_first<'a>(parameter: &mut Option<Cow<'a, str>>, value: &'a str) {
    parameter.get_or_insert_with(|| percent::decode(value));
}

/// Iterator over `key=value` pairs.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches(['?', '&', '/']);
        if text.is_empty() {
            return None;
        }
        let end = text.find('&').unwrap_or(text.len());
        let end = text[..end].find("/DeviceClientType=").unwrap_or(end);
        self.0 = &text[end..];
        Some(text[..end].split_once('=').unwrap_or((&text[..end], "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "demo.azure-devices.net";

    /// Parts of one accepted user name: module, api-version, client type, model id, auth chain.
    type Expected = (Option<&'static str>, Option<(u16, u8, u8)>, [Option<&'static str>; 3]);

    #[test]
    fn accepts_every_form_that_clients_send() {
        let v2021 = Some((2021, 4, 12));
        let cases: [(&str, Expected); 15] = [
            ("d", (None, None, [None; 3])),
            ("d/", (None, None, [None; 3])),
            ("d/?api-version=2021-04-12", (None, v2021, [None; 3])),
            ("d/api-version=2016-11-14", (None, Some((2016, 11, 14)), [None; 3])),
            ("d/m", (Some("m"), None, [None; 3])),
            ("d/m/", (Some("m"), None, [None; 3])),
            ("d/m/?api-version=2021-04-12", (Some("m"), v2021, [None; 3])),
            ("d/m/api-version=2021-04-12", (Some("m"), v2021, [None; 3])),
            // A module id may look like a parameter.
            ("d/a=b/?api-version=2021-04-12", (Some("a=b"), v2021, [None; 3])),
            (
                "d/?api-version=2021-04-12&DeviceClientType=py%2F2.12.0%20(Linux%3B)&model-id=dtmi%3Aa%3B1",
                (None, v2021, [Some("py/2.12.0 (Linux;)"), Some("dtmi:a;1"), None]),
            ),
            (
                "d/?DeviceClientType=x&auth-chain=e1%3Be2&api-version=2021-04-12",
                (None, v2021, [Some("x"), None, Some("e1;e2")]),
            ),
            // Raw slashes, and parameters after them.
            (
                "d/?api-version=2021-04-12&DeviceClientType=a/1.0/b c&model-id=dtmi:a;1",
                (None, v2021, [Some("a/1.0/b c"), Some("dtmi:a;1"), None]),
            ),
            // A slash instead of an ampersand (one .NET preview).
            (
                "d/api-version=2017-06-30/DeviceClientType=net/1.5.1",
                (None, Some((2017, 6, 30)), [Some("net/1.5.1"), None, None]),
            ),
            // The first duplicate wins; unknown keys and missing values are ignored.
            (
                "d/?api-version=2021-04-12&api-version=x&flag&model-id=1&model-id=2",
                (None, v2021, [None, Some("1"), None]),
            ),
            ("d/?api-version=2017-11-08-preview", (None, Some((2017, 11, 8)), [None; 3])),
        ];
        for (path, (module, version, values)) in cases {
            let text = format!("{HOST}/{path}");
            let parsed = UserName::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((parsed.host, parsed.device, parsed.module), (HOST, "d", module), "{text}");
            let found = parsed.api_version.map(|v| (v.year, v.month, v.day));
            assert_eq!(found, version, "{text}");
            let found = [&parsed.client_type, &parsed.model_id, &parsed.auth_chain];
            assert_eq!(found.map(Option::as_deref), values, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_user_name() {
        let cases = [
            ("", InvalidUserName::NoDevice),
            ("host", InvalidUserName::NoDevice),
            ("/d", InvalidUserName::NoHost),
            ("host/", InvalidUserName::Id),
            ("host//?api-version=2021-04-12", InvalidUserName::Id),
            ("host/d e", InvalidUserName::Id),
            ("host/a+b", InvalidUserName::Id),
            ("host/a#b", InvalidUserName::Id),
            ("host/d/m/x/y", InvalidUserName::Segments),
            ("host/d/?api-version=", InvalidUserName::ApiVersion),
            ("host/d/?api-version=2021-13-01", InvalidUserName::ApiVersion),
            ("host/d/?api-version=latest", InvalidUserName::ApiVersion),
            ("host/d/?api-version=2021-04-12-beta", InvalidUserName::ApiVersion),
            ("host/d/?=x", InvalidUserName::NoName),
            ("host/d/?api-version=2021-04-12&=x", InvalidUserName::NoName),
        ];
        for (text, error) in cases {
            assert_eq!(UserName::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_of_utf8_stays_as_it_came() {
        let parsed = UserName::parse("host/d/?DeviceClientType=a%ff%zz&model-id=%C3%28&").unwrap();
        assert_eq!(parsed.client_type.as_deref(), Some("a%ff%zz"));
        assert_eq!(parsed.model_id.as_deref(), Some("%C3("));
    }

    #[test]
    fn client_ids_match_their_identity() {
        let device = UserName::parse("host/d").unwrap();
        let module = UserName::parse("host/d/m/").unwrap();
        assert!(device.matches_client_id("d") && module.matches_client_id("d/m"));
        for other in ["", "D", "d/", "d/m/", "d/m/n", "e", "d/M"] {
            assert!(!device.matches_client_id(other), "{other}");
            assert!(!module.matches_client_id(other), "{other}");
        }
        assert!(!device.matches_client_id("d/m") && !module.matches_client_id("d"));
    }

    #[test]
    fn versions_compare_by_date() {
        let version = |text| ApiVersion::parse(text).unwrap();
        assert!(version("2020-09-30") >= ApiVersion::PLUG_AND_PLAY);
        assert!(version("2020-09-29-preview") < ApiVersion::PLUG_AND_PLAY);
        assert!(version("2016-11-14") < version("2017-06-30"));
    }
}
