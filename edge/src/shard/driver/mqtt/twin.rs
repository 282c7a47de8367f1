//! Twin requests of the device to the control plane, replies and changes of desired properties
//! back.
//!
//! A request is only handed over, so telemetry of the same connection does not wait for it.

use bytes::Bytes;
use ringhub_control_plane::twin::TwinReply;
use ringhub_core::id::Identity;
use ringhub_core::limits::TWIN_REQUESTS_PER_CONNECTION_MAX;
use ringhub_core::session::mqtt::{TwinOperation, TwinRequest};
use ringhub_core::twin::DesiredChange;
use tracing::debug;

use super::{Context, MqttDriver, seat};
use crate::shard::mailbox::Mail;

impl MqttDriver {
    pub(super) fn on_twin_request(&mut self, request: &TwinRequest<'_>, cx: &Context<'_>) {
        let Some(device) = &mut self.device else { return };
        if device.twin_requests >= TWIN_REQUESTS_PER_CONNECTION_MAX {
            self.reply_twin(request.rid, &TwinReply::throttled(), cx);
            return;
        }
        let services = &*cx.services;
        let (seat, rid) = (seat(cx), Box::<str>::from(request.rid));
        let mailboxes = services.mailboxes.clone();
        let done = Box::new(move |reply| {
            mailboxes.post(seat.connection.shard, Mail::TwinReply { seat, rid, reply });
        });
        device.twin_requests += 1;
        match request.operation {
            TwinOperation::Get => services.control.read_twin(&device.grant, done),
            TwinOperation::PatchReported { version, patch } => {
                let patch = Bytes::copy_from_slice(patch);
                services.control.report_twin(&device.grant, version, patch, done);
            }
        }
    }

    pub(super) fn on_twin_reply(&mut self, rid: &str, reply: &TwinReply, cx: &Context<'_>) {
        if let Some(device) = &mut self.device {
            device.twin_requests = device.twin_requests.saturating_sub(1);
        }
        self.reply_twin(rid, reply, cx);
    }

    /// Tells the device what it shall be. It reads its twin after it has subscribed and whenever a
    /// version is missing, so a change that it cannot take now is not kept for it.
    pub(super) fn on_desired_changed(
        &mut self,
        identity: &Identity,
        change: &DesiredChange,
        cx: &Context<'_>,
    ) {
        if self.device.as_ref().is_none_or(|device| device.grant.identity != *identity) {
            return;
        }
        let DesiredChange { version, patch, .. } = change;
        if let Err(reason) = self.session.notify_desired(*version, patch) {
            let (hub, connection) = (self.hub_name(cx), cx.connection);
            debug!(hub, %identity, %connection, version, %reason, "desired change not sent");
        }
    }

    fn reply_twin(&mut self, rid: &str, reply: &TwinReply, cx: &Context<'_>) {
        let TwinReply { status, version, body } = reply;
        if let Err(reason) = self.session.reply_twin(*status, rid, *version, body) {
            let (hub, connection) = (self.hub_name(cx), cx.connection);
            let identity = self.session.identity().map(ToString::to_string);
            debug!(hub, identity, %connection, rid, %reason, "twin reply not sent");
        }
    }
}
