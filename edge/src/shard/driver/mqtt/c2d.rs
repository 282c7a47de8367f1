//! Messages from the queue of the identity to its client.
//!
//! The queue is asked whenever something may have changed: after CONNACK and SUBACK, when a message
//! has come, and with every packet that may open the window.

use ringhub_control_plane::c2d::Delivery;
use ringhub_core::c2d::{LockToken, MqttForm, Verdict};
use ringhub_core::limits::C2D_RETRY_INTERVAL;
use ringhub_core::session::mqtt::{Delivered, DeliveryToken, DeviceBound, MqttSession, NotSent};
use tracing::warn;

use super::{Context, MqttDriver};
use crate::shard::seat::Seat;

impl MqttDriver {
    /// Sends what the client takes now; whether it took something. Costs one look at the queue if
    /// there is nothing.
    pub(super) fn deliver_waiting(&mut self, cx: &Context<'_>) -> bool {
        let mut has_delivered = false;
        let Some(seat) = &self.seat else { return has_delivered };
        while self.session.can_deliver().is_ok() {
            let Some(delivery) = seat.lock_message(cx) else { return has_delivered };
            match send(&mut self.session, &delivery) {
                Ok(delivered) => {
                    has_delivered = true;
                    Seat::count_delivery(&delivery, cx);
                    if delivered == Delivered::Written {
                        settle(seat, delivery.token, Verdict::Complete, cx);
                    }
                }
                Err(NotSent::TooLong) => {
                    let (hub, identity) = (seat.hub_name(), &seat.grant().identity);
                    let connection = cx.connection;
                    warn!(hub, %identity, %connection, "a message that fits no packet is rejected");
                    settle(seat, delivery.token, Verdict::Reject, cx);
                }
                Err(NotSent::NotSubscribed | NotSent::WindowFull) => {
                    seat.take_back(&delivery, cx);
                    return has_delivered;
                }
            }
        }
        if self.session.is_behind() {
            self.deliver_at = Some(Box::new(cx.now + C2D_RETRY_INTERVAL));
        }
        has_delivered
    }

    /// The client has the message; a lock that was lost meanwhile is not told over MQTT.
    pub(super) fn on_delivered(&mut self, DeliveryToken(token): DeliveryToken, cx: &Context<'_>) {
        let Some(seat) = &self.seat else { return };
        settle(seat, LockToken(token), Verdict::Complete, cx);
        self.deliver_waiting(cx);
    }
}

fn send(session: &mut MqttSession, delivery: &Delivery) -> Result<Delivered, NotSent> {
    let form = MqttForm::of(&delivery.content).map_err(|_| NotSent::TooLong)?;
    session.deliver(DeviceBound {
        input: None,
        bag: &form.bag,
        payload: form.payload,
        redelivered: delivery.redelivered,
        token: DeliveryToken(delivery.token.0),
    })
}

fn settle(seat: &Seat, token: LockToken, verdict: Verdict, cx: &Context<'_>) {
    // A lock is lost when its time was over: the message is on its way to the client again.
    let _ = seat.settle_message(token, verdict, cx);
}
