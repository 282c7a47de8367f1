//! Requests to `$cbs` and `$management`.
//!
//! Each is settled before it is answered: one client takes any other order for a fault.

use ringhub_core::auth::Segment;
use ringhub_core::codec::amqp::performative::{AmqpError, Condition, DeliveryState};
use ringhub_core::codec::amqp::section::MessageId;
use ringhub_core::id::HubId;
use ringhub_core::session::amqp::cbs::{CbsRequest, PutToken};
use ringhub_core::session::amqp::management::{
    EventHubInfo, ManagementRead, ManagementRequest, unsupported,
};
use ringhub_core::session::amqp::{DeliveryId, LinkId, RequestReply};
use ringhub_core::time::UnixMillis;
use tracing::{debug, info};

use super::attach::{LISTEN, check_entity, partition_named};
use super::device::device_resource;
use super::{AmqpDriver, Context, hub_of};
use crate::partition::{PartitionRequest, RequestBody};
use crate::reader::{Refusal, RequestNode, claim_of_token, hub_of_token};

/// Where and how a request is answered.
#[derive(Clone, Copy)]
enum Received<'a> {
    Cbs(CbsRequest<'a>),
    Management(ManagementRequest<'a>),
}

impl<'a> Received<'a> {
    fn decode(node: RequestNode, payload: &'a [u8]) -> Option<Self> {
        match node {
            RequestNode::Cbs => CbsRequest::decode(payload).ok().map(Self::Cbs),
            RequestNode::Management => {
                ManagementRequest::decode(payload).ok().map(Self::Management)
            }
        }
    }

    fn reply_to(&self) -> Option<&'a str> {
        match self {
            Self::Cbs(request) => request.reply_to,
            Self::Management(request) => request.reply_to,
        }
    }
}

impl AmqpDriver {
    pub(super) fn on_request(
        &mut self,
        delivery: DeliveryId,
        settled: bool,
        payload: &[u8],
        cx: &Context<'_>,
    ) {
        let link = delivery.link;
        let Some(node) = self.requests.node_of(link) else { return };
        if self.requests.is_full() {
            let text = "Too many requests wait for their answers.";
            let refusal = Refusal::new(Condition::ResourceLimitExceeded, text);
            return self.detach(link, &refusal, cx);
        }
        let received = Received::decode(node, payload);
        let request = received.and_then(|received| {
            Some((received, self.requests.reply_link(link, received.reply_to())?))
        });
        if !settled {
            let text = "The request is malformed, or the session has no link for the answer.";
            let error = AmqpError::new(Condition::NotAllowed, text);
            let rejected = DeliveryState::Rejected(Some(error));
            let state = request.map_or(rejected, |_| DeliveryState::Accepted);
            self.connection.settle(delivery, state);
        }
        match request {
            Some((Received::Cbs(request), to)) => self.on_cbs(&request, to, cx),
            Some((Received::Management(request), to)) => self.on_management(&request, to, cx),
            None => {}
        }
        self.requests.count_request(link, &mut self.connection);
    }

    fn on_cbs(&mut self, request: &CbsRequest<'_>, to: LinkId, cx: &Context<'_>) {
        let id = request.message_id;
        let put_token = match &request.put_token {
            Ok(put_token) => put_token,
            Err(fault) => return self.requests.reply(to, &fault.reply(id)),
        };
        match self.put_token(put_token, cx) {
            Ok(()) => self.requests.reply(to, &RequestReply::ok(id)),
            Err(refusal) => {
                cx.counters().amqp_logins_refused.add(1);
                let (audience, reason) = (put_token.audience, &refusal.text);
                let (hub, connection) = (self.hub_name(cx), cx.connection);
                info!(hub, audience, %connection, %reason, "token refused");
                self.requests.reply(to, &refusal.reply(id));
            }
        }
    }

    fn put_token(&mut self, put_token: &PutToken<'_>, cx: &Context<'_>) -> Result<(), Refusal> {
        let PutToken { audience, token, .. } = *put_token;
        if let Some(resource) = device_resource(audience, token) {
            return self.put_device_token(&resource, token, cx);
        }
        let directory = cx.services.control.directory();
        let entity = &cx.services.hub.event_hub;
        let claim = claim_of_token(directory, entity, audience, token, cx.wall)?;
        self.choose_hub(claim.hub, claim.scope.host(), cx)?;
        let (hub, connection) = (cx.services.hub_name(claim.hub), cx.connection);
        debug!(%hub, audience, %connection, expires = %claim.expires, "token accepted");
        self.claims.put(claim).map_err(|_| {
            let text = "The connection holds as many tokens as it may hold.";
            Refusal::new(Condition::ResourceLimitExceeded, text)
        })?;
        self.note_claims(cx);
        Ok(())
    }

    fn on_management(&mut self, request: &ManagementRequest<'_>, to: LinkId, cx: &Context<'_>) {
        let id = request.message_id;
        let Some(read) = request.read else {
            return self.requests.reply(to, &unsupported(id));
        };
        let read =
            self.check_read(request, &read, cx).and_then(|hub| self.read(hub, read, id, to, cx));
        if let Err(refusal) = read {
            self.requests.reply(to, &refusal.reply(id));
        }
    }

    /// The hub that the request may read from: by its own token, or by a claim of the connection.
    fn check_read(
        &self,
        request: &ManagementRequest<'_>,
        read: &ManagementRead<'_>,
        cx: &Context<'_>,
    ) -> Result<HubId, Refusal> {
        let (ManagementRead::EventHub { entity } | ManagementRead::Partition { entity, .. }) =
            *read;
        let resource = [Segment::Literal(entity), Segment::Literal("$management")];
        let by_token = request.security_token.and_then(|token| {
            let directory = cx.services.control.directory();
            hub_of_token(directory, token, &resource, LISTEN, cx.wall)
        });
        let own = self.hub.named().map(|hub| hub.id);
        let by_token = by_token.filter(|hub| own.is_none_or(|own| own == *hub));
        let by_claim = || own.filter(|hub| self.claims.allow(*hub, &resource, LISTEN, cx.wall));
        let hub = by_token.or_else(by_claim);
        let hub = hub.ok_or_else(|| Refusal::unauthorized("Listen", self.hub_name(cx), entity))?;
        check_entity(Some(entity), self.hub_name(cx), cx)?;
        Ok(hub)
    }

    fn read(
        &mut self,
        hub: HubId,
        read: ManagementRead<'_>,
        id: Option<MessageId<'_>>,
        to: LinkId,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let entity = cx.services.hub.event_hub.as_str();
        let found = hub_of(cx, hub).ok_or_else(|| Refusal::not_found(self.hub_name(cx), ""))?;
        let partition_count = found.partition_count;
        let text = match read {
            ManagementRead::Partition { partition, .. } => partition,
            ManagementRead::EventHub { .. } => {
                // The configured hub may be older than what its registry remembers.
                let is_known = found.created != UnixMillis::EPOCH;
                let created_at = if is_known { found.created } else { cx.services.hub.created_at };
                let info = EventHubInfo { entity, created_at, partition_count };
                self.requests.reply_with(to, id, |out| info.encode(out));
                return Ok(());
            }
        };
        let Some(partition) = partition_named(text, partition_count) else {
            let path = format!("{entity}/Partitions/{text}");
            return Err(Refusal::not_found(self.hub_name(cx), path));
        };
        if let Some(reason) = cx.services.pipeline.failed() {
            return Err(Refusal::internal(reason));
        }
        let token = self.take_token();
        self.requests.note_asked(token, to, id, (entity, text));
        let (connection, body) = (cx.connection, RequestBody::Describe);
        let request = PartitionRequest { hub, partition, connection, token, body };
        cx.services.pipeline.request(request);
        Ok(())
    }
}
