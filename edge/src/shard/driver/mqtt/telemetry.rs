//! Device-to-cloud messages and wills.

use ringhub_core::id::Identity;
use ringhub_core::session::mqtt::{
    CloseReason, D2cPublish, InvalidWill, SessionError, Will, d2c_message, system_properties,
};
use tracing::info;

use super::{Context, MqttDriver, Next};
use crate::shard::Close;
use crate::shard::seat::NotTaken;

/// A topic has up to 64 KiB, and a client may come and go as often as it likes.
const LOGGED_TOPIC_CHARS_MAX: usize = 128;

impl MqttDriver {
    pub(super) fn on_publish(
        &mut self,
        publish: &D2cPublish<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Next, Close> {
        if let Some(next) = self.pay(publish, cx) {
            return Ok(next);
        }
        let Some(seat) = &mut self.seat else {
            return Err(self.end(CloseReason::Error(SessionError::ExpectedConnect)));
        };
        let system = system_properties(publish);
        match seat.publish(d2c_message(publish, &system), cx) {
            Ok(ticket) => {
                self.blocked_bytes = None;
                self.throttle = None;
                self.session.handle_accepted(publish.receipt, ticket.position);
                if publish.receipt.awaits_puback() {
                    seat.await_commit(ticket, cx);
                }
                Ok(Next::Consume)
            }
            Err(NotTaken::RingFull(record_bytes)) => {
                self.blocked_bytes = Some(record_bytes);
                self.keep_paid(publish.payload.len());
                Ok(Next::Keep)
            }
            Err(NotTaken::LogFailed) => Err(self.end(CloseReason::LogFailed)),
            Err(NotTaken::TooLarge(bytes)) => {
                self.keep_paid(publish.payload.len());
                Err(self.end(CloseReason::Error(SessionError::MessageTooLarge(bytes))))
            }
        }
    }

    pub(super) fn publish_will(&mut self, why: CloseReason, cx: &mut Context<'_>) {
        let Some(will) = self.session.close(why) else { return };
        let (Some(seat), Some(identity)) = (&mut self.seat, self.session.identity()) else {
            return;
        };
        match will.publish(identity) {
            Ok(publish) => {
                let system = system_properties(&publish);
                seat.leave_will(d2c_message(&publish, &system), cx);
            }
            Err(reason) => will_dropped(identity, &will, reason, cx),
        }
    }
}

fn will_dropped(identity: &Identity, will: &Will, reason: InvalidWill, cx: &Context<'_>) {
    let topic: String = will.topic().chars().take(LOGGED_TOPIC_CHARS_MAX).collect();
    info!(%identity, connection = %cx.connection, topic, %reason, "will dropped");
}
