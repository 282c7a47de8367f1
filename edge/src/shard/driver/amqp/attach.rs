//! Links that clients ask for: which node, and whether they may.

use bytes::BytesMut;
use ringhub_control_plane::directory::Hub;
use ringhub_core::auth::{Permissions, Segment};
use ringhub_core::codec::amqp::performative::{
    AmqpError, Attach, Condition, Role, SenderSettleMode,
};
use ringhub_core::codec::amqp::primitive::Map;
use ringhub_core::id::PartitionId;
use ringhub_core::limits::{AMQP_READERS_MAX, AMQP_REQUEST_BYTES_MAX};
use ringhub_core::reader::Selector;
use ringhub_core::session::amqp::{
    AmqpConnection, LinkAccept, LinkId, NodeAddress, write_redirect_info,
};
use tracing::info;

use super::{AmqpDriver, Context, hub_of};
use crate::partition::{PartitionRequest, RequestBody};
use crate::reader::{
    OpenedLink, PartitionPlace, REQUEST_CREDIT, Refusal, RequestLink, RequestNode,
};

/// What reading events takes; clients call it the `Listen` claim.
pub(super) const LISTEN: Permissions = Permissions::SERVICE_CONNECT;

/// Capability by which a client asks for [`OpenedLink::with_metrics`].
const RUNTIME_METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";

/// A link whose reader the executor has been asked for.
#[derive(Debug)]
pub(super) struct OpeningReader(pub(super) OpenedLink);

impl OpeningReader {
    pub(super) fn token(&self) -> u64 {
        self.0.token
    }
}

/// Accepts a link that reads a partition; events go out settled whatever was asked for, as from the
/// real service.
pub(super) fn accept_reader(connection: &mut AmqpConnection, link: LinkId) {
    let snd_settle_mode = Some(SenderSettleMode::Settled);
    let accept = LinkAccept { credit: 0, max_message_size: u64::MAX, snd_settle_mode };
    connection.accept_link(link, accept);
}

impl AmqpDriver {
    pub(super) fn on_attach(&mut self, link: LinkId, attach: &Attach<'_>, cx: &Context<'_>) {
        let address = attach.node_address().unwrap_or_default();
        if let Err(refusal) = self.attach(link, address, attach, cx) {
            cx.counters().amqp_links_refused.add(1);
            let (hub, connection, reason) =
                (cx.services.any_hub_name(), cx.connection, &refusal.text);
            info!(hub, address, %connection, %reason, "link refused");
            self.connection.refuse_link(link, &refusal.error());
        }
    }

    fn attach(
        &mut self,
        link: LinkId,
        address: &str,
        attach: &Attach<'_>,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        match (NodeAddress::parse(address), attach.role) {
            (NodeAddress::Cbs, _) => {
                self.accept_requests(link, attach, RequestNode::Cbs);
                Ok(())
            }
            (NodeAddress::Management { entity }, _) => {
                check_entity(entity.as_deref(), cx.services.any_hub_name(), cx)?;
                self.accept_requests(link, attach, RequestNode::Management);
                Ok(())
            }
            (NodeAddress::Partition { entity, consumer_group, partition }, Role::Receiver) => {
                let path =
                    [entity.as_str(), "ConsumerGroups", &consumer_group, "Partitions", &partition];
                let hub = self.authorize(&path, cx)?;
                check_entity(Some(&entity), &hub.host_name, cx)?;
                let place = place_in(hub, &entity, &consumer_group, &partition)?;
                self.open_reader(link, attach, place, cx)
            }
            (NodeAddress::DeviceBound, Role::Sender) => self.accept_c2d_sender(link, cx),
            (NodeAddress::Feedback, Role::Receiver) => self.accept_feedback(link, attach, cx),
            (NodeAddress::Events { suffix }, Role::Receiver) => self.redirect(link, &suffix, cx),
            (node, role) => Err(refusal_of(&node, role, address, cx)),
        }
    }

    /// The hub on which a claim allows to read what `path` names.
    fn authorize<'c>(&self, path: &[&str], cx: &'c Context<'_>) -> Result<&'c Hub, Refusal> {
        self.authorize_to("Listen", path, cx)
    }

    /// The hub on which a claim allows to use what `path` names; clients call the right `right`.
    pub(super) fn authorize_to<'c>(
        &self,
        right: &str,
        path: &[&str],
        cx: &'c Context<'_>,
    ) -> Result<&'c Hub, Refusal> {
        let resource: Vec<Segment<'_>> = path.iter().copied().map(Segment::Literal).collect();
        let hub = self.claims.hub_allowing(&resource, LISTEN, cx.wall);
        hub.and_then(|hub| hub_of(cx, hub)).ok_or_else(|| {
            Refusal::unauthorized(right, cx.services.any_hub_name(), &path.join("/"))
        })
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

    /// Asks the executor for a reader; the link is answered when it has.
    fn open_reader(
        &mut self,
        link: LinkId,
        attach: &Attach<'_>,
        place: PartitionPlace,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let selector = selector_of(attach)?;
        if self.readers.len() >= AMQP_READERS_MAX {
            let text = "The connection has as many receivers as it may have.";
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        if let Some(reason) = cx.services.pipeline.failed() {
            return Err(Refusal::internal(reason));
        }
        let opened = OpenedLink {
            link,
            connection: cx.connection,
            token: self.take_token(),
            epoch: attach.epoch(),
            name: attach.receiver_name().map(ToOwned::to_owned),
            with_metrics: attach.desires(RUNTIME_METRICS),
            requests: cx.services.pipeline.requests(place.partition),
            recorder: cx.delivery_recorder(),
            place,
        };
        let PartitionPlace { hub, group, partition, .. } = opened.place.clone();
        let (epoch, name) = (opened.epoch, opened.name.clone());
        let body = RequestBody::Open { group, selector, epoch, name };
        let (connection, token) = (opened.connection, opened.token);
        opened.requests.request(PartitionRequest { hub, partition, connection, token, body });
        self.opening = Some(OpeningReader(opened));
        Ok(())
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

fn place_in(
    hub: &Hub,
    entity: &str,
    consumer_group: &str,
    partition: &str,
) -> Result<PartitionPlace, Refusal> {
    let Some(group) = hub.consumer_group(consumer_group) else {
        let path = format!("{entity}/ConsumerGroups/{consumer_group}");
        return Err(Refusal::not_found(&hub.host_name, path));
    };
    let partition = partition_named(partition, hub.partition_count);
    let partition = partition.ok_or_else(|| Refusal::no_partition(hub.partition_count))?;
    Ok(PartitionPlace { hub: hub.id, host_name: hub.host_name.clone(), group, partition })
}

/// A partition by its decimal number without signs and leading zeros.
pub(super) fn partition_named(text: &str, partition_count: u16) -> Option<PartitionId> {
    let number: u16 = text.parse().ok().filter(|number: &u16| number.to_string() == text)?;
    (number < partition_count).then_some(PartitionId(number))
}

fn selector_of(attach: &Attach<'_>) -> Result<Selector, Refusal> {
    let invalid = |text: String| {
        Refusal::new(Condition::ArgumentError, format!("The filter is invalid: {text}."))
    };
    match attach.selector_text() {
        Ok(None) => Ok(Selector::Earliest),
        Ok(Some(text)) => Selector::parse(text).map_err(|error| invalid(error.to_string())),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// Why a node that is none of the reader's does not take a link.
fn refusal_of(node: &NodeAddress, role: Role, address: &str, cx: &Context<'_>) -> Refusal {
    let host = cx.services.any_hub_name();
    match node {
        NodeAddress::DeviceBound => wrong_direction("back ends send here"),
        NodeAddress::Feedback => wrong_direction("back ends receive here"),
        NodeAddress::NotOffered { what } => Refusal::not_offered(what),
        NodeAddress::Device { .. } => Refusal::not_offered("the nodes of devices"),
        NodeAddress::Partition { .. } | NodeAddress::Events { .. } => {
            Refusal::unauthorized("Send", host, address)
        }
        NodeAddress::Unknown if role == Role::Sender && is_of_entity(address, cx) => {
            Refusal::unauthorized("Send", host, address)
        }
        NodeAddress::Unknown | NodeAddress::Cbs | NodeAddress::Management { .. } => {
            Refusal::not_found(host, address)
        }
    }
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
