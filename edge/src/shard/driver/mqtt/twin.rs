//! Twin requests of the device, and replies and changes of desired properties to it.

use ringhub_control_plane::twin::TwinReply;
use ringhub_core::codec::amqp::section::MessageId;
use ringhub_core::id::Identity;
use ringhub_core::session::mqtt::{TwinOperation, TwinRequest};
use ringhub_core::twin::DesiredChange;
use tracing::debug;

use super::{Context, MqttDriver};
use crate::shard::seat::TwinBusy;

impl MqttDriver {
    pub(super) fn on_twin_request(&mut self, request: &TwinRequest<'_>, cx: &Context<'_>) {
        let Some(seat) = &mut self.seat else { return };
        let rid = request.rid;
        let asked = match request.operation {
            TwinOperation::Get => seat.read_twin(MessageId::Str(rid), cx),
            TwinOperation::PatchReported { version, patch } => {
                seat.report_twin(MessageId::Str(rid), version, patch, cx)
            }
        };
        if asked == Err(TwinBusy) {
            self.reply_twin(rid, &TwinReply::throttled(), cx);
        }
    }

    pub(super) fn on_twin_reply(&mut self, rid: &str, reply: &TwinReply, cx: &Context<'_>) {
        if let Some(seat) = &mut self.seat {
            seat.handle_twin_reply();
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
        if self.seat.as_ref().is_none_or(|seat| !seat.serves(identity)) {
            return;
        }
        let DesiredChange { version, patch, .. } = change;
        if let Err(reason) = self.session.notify_desired(*version, patch) {
            let (hub, connection) = (self.hub_name(cx), cx.connection);
            debug!(hub, %identity, %connection, version, %reason, "desired change not sent");
        }
    }

    fn reply_twin(&mut self, rid: &str, reply: &TwinReply, cx: &Context<'_>) {
        let sent = match reply {
            TwinReply::Twin(twin) => self.session.reply_twin(200, rid, None, twin),
            TwinReply::Reported(version) => self.session.reply_twin(204, rid, Some(*version), b""),
            TwinReply::Refused(refusal) => {
                let (status, body) = refusal.device_error();
                self.session.reply_twin(status, rid, None, &body)
            }
        };
        if let Err(reason) = sent {
            let (hub, connection) = (self.hub_name(cx), cx.connection);
            let identity = self.session.identity().map(ToString::to_string);
            debug!(hub, identity, %connection, rid, %reason, "twin reply not sent");
        }
    }
}
