//! Messages to devices, and notices to back ends.

use ringhub_control_plane::c2d::{C2dRefusal, NoticeKind};
use ringhub_core::auth::Segment;
use ringhub_core::c2d::DeviceMessage;
use ringhub_core::codec::amqp::performative::{Attach, Condition, DeliveryState, SenderSettleMode};
use ringhub_core::codec::amqp::section::BATCH_FORMAT;
use ringhub_core::id::HubId;
use ringhub_core::limits::{C2D_SENDER_CREDIT, C2D_TRANSFER_BYTES_MAX, SERVICE_LINKS_MAX};
use ringhub_core::session::amqp::{DeliveryId, LinkAccept, LinkId};
use tracing::debug;

use super::attach::LISTEN;
use super::links::LinkRole;
use super::{AmqpDriver, Context};
use crate::reader::Refusal;
use crate::service::{NoticeLink, SenderLink, ServiceNode, refusal_of_c2d, refusal_of_message};
use crate::shard::mailbox::Mail;

impl AmqpDriver {
    /// Accepts a link that sends messages to devices.
    pub(super) fn accept_c2d_sender(
        &mut self,
        link: LinkId,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let hub = self.admit_service_link(ServiceNode::DeviceBound, cx)?;
        let accept = LinkAccept {
            credit: C2D_SENDER_CREDIT,
            max_message_size: C2D_TRANSFER_BYTES_MAX as u64,
            snd_settle_mode: None,
        };
        self.connection.accept_link(link, accept);
        self.links.set(link, LinkRole::C2dSender);
        self.service.add_sender(SenderLink::new(link, hub));
        Ok(())
    }

    /// Accepts a link that receives notices.
    pub(super) fn accept_notices(
        &mut self,
        link: LinkId,
        attach: &Attach<'_>,
        kind: NoticeKind,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let hub = self.admit_service_link(ServiceNode::Notices(kind), cx)?;
        let accept = LinkAccept { credit: 0, max_message_size: u64::MAX, snd_settle_mode: None };
        let is_settled = attach.snd_settle_mode == SenderSettleMode::Settled;
        self.connection.accept_link(link, accept);
        self.links.set(link, LinkRole::Notices);
        let control = &cx.services.control;
        let link = (link, kind);
        self.service.add_notices(NoticeLink::new(link, hub, control, cx.connection, is_settled));
        Ok(())
    }

    fn admit_service_link(&self, node: ServiceNode, cx: &Context<'_>) -> Result<HubId, Refusal> {
        let hub = self.authorize_to(node.right(), node.path(), cx)?;
        if self.service.len() >= SERVICE_LINKS_MAX {
            let text = "The connection has as many links to send and get notices as it may have.";
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        let connection = cx.connection;
        debug!(hub = hub.host_name, ?node, %connection, "service link attached");
        Ok(hub.id)
    }

    /// A message for a device. It is settled when it is durable, or at once when it is refused.
    pub(super) fn on_c2d_message(
        &mut self,
        delivery: DeliveryId,
        settled: bool,
        (format, payload): (u32, &[u8]),
        cx: &Context<'_>,
    ) {
        let token = self.take_token();
        let Some(sender) = self.service.sender_mut(delivery.link) else { return };
        let hub = sender.hub();
        let Some(c2d) = cx.services.control.c2d(hub) else { return };
        sender.note(token, delivery, settled);
        self.asked.insert(token, delivery.link);
        let message = if format == BATCH_FORMAT {
            let text = "batches of messages to devices are not taken";
            Err(Refusal::new(Condition::ArgumentError, text))
        } else {
            let read = DeviceMessage::read(payload, cx.wall, c2d.default_ttl());
            read.map_err(|why| refusal_of_message(&why))
        };
        match message {
            Ok(message) => {
                let done = cx.services.c2d_done(cx.connection, token);
                cx.services.control.send_to_device(hub, message, done);
            }
            Err(refusal) => {
                let (reason, connection) = (&refusal.text, cx.connection);
                debug!(hub = %cx.services.hub_name(hub), %connection, %reason, "message to a device refused");
                self.answer_c2d(token, Err(&refusal));
            }
        }
    }

    /// The store has dealt with a message or a verdict.
    pub(super) fn on_c2d_done(&mut self, token: u64, outcome: Result<(), C2dRefusal>) {
        let refusal = outcome.err().map(refusal_of_c2d);
        self.answer_c2d(token, refusal.as_ref().map_or(Ok(()), Err));
    }

    /// Tells what became of a message or a verdict, if its link is still there.
    fn answer_c2d(&mut self, token: u64, outcome: Result<(), &Refusal>) {
        let Some(link) = self.asked.remove(&token) else { return };
        match self.links.role(link) {
            Some(LinkRole::C2dSender) => {
                self.service.handle_sent(link, token, outcome, &mut self.connection);
            }
            Some(LinkRole::Notices) => {
                self.service.handle_notice_done(link, token, outcome, &mut self.connection);
            }
            Some(LinkRole::Device(number, _)) => self.on_verdict_stored(number, token, outcome),
            Some(LinkRole::Requests | LinkRole::Reader(_)) | None => {}
        }
    }

    /// The back end has come to a verdict on a notice.
    pub(super) fn on_notice_settled(
        &mut self,
        delivery: DeliveryId,
        state: Option<DeliveryState<'_>>,
        settled: bool,
        cx: &Context<'_>,
    ) {
        let token = self.take_token();
        let Some(link) = self.service.notices_mut(delivery.link) else { return };
        let done = cx.services.c2d_done(cx.connection, token);
        link.handle_settled(delivery, state, (!settled).then_some(token), done);
        let (hub, kind) = (link.hub(), link.kind());
        self.asked.insert(token, delivery.link);
        wake_waiting(hub, kind, cx);
    }

    /// A link is gone: what it holds goes to others.
    pub(super) fn forget_service_link(&mut self, link: LinkId, cx: &Context<'_>) {
        if let Some(notices) = self.service.remove(link) {
            let (hub, kind) = (notices.hub(), notices.kind());
            notices.close();
            if !self.service.receives(kind)
                && let Some(c2d) = cx.services.control.c2d(hub)
            {
                c2d.stop_waiting(kind, cx.connection);
            }
            wake_waiting(hub, kind, cx);
        }
    }

    pub(super) fn close_service_links(&mut self, cx: &Context<'_>) {
        for link in self.service.links() {
            self.forget_link(link, cx);
        }
    }

    /// Detaches the links that no claim allows any more.
    pub(super) fn detach_unclaimed_service(&mut self, cx: &Context<'_>) {
        for link in self.service.links() {
            let Some(node) = self.service.node_of(link) else { continue };
            let resource: Vec<_> = node.path().iter().copied().map(Segment::Literal).collect();
            let hub = self.hub.named().map(|hub| hub.id);
            if !hub.is_some_and(|hub| self.claims.allow(hub, &resource, LISTEN, cx.wall)) {
                self.detach(link, &Refusal::expired(), cx);
            }
        }
    }
}

/// Tells the connections that wait for notices that there are some again.
fn wake_waiting(hub: HubId, kind: NoticeKind, cx: &Context<'_>) {
    let Some(c2d) = cx.services.control.c2d(hub) else { return };
    for connection in c2d.take_waiting(kind) {
        cx.services.mailboxes.post(connection.shard, Mail::NoticesReady { connection });
    }
}
