//! Device-to-cloud messages and wills.

use ringhub_core::session::mqtt::{CloseReason, D2cPublish, SessionError, d2c_message};

use super::{Context, MqttDriver, Next};
use crate::shard::Close;
use crate::shard::seat::NotTaken;

impl MqttDriver {
    pub(super) fn on_publish(
        &mut self,
        publish: &D2cPublish<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Next, Close> {
        let Some(seat) = &mut self.seat else {
            return Err(self.end(CloseReason::Error(SessionError::ExpectedConnect)));
        };
        match seat.publish(d2c_message(publish), cx) {
            Ok(ticket) => {
                self.blocked_bytes = None;
                self.session.handle_accepted(publish.receipt, ticket.position);
                if publish.receipt.awaits_puback() {
                    seat.await_commit(ticket, cx);
                }
                Ok(Next::Consume)
            }
            Err(NotTaken::RingFull(record_bytes)) => {
                self.blocked_bytes = Some(record_bytes);
                Ok(Next::Keep)
            }
            Err(NotTaken::LogFailed) => Err(self.end(CloseReason::LogFailed)),
            Err(NotTaken::TooLarge(bytes)) => {
                Err(self.end(CloseReason::Error(SessionError::MessageTooLarge(bytes))))
            }
        }
    }

    pub(super) fn publish_will(&mut self, why: CloseReason, cx: &mut Context<'_>) {
        if let Some(will) = self.session.close(why)
            && let Some(seat) = &mut self.seat
        {
            seat.leave_will(d2c_message(&will.publish()), cx);
        }
    }
}
