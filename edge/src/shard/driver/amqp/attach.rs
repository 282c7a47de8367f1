//! Links that clients ask for: which node, and whether they may.

use std::sync::Arc;

use bytes::BytesMut;
use ringhub_control_plane::c2d::NoticeKind;
use ringhub_control_plane::directory::Hub;
use ringhub_core::auth::{Permissions, Segment};
use ringhub_core::codec::amqp::performative::{AmqpError, Attach, Condition, Role};
use ringhub_core::codec::amqp::primitive::Map;
use ringhub_core::id::PartitionId;
use ringhub_core::limits::AMQP_REQUEST_BYTES_MAX;
use ringhub_core::session::amqp::{LinkAccept, LinkId, NodeAddress, write_redirect_info};
use tracing::info;

use super::links::LinkRole;
use super::{AmqpDriver, Context, hub_of};
use crate::reader::{REQUEST_CREDIT, Refusal, RequestLink, RequestNode};

/// What reading events takes; clients call it the `Listen` claim.
pub(super) const LISTEN: Permissions = Permissions::SERVICE_CONNECT;

impl AmqpDriver {
    pub(super) fn on_attach(&mut self, link: LinkId, attach: &Attach<'_>, cx: &mut Context<'_>) {
        let address = attach.node_address().unwrap_or_default();
        if let Err(refusal) = self.attach(link, address, attach, cx) {
            cx.counters().amqp_links_refused.add(1);
            let (hub, connection, reason) = (self.hub_name(cx), cx.connection, &refusal.text);
            info!(hub, address, %connection, %reason, "link refused");
            self.connection.refuse_link(link, &refusal.error());
        }
    }

    fn attach(
        &mut self,
        link: LinkId,
        address: &str,
        attach: &Attach<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        match (NodeAddress::parse(address), attach.role) {
            (NodeAddress::Cbs, _) => {
                self.accept_requests(link, attach, RequestNode::Cbs);
                Ok(())
            }
            (NodeAddress::Management { entity }, _) => {
                check_entity(entity.as_deref(), self.hub_name(cx), cx)?;
                self.accept_requests(link, attach, RequestNode::Management);
                Ok(())
            }
            (NodeAddress::Partition { entity, consumer_group, partition }, Role::Receiver) => {
                self.ask_for_reader(link, attach, (&entity, &consumer_group, &partition), cx)
            }
            (NodeAddress::DeviceBound, Role::Sender) => self.accept_c2d_sender(link, cx),
            (NodeAddress::Feedback, Role::Receiver) => {
                self.accept_notices(link, attach, NoticeKind::Feedback, cx)
            }
            (NodeAddress::FileNotifications, Role::Receiver) => {
                self.accept_notices(link, attach, NoticeKind::File, cx)
            }
            (NodeAddress::Events { suffix }, Role::Receiver) => self.redirect(link, &suffix, cx),
            (NodeAddress::Device { identity, node }, _) => {
                self.attach_device(link, attach, (identity, node), cx)
            }
            (node, role) => Err(self.refusal_of(&node, role, address, cx)),
        }
    }

    /// The hub on which a claim allows to read what `path` names.
    pub(super) fn authorize(&self, path: &[&str], cx: &Context<'_>) -> Result<Arc<Hub>, Refusal> {
        self.authorize_to("Listen", path, cx)
    }

    /// The hub on which a claim allows to use what `path` names; clients call the right `right`.
    pub(super) fn authorize_to(
        &self,
        right: &str,
        path: &[&str],
        cx: &Context<'_>,
    ) -> Result<Arc<Hub>, Refusal> {
        let resource: Vec<Segment<'_>> = path.iter().copied().map(Segment::Literal).collect();
        let hub = self.hub.named().map(|hub| hub.id);
        let hub = hub.filter(|hub| self.claims.allow(*hub, &resource, LISTEN, cx.wall));
        hub.and_then(|hub| hub_of(cx, hub))
            .ok_or_else(|| Refusal::unauthorized(right, self.hub_name(cx), &path.join("/")))
    }

    /// Why a node that is none of the reader's does not take a link.
    fn refusal_of(
        &self,
        node: &NodeAddress,
        role: Role,
        address: &str,
        cx: &Context<'_>,
    ) -> Refusal {
        let host = self.hub_name(cx);
        match node {
            NodeAddress::DeviceBound => wrong_direction("back ends send here"),
            NodeAddress::Feedback | NodeAddress::FileNotifications => {
                wrong_direction("back ends receive here")
            }
            NodeAddress::NotOffered { what } => Refusal::not_offered(what),
            NodeAddress::Partition { .. } | NodeAddress::Events { .. } => {
                Refusal::unauthorized("Send", host, address)
            }
            NodeAddress::Unknown if role == Role::Sender && is_of_entity(address, cx) => {
                Refusal::unauthorized("Send", host, address)
            }
            NodeAddress::Unknown
            | NodeAddress::Cbs
            | NodeAddress::Management { .. }
            | NodeAddress::Device { .. } => Refusal::not_found(host, address),
        }
    }

    fn accept_requests(&mut self, link: LinkId, attach: &Attach<'_>, node: RequestNode) {
        let Some(session) = self.connection.session_of(link) else { return };
        let client_address = match attach.role {
            Role::Receiver => attach.target.and_then(|target| target.address),
            Role::Sender => attach.source.and_then(|source| source.address),
        };
        let accept = LinkAccept {
            credit: REQUEST_CREDIT,
            max_message_size: AMQP_REQUEST_BYTES_MAX as u64,
            snd_settle_mode: None,
        };
        self.connection.accept_link(link, accept);
        self.links.set(link, LinkRole::Requests);
        self.requests.push(RequestLink {
            link,
            session,
            node,
            role: attach.role.opposite(),
            name: attach.name.into(),
            client_address: client_address.map(Into::into),
            taken: 0,
        });
    }

    /// Sends a client of the hub's own event address to the entity.
    ///
    /// Source: service-endpoints reference, "Redirect from the hub host".
    fn redirect(&mut self, link: LinkId, suffix: &str, cx: &Context<'_>) -> Result<(), Refusal> {
        let path: Vec<&str> = ["messages", "events"]
            .into_iter()
            .chain(suffix.split('/').filter(|segment| !segment.is_empty()))
            .collect();
        let hub = self.authorize(&path, cx)?;
        let (host, info) = (&hub.host_name, &cx.services.hub);
        let address = format!("amqps://{host}:{}/{}/{suffix}", info.amqp_port, info.event_hub);
        let mut pairs = BytesMut::new();
        let count = write_redirect_info(&mut pairs, host, info.amqp_port, &address);
        let condition = Condition::LinkRedirect.name();
        let info = Map::from_encoded(count, &pairs).ok();
        self.connection.refuse_link(link, &AmqpError { condition, description: None, info });
        Ok(())
    }
}

/// Entities compare without case; a client that names none means the only one.
pub(super) fn check_entity(
    entity: Option<&str>,
    host: &str,
    cx: &Context<'_>,
) -> Result<(), Refusal> {
    match entity {
        Some(entity) if !entity.eq_ignore_ascii_case(&cx.services.hub.event_hub) => {
            Err(Refusal::not_found(host, entity))
        }
        _ => Ok(()),
    }
}

/// A partition by its decimal number without signs and leading zeros.
pub(super) fn partition_named(text: &str, partition_count: u16) -> Option<PartitionId> {
    let number: u16 = text.parse().ok().filter(|number: &u16| number.to_string() == text)?;
    (number < partition_count).then_some(PartitionId(number))
}

fn wrong_direction(text: &'static str) -> Refusal {
    Refusal::new(Condition::NotAllowed, text)
}

/// True for addresses of the entity, which nobody may send to: `{entity}`,
/// `{entity}/Partitions/{n}`.
fn is_of_entity(address: &str, cx: &Context<'_>) -> bool {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    first.eq_ignore_ascii_case(&cx.services.hub.event_hub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_named_by_plain_numbers() {
        for (text, expected) in [
            ("0", Some(PartitionId(0))),
            ("3", Some(PartitionId(3))),
            ("4", None),
            ("03", None),
            ("+1", None),
            ("-1", None),
            ("", None),
            ("65536", None),
        ] {
            assert_eq!(partition_named(text, 4), expected, "{text}");
        }
    }
}
