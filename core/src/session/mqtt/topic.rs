//! Topics of the hub: what a client may publish to.
//!
//! ```text
//! devices/{d}/messages/events[/{bag}]                  telemetry of a device
//! devices/{d}/modules/{m}/messages/events[/{bag}]      telemetry of a module
//! $iothub/methods/res/{status}/?$rid={rid}             answer to a method call
//! $iothub/twin/GET/?$rid={rid}                         read the twin
//! $iothub/twin/PATCH/properties/reported/?$rid={rid}[&$version={n}]
//! ```
//!
//! The query of a twin topic follows the rules of a [property bag](super::property_bag), but is not
//! decoded: the request id comes back as it came.
//!
//! Source: device-endpoints reference 2.7, 2.10, 2.11. Filters are in
//! [`subscription`](super::subscription).

use super::property_bag::check_pieces;
use crate::id::Identity;

/// Where a client publishes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'a> {
    /// Telemetry; the property bag is not yet looked at.
    Events {
        /// Text after `events/`, still encoded.
        bag: &'a str,
    },
    /// Answer to a method call.
    MethodResponse {
        /// Status chosen by the device.
        status: i32,
        /// Request id that the hub chose.
        rid: &'a str,
    },
    /// Read the twin.
    TwinGet {
        /// Request id that the client chose; repeated verbatim.
        rid: &'a str,
    },
    /// Merge into the reported properties.
    TwinReported {
        /// Request id that the client chose; repeated verbatim.
        rid: &'a str,
        /// Only if the reported section has this version.
        version: Option<u64>,
    },
}

/// Why a client may not publish to a topic; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The topic belongs to another device or module.
    #[error("the topic belongs to another identity")]
    Foreign,
    /// No topic of the hub.
    #[error("the hub has no such topic")]
    Unknown,
}

impl<'a> Topic<'a> {
    /// Reads a topic name as `identity` uses it. For telemetry, constant time but for the length of
    /// the ids.
    ///
    /// # Errors
    /// [`TopicError`]: close the connection.
    pub fn parse(topic: &'a str, identity: &Identity) -> Result<Self, TopicError> {
        if let Some(rest) = topic.strip_prefix("devices/") {
            let bag = strip_events(strip_identity(rest, identity)?);
            return bag.map(|bag| Self::Events { bag }).ok_or(TopicError::Unknown);
        }
        let service = topic.strip_prefix("$iothub/").ok_or(TopicError::Unknown)?;
        Self::parse_service(service).ok_or(TopicError::Unknown)
    }

    fn parse_service(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix("methods/res/") {
            let (status, query) = rest.split_once('/')?;
            // Whatever follows the request id belongs to it: the hub chose it and compares it
            // verbatim.
            let rid = query.strip_prefix("?$rid=")?;
            return Some(Self::MethodResponse {
                status: status.parse().ok()?,
                rid: non_empty(rid)?,
            });
        }
        if let Some(query) = topic.strip_prefix("twin/GET/?") {
            check_pieces(query).ok()?;
            return Some(Self::TwinGet { rid: non_empty(parameter(query, "$rid")?)? });
        }
        let query = topic.strip_prefix("twin/PATCH/properties/reported/?")?;
        check_pieces(query).ok()?;
        let rid = non_empty(parameter(query, "$rid")?)?;
        let version = parameter(query, "$version").map(str::parse).transpose().ok()?;
        Some(Self::TwinReported { rid, version })
    }
}

const fn non_empty(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

fn parameter<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, value)| (name == key).then_some(value))
}

/// Strips `{device}/` or `{device}/modules/{module}/` of the connected identity.
pub(super) fn strip_identity<'a>(
    text: &'a str,
    identity: &Identity,
) -> Result<&'a str, TopicError> {
    let rest = strip_level(text, identity.device.as_str()).ok_or(TopicError::Foreign)?;
    match (&identity.module, rest.strip_prefix("modules/")) {
        (None, None) => Ok(rest),
        (Some(module), Some(rest)) => strip_level(rest, module.as_str()).ok_or(TopicError::Foreign),
        (None, Some(_)) | (Some(_), None) => Err(TopicError::Foreign),
    }
}

fn strip_level<'a>(text: &'a str, level: &str) -> Option<&'a str> {
    text.strip_prefix(level)?.strip_prefix('/')
}

/// Strips `messages/events` and the slash before the bag.
fn strip_events(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("messages/events")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::id::{DeviceId, ModuleId};

    pub(in super::super) fn device() -> Identity {
        Identity { device: DeviceId::parse("d").unwrap(), module: None }
    }

    pub(in super::super) fn module() -> Identity {
        Identity { module: Some(ModuleId::parse("m").unwrap()), ..device() }
    }

    #[test]
    fn reads_the_topics_of_a_device() {
        let events = |bag| Ok(Topic::Events { bag });
        let reported = |rid, version| Ok(Topic::TwinReported { rid, version });
        let cases = [
            ("devices/d/messages/events", events("")),
            ("devices/d/messages/events/", events("")),
            ("devices/d/messages/events/a=1/", events("a=1/")),
            ("devices/d/messages/events/?a=1&b", events("?a=1&b")),
            ("devices/d/messages/eventsa=1", Err(TopicError::Unknown)),
            ("devices/d/messages/devicebound/", Err(TopicError::Unknown)),
            ("devices/d", Err(TopicError::Foreign)),
            ("devices/D/messages/events/", Err(TopicError::Foreign)),
            ("devices/dd/messages/events/", Err(TopicError::Foreign)),
            ("devices/+/messages/events/", Err(TopicError::Foreign)),
            ("devices/d/modules/m/messages/events/", Err(TopicError::Foreign)),
            (
                "$iothub/methods/res/200/?$rid=2a",
                Ok(Topic::MethodResponse { status: 200, rid: "2a" }),
            ),
            (
                "$iothub/methods/res/-1/?$rid=a&b",
                Ok(Topic::MethodResponse { status: -1, rid: "a&b" }),
            ),
            ("$iothub/methods/res/ok/?$rid=1", Err(TopicError::Unknown)),
            ("$iothub/methods/res/200/?$rid=", Err(TopicError::Unknown)),
            ("$iothub/methods/res/200", Err(TopicError::Unknown)),
            ("$iothub/twin/GET/?$rid=1", Ok(Topic::TwinGet { rid: "1" })),
            ("$iothub/twin/GET/?x=1&$rid=a%20b", Ok(Topic::TwinGet { rid: "a%20b" })),
            ("$iothub/twin/GET/", Err(TopicError::Unknown)),
            ("$iothub/twin/GET/?$rid=", Err(TopicError::Unknown)),
            ("$iothub/twin/GET/?$rid=%zz", Ok(Topic::TwinGet { rid: "%zz" })),
            ("$iothub/twin/GET/?$rid=1&=x", Err(TopicError::Unknown)),
            ("$iothub/twin/GET/?&$rid=1", Err(TopicError::Unknown)),
            ("$iothub/twin/GET/?$rid=a/b", Err(TopicError::Unknown)),
            ("$iothub/twin/GET/?$rid=a==", Err(TopicError::Unknown)),
            ("$iothub/twin/PATCH/properties/reported/?$rid=1&", Err(TopicError::Unknown)),
            ("$iothub/twin/PUT/?$rid=1", Err(TopicError::Unknown)),
            ("$iothub/twin/PATCH/properties/reported/?$rid=11", reported("11", None)),
            ("$iothub/twin/PATCH/properties/reported/?$rid=11&$version=7", reported("11", Some(7))),
            ("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=x", Err(TopicError::Unknown)),
            ("$iothub/twin/PATCH/properties/desired/?$rid=1", Err(TopicError::Unknown)),
            ("$iothub", Err(TopicError::Unknown)),
            ("a/b", Err(TopicError::Unknown)),
        ];
        for (topic, expected) in cases {
            assert_eq!(Topic::parse(topic, &device()), expected, "{topic}");
        }
    }

    #[test]
    fn reads_the_topics_of_a_module() {
        let cases = [
            ("devices/d/modules/m/messages/events", Ok(Topic::Events { bag: "" })),
            ("devices/d/modules/m/messages/events/a", Ok(Topic::Events { bag: "a" })),
            ("devices/d/modules/n/messages/events/", Err(TopicError::Foreign)),
            ("devices/d/messages/events/", Err(TopicError::Foreign)),
            ("$iothub/twin/GET/?$rid=1", Ok(Topic::TwinGet { rid: "1" })),
        ];
        for (topic, expected) in cases {
            assert_eq!(Topic::parse(topic, &module()), expected, "{topic}");
        }
    }
}
