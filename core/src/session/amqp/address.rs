//! Addresses of nodes, in all the forms that clients write them.

use percent_encoding::percent_decode_str;

use crate::codec::amqp::performative::Role;
use crate::id::{DeviceId, Identity, ModuleId};

/// What a link is attached to.
///
/// Host and port of absolute addresses are not looked at; fixed words compare without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAddress {
    /// `$cbs`: claims.
    Cbs,
    /// `$management`, of an entity if one is named: requests about partitions.
    Management {
        /// Name of the event hub.
        entity: Option<String>,
    },
    /// `{entity}/ConsumerGroups/{group}/Partitions/{n}`: events of one partition.
    Partition {
        /// Name of the event hub.
        entity: String,
        /// Name of the group as spelled.
        consumer_group: String,
        /// Number of the partition as spelled.
        partition: String,
    },
    /// `messages/events[/…]` of the hub itself, which redirects to the entity.
    Events {
        /// What stood behind `messages/events/`, as spelled.
        suffix: String,
    },
    /// `messages/devicebound`: messages to devices.
    DeviceBound,
    /// `messages/serviceBound/feedback`: what became of them.
    Feedback,
    /// `messages/serviceBound/filenotifications`: files that devices have uploaded.
    FileNotifications,
    /// A node that such hubs have and this one does not, yet.
    NotOffered {
        /// What the node is for, as a text to say so.
        what: &'static str,
    },
    /// A node of a device or module.
    Device {
        /// Whose node.
        identity: Identity,
        /// Which one.
        node: DeviceNode,
    },
    /// Anything else.
    Unknown,
}

/// The nodes of a device or module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceNode {
    /// `messages/events`: telemetry, or the inputs of a module.
    Events,
    /// `messages/devicebound`: messages from the cloud.
    DeviceBound,
    /// `methods/devicebound`: method calls and their answers.
    Methods,
    /// `twin`: requests about the twin and their answers.
    Twin,
}

/// What a link on the node of a device or module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceLink {
    /// The client sends telemetry.
    Telemetry,
    /// The client receives messages from the cloud.
    C2d,
    /// The client, a module of a gateway, receives what is routed to its inputs.
    ModuleInputs,
    /// The client receives method calls.
    MethodCalls,
    /// The client sends answers to method calls.
    MethodAnswers,
    /// The client sends twin requests.
    TwinRequests,
    /// The client receives answers to twin requests, and desired properties.
    TwinReplies,
}

impl DeviceNode {
    /// What a link on the node of `identity` is for on which the client has `role`, as it stands in
    /// the client's attach; `None` where links go the other way only.
    ///
    /// Source: device-endpoints reference, "Link addresses".
    #[must_use]
    pub const fn link(self, identity: &Identity, role: Role) -> Option<DeviceLink> {
        Some(match (self, role) {
            (Self::Events, Role::Sender) => DeviceLink::Telemetry,
            (Self::Events, Role::Receiver) if identity.module.is_some() => DeviceLink::ModuleInputs,
            (Self::Events, Role::Receiver) | (Self::DeviceBound, Role::Sender) => return None,
            (Self::DeviceBound, Role::Receiver) => DeviceLink::C2d,
            (Self::Methods, Role::Receiver) => DeviceLink::MethodCalls,
            (Self::Methods, Role::Sender) => DeviceLink::MethodAnswers,
            (Self::Twin, Role::Receiver) => DeviceLink::TwinReplies,
            (Self::Twin, Role::Sender) => DeviceLink::TwinRequests,
        })
    }
}

impl NodeAddress {
    /// Reads an address as it stands in a terminus.
    #[must_use]
    pub fn parse(address: &str) -> Self {
        let path = path_of(address).trim_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            [cbs] if is(cbs, "$cbs") => Self::Cbs,
            [management] if is(management, "$management") => Self::Management { entity: None },
            [messages, bound] if is(messages, "messages") && is(bound, "devicebound") => {
                Self::DeviceBound
            }
            [messages, bound, what] if is(messages, "messages") && is(bound, "servicebound") => {
                service_bound(what)
            }
            [messages, modules, ..] if is(messages, "messages") && is(modules, "modules") => {
                Self::NotOffered { what: "messages between modules" }
            }
            [messages, operations, ..]
                if is(messages, "messages") && is(operations, "operationsmonitoringevents") =>
            {
                Self::NotOffered { what: "operations monitoring" }
            }
            [messages, events, ..] if is(messages, "messages") && is(events, "events") => {
                let suffix = path["messages/events".len()..].trim_matches('/');
                Self::Events { suffix: suffix.into() }
            }
            [devices, device, ref node @ ..] if is(devices, "devices") => {
                device_node(device, node).unwrap_or(Self::Unknown)
            }
            [entity, management] if is(management, "$management") => {
                Self::Management { entity: decoded(entity) }
            }
            [entity, groups, group, partitions, partition]
                if is(groups, "consumergroups") && is(partitions, "partitions") =>
            {
                partition_node(entity, group, partition).unwrap_or(Self::Unknown)
            }
            _ => Self::Unknown,
        }
    }
}

/// Drops `scheme://host:port` if it is there.
fn path_of(address: &str) -> &str {
    match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    }
}

fn is(segment: &str, word: &str) -> bool {
    segment.eq_ignore_ascii_case(word)
        || (segment.contains('%')
            && decoded(segment).is_some_and(|plain| plain.eq_ignore_ascii_case(word)))
}

fn decoded(segment: &str) -> Option<String> {
    let plain = percent_decode_str(segment).decode_utf8().ok()?;
    (!plain.is_empty()).then(|| plain.into_owned())
}

fn service_bound(what: &str) -> NodeAddress {
    if is(what, "feedback") {
        NodeAddress::Feedback
    } else if is(what, "filenotifications") || is(what, "fileuploadnotifications") {
        NodeAddress::FileNotifications
    } else {
        NodeAddress::Unknown
    }
}

fn partition_node(entity: &str, group: &str, partition: &str) -> Option<NodeAddress> {
    Some(NodeAddress::Partition {
        entity: decoded(entity)?,
        consumer_group: decoded(group)?,
        partition: decoded(partition)?,
    })
}

fn device_node(device: &str, rest: &[&str]) -> Option<NodeAddress> {
    let device = DeviceId::parse(&decoded(device)?).ok()?;
    let (module, node) = match *rest {
        [modules, module, ref node @ ..] if is(modules, "modules") => {
            (Some(ModuleId::parse(&decoded(module)?).ok()?), node)
        }
        ref node => (None, node),
    };
    let node = match *node {
        [twin] if is(twin, "twin") => DeviceNode::Twin,
        [messages, events] if is(messages, "messages") && is(events, "events") => {
            DeviceNode::Events
        }
        [messages, bound] if is(messages, "messages") && is(bound, "devicebound") => {
            DeviceNode::DeviceBound
        }
        [methods, bound] if is(methods, "methods") && is(bound, "devicebound") => {
            DeviceNode::Methods
        }
        _ => return None,
    };
    Some(NodeAddress::Device { identity: Identity { device, module }, node })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn not_offered(what: &'static str) -> NodeAddress {
        NodeAddress::NotOffered { what }
    }

    #[test]
    fn every_form_of_a_partition_resolves() {
        let expected = NodeAddress::Partition {
            entity: "eh".into(),
            consumer_group: "$Default".into(),
            partition: "3".into(),
        };
        for address in [
            "amqps://ns.example/eh/ConsumerGroups/$Default/Partitions/3",
            "amqps://ns.example:5671/eh/consumergroups/%24Default/partitions/3",
            "sb://ns/eh/ConsumerGroups/$Default/Partitions/3/",
            "eh/ConsumerGroups/$Default/Partitions/3",
            "/eh/ConsumerGroups/$Default/Partitions/3",
        ] {
            assert_eq!(NodeAddress::parse(address), expected, "{address}");
        }
    }

    #[test]
    fn service_nodes_resolve() {
        let events = |suffix: &str| NodeAddress::Events { suffix: suffix.into() };
        for (address, expected) in [
            ("$cbs", NodeAddress::Cbs),
            ("/$cbs", NodeAddress::Cbs),
            ("amqps://h/%24cbs", NodeAddress::Cbs),
            ("$management", NodeAddress::Management { entity: None }),
            ("eh/$management", NodeAddress::Management { entity: Some("eh".into()) }),
            ("amqps://ns/$management", NodeAddress::Management { entity: None }),
            ("/messages/events", events("")),
            ("amqps://hub/messages/events/$management", events("$management")),
            (
                "messages/events/ConsumerGroups/a/Partitions/0",
                events("ConsumerGroups/a/Partitions/0"),
            ),
            ("/messages/devicebound", NodeAddress::DeviceBound),
            ("/messages/deviceBound", NodeAddress::DeviceBound),
            ("amqps://hub:5671/messages/servicebound/feedback", NodeAddress::Feedback),
            ("/messages/serviceBound/Feedback", NodeAddress::Feedback),
            ("/messages/serviceBound/filenotifications", NodeAddress::FileNotifications),
            ("/messages/operationsMonitoringEvents", not_offered("operations monitoring")),
            ("messages/modules/a", not_offered("messages between modules")),
        ] {
            assert_eq!(NodeAddress::parse(address), expected, "{address}");
        }
    }

    #[test]
    fn device_nodes_resolve() {
        let device = |module: Option<&str>, node| NodeAddress::Device {
            identity: Identity {
                device: DeviceId::parse("a:1").unwrap(),
                module: module.map(|module| ModuleId::parse(module).unwrap()),
            },
            node,
        };
        for (address, expected) in [
            ("/devices/a:1/messages/events", device(None, DeviceNode::Events)),
            ("devices/a%3A1/messages/deviceBound", device(None, DeviceNode::DeviceBound)),
            ("amqps://h:5671/devices/a%3a1/methods/deviceBound", device(None, DeviceNode::Methods)),
            ("/Devices/a:1/twin/", device(None, DeviceNode::Twin)),
            ("/devices/a:1/modules/m/twin", device(Some("m"), DeviceNode::Twin)),
            ("/devices/a:1/modules/m/messages/events", device(Some("m"), DeviceNode::Events)),
            (
                "amqps://h/devices/a%3a1/modules/m/messages/deviceBound",
                device(Some("m"), DeviceNode::DeviceBound),
            ),
            ("DEVICES/a:1/Modules/m/METHODS/devicebound", device(Some("m"), DeviceNode::Methods)),
        ] {
            assert_eq!(NodeAddress::parse(address), expected, "{address}");
        }
    }

    #[test]
    fn node_and_direction_tell_what_a_link_is_for() {
        use DeviceLink as Link;
        for (node, sends, receives, module_receives) in [
            (DeviceNode::Events, Some(Link::Telemetry), None, Some(Link::ModuleInputs)),
            (DeviceNode::DeviceBound, None, Some(Link::C2d), Some(Link::C2d)),
            (
                DeviceNode::Methods,
                Some(Link::MethodAnswers),
                Some(Link::MethodCalls),
                Some(Link::MethodCalls),
            ),
            (
                DeviceNode::Twin,
                Some(Link::TwinRequests),
                Some(Link::TwinReplies),
                Some(Link::TwinReplies),
            ),
        ] {
            let device = Identity { device: DeviceId::parse("d").unwrap(), module: None };
            let module = ModuleId::parse("m").ok();
            let module = Identity { device: device.device.clone(), module };
            assert_eq!(node.link(&device, Role::Sender), sends, "{node:?}");
            assert_eq!(node.link(&module, Role::Sender), sends, "{node:?}");
            assert_eq!(node.link(&device, Role::Receiver), receives, "{node:?}");
            assert_eq!(node.link(&module, Role::Receiver), module_receives, "{node:?}");
        }
    }

    #[test]
    fn the_rest_is_unknown() {
        for address in [
            "",
            "/",
            "amqps://host",
            "x",
            "devices",
            "/devices//twin",
            "/devices/a/b",
            "/devices/a b/twin",
            "/devices/%ff/twin",
            "eh/ConsumerGroups/a/Partitions/",
            "eh/Groups/a/Partitions/0",
            "/messages/servicebound/other",
            "/messages",
            "$cbs/x",
        ] {
            assert_eq!(NodeAddress::parse(address), NodeAddress::Unknown, "{address}");
        }
    }
}
