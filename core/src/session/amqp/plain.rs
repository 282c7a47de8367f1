//! User names of SASL PLAIN.

use percent_encoding::percent_decode_str;

use crate::id::{DeviceId, Identity, ModuleId};

/// Who logs in by SASL PLAIN, and what the password is to be.
///
/// A hub goes by the first label of its host name, or by all of it. Ids may be percent-encoded.
///
/// Source: device-endpoints reference, "Connection start"; service-endpoints reference, "SASL
/// layer".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainUser<'a> {
    /// `{policy}@sas.root.{hub}`: a token of the policy.
    Policy {
        /// Name of the policy.
        policy: &'a str,
        /// Name of the hub.
        hub: &'a str,
    },
    /// `{policy}` alone, of the hub that was dialled: the text of a key of the policy.
    PolicyKey {
        /// Name of the policy.
        policy: &'a str,
    },
    /// `{device}[/modules/{module}]@sas.{hub}`: a token of the identity, or of a policy.
    Identity {
        /// Device or module.
        identity: Identity,
        /// Name of the hub.
        hub: &'a str,
    },
    /// `{device}[/modules/{module}]@{hub}`, as the oldest clients have it: the text of a key of the
    /// identity.
    IdentityKey {
        /// Device or module.
        identity: Identity,
        /// Name of the hub.
        hub: &'a str,
    },
}

impl<'a> PlainUser<'a> {
    /// Reads a user name; `None` for one that names no hub, or an identity that cannot be.
    #[must_use]
    pub fn parse(user: &'a str) -> Option<Self> {
        let Some((name, place)) = user.rsplit_once('@') else {
            return (!user.is_empty()).then_some(Self::PolicyKey { policy: user });
        };
        let (hub, prefix) = ["sas.root.", "sas."]
            .into_iter()
            .find_map(|prefix| Some((without_prefix(place, prefix)?, prefix)))
            .unwrap_or((place, ""));
        if hub.is_empty() || name.is_empty() {
            return None;
        }
        Some(match prefix {
            "sas.root." => Self::Policy { policy: name, hub },
            "sas." => Self::Identity { identity: identity(name)?, hub },
            _ => Self::IdentityKey { identity: identity(name)?, hub },
        })
    }
}

/// Host names compare without case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn identity(name: &str) -> Option<Identity> {
    let mut segments = name.split('/');
    let device = DeviceId::parse(&decoded(segments.next()?)?).ok()?;
    let module = match segments.next() {
        None => None,
        Some(modules) if modules.eq_ignore_ascii_case("modules") => {
            Some(ModuleId::parse(&decoded(segments.next()?)?).ok()?)
        }
        Some(_) => return None,
    };
    segments.next().is_none().then_some(Identity { device, module })
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(device: &str, module: Option<&str>) -> Identity {
        let module = module.map(|module| ModuleId::parse(module).unwrap());
        Identity { device: DeviceId::parse(device).unwrap(), module }
    }

    #[test]
    fn every_kind_of_user_is_told_apart() {
        for (user, expected) in [
            ("iothubowner@sas.root.demo", PlainUser::Policy { policy: "iothubowner", hub: "demo" }),
            (
                "service@SAS.Root.demo.example.net",
                PlainUser::Policy { policy: "service", hub: "demo.example.net" },
            ),
            ("service", PlainUser::PolicyKey { policy: "service" }),
            (
                "cooler-7@sas.demo",
                PlainUser::Identity { identity: id("cooler-7", None), hub: "demo" },
            ),
            (
                "cooler-7/modules/pump@sas.demo",
                PlainUser::Identity { identity: id("cooler-7", Some("pump")), hub: "demo" },
            ),
            (
                "a%40b%3A1/Modules/m%25@sas.demo",
                PlainUser::Identity { identity: id("a@b:1", Some("m%")), hub: "demo" },
            ),
            ("a@b@sas.demo", PlainUser::Identity { identity: id("a@b", None), hub: "demo" }),
            (
                "cooler-7@demo.example.net",
                PlainUser::IdentityKey { identity: id("cooler-7", None), hub: "demo.example.net" },
            ),
        ] {
            assert_eq!(PlainUser::parse(user), Some(expected), "{user}");
        }
    }

    #[test]
    fn names_of_nothing_are_refused() {
        for user in [
            "",
            "@demo",
            "d@",
            "@sas.demo",
            "d@sas.",
            "d@sas.root.",
            "d/m@sas.demo",
            "d/modules@sas.demo",
            "d/modules/@sas.demo",
            "d/modules/m/x@sas.demo",
            "a b@sas.demo",
            "%ff@sas.demo",
        ] {
            assert_eq!(PlainUser::parse(user), None, "{user}");
        }
    }
}
