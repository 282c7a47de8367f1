//! Device-to-cloud messages and wills into the ring.

use ringhub_control_plane::directory::Grant;
use ringhub_core::session::mqtt::{CloseReason, D2cPublish, SessionError, d2c_message};
use tracing::warn;

use super::{Context, MqttDriver, Next, seat};
use crate::partition::{LogState, RingFull};
use crate::shard::{Close, HubServices};

impl MqttDriver {
    pub(super) fn on_publish(
        &mut self,
        publish: &D2cPublish<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Next, Close> {
        let Some(device) = &mut self.device else {
            return Err(self.end(CloseReason::Error(SessionError::ExpectedConnect)));
        };
        let HubServices { encoder, pipeline, .. } = &mut *cx.services;
        let partition = device.destination.partition;
        if pipeline.state(pipeline.executor_of(partition)) == LogState::Failed {
            return Err(self.end(CloseReason::LogFailed));
        }
        let message = d2c_message(publish);
        let record = match encoder.encode(device.destination, &device.stamps, message, cx.wall) {
            Ok(record) => record,
            Err(error) => {
                let error = SessionError::MessageTooLarge(error.0);
                return Err(self.end(CloseReason::Error(error)));
            }
        };
        match pipeline.push(partition, record) {
            Ok(ticket) => {
                let record_bytes = record.len();
                cx.note_accepted(ticket, record_bytes);
                device.last = Some(ticket);
                device.activity.note(cx.now, cx.wall);
                self.blocked_bytes = None;
                self.session.handle_accepted(publish.receipt, ticket.position);
                if publish.receipt.awaits_puback() {
                    cx.await_commit(ticket, seat(cx));
                }
                Ok(Next::Consume)
            }
            Err(RingFull) => {
                self.blocked_bytes = Some(record.len());
                cx.counters().ring_full.add(1);
                Ok(Next::Keep)
            }
        }
    }

    pub(super) fn publish_will(&mut self, why: CloseReason, cx: &mut Context<'_>) {
        let Some(will) = self.session.close(why) else { return };
        let Some(device) = &mut self.device else { return };
        let HubServices { encoder, pipeline, shard, .. } = &mut *cx.services;
        if !device.claim.may_leave_will(*shard, |fence| pipeline.is_committed(&fence)) {
            let reason = "messages of the connection before are not committed yet";
            return will_lost(&device.grant, reason, cx);
        }
        let will = will.publish();
        let message = d2c_message(&will);
        let Ok(record) = encoder.encode(device.destination, &device.stamps, message, cx.wall)
        else {
            return;
        };
        match pipeline.push(device.destination.partition, record) {
            Ok(ticket) => {
                let record_bytes = record.len();
                cx.note_accepted(ticket, record_bytes);
                device.last = Some(ticket);
            }
            Err(RingFull) => will_lost(&device.grant, "the ring is full", cx),
        }
    }
}

fn will_lost(grant: &Grant, reason: &str, cx: &Context<'_>) {
    let (hub, identity) = (cx.services.hub_name(grant.hub), &grant.identity);
    warn!(hub, %identity, connection = %cx.connection, reason, "will lost");
}
