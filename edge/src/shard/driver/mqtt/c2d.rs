//! Messages from the queue of the identity to its client.
//!
//! The queue is asked whenever something may have changed: after CONNACK and SUBACK, when a message
//! has come, and with every packet that may open the window.

use ringhub_control_plane::c2d::{C2d, Delivery};
use ringhub_control_plane::directory::Grant;
use ringhub_core::c2d::{LockToken, MqttForm, Verdict};
use ringhub_core::limits::C2D_RETRY_INTERVAL;
use ringhub_core::session::mqtt::{Delivered, DeliveryToken, DeviceBound, MqttSession, NotSent};
use tracing::warn;

use super::{Context, MqttDriver, seat};

impl MqttDriver {
    /// Sends what the client takes now; whether it took something. Costs one look at the queue if
    /// there is nothing.
    pub(super) fn deliver_waiting(&mut self, cx: &Context<'_>) -> bool {
        let mut has_delivered = false;
        let Some(device) = &self.device else { return has_delivered };
        let Some(c2d) = cx.services.control.c2d(device.grant.hub) else { return has_delivered };
        let identity = &device.grant.identity;
        while self.session.can_deliver().is_ok() {
            let Some(delivery) = c2d.lock_next(identity, seat(cx)) else {
                return has_delivered;
            };
            match send(&mut self.session, &delivery) {
                Ok(delivered) => {
                    has_delivered = true;
                    cx.counters().c2d_messages.add(1);
                    cx.counters().c2d_bytes.add(delivery.content.len() as u64);
                    if delivered == Delivered::Written {
                        settle(c2d, &device.grant, delivery.token, true);
                    }
                }
                Err(NotSent::TooLong) => {
                    let hub = cx.services.hub_name(device.grant.hub);
                    let connection = cx.connection;
                    warn!(hub, %identity, %connection, "a message that fits no packet is rejected");
                    settle(c2d, &device.grant, delivery.token, false);
                }
                Err(NotSent::NotSubscribed | NotSent::WindowFull) => {
                    c2d.take_back(identity, &delivery);
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
        let Some(device) = &self.device else { return };
        if let Some(c2d) = cx.services.control.c2d(device.grant.hub) {
            settle(c2d, &device.grant, LockToken(token), true);
        }
        self.deliver_waiting(cx);
    }
}

/// What the client of a connection that ends has not acknowledged comes again on the next one.
/// Called before the next one may enter, so that it finds everything in order.
pub(super) fn unlock(grant: &Grant, cx: &Context<'_>) {
    if let Some(c2d) = cx.services.control.c2d(grant.hub) {
        c2d.unlock(&grant.identity, seat(cx));
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

fn settle(c2d: C2d<'_>, grant: &Grant, token: LockToken, is_complete: bool) {
    let verdict = if is_complete { Verdict::Complete } else { Verdict::Reject };
    // A lock is lost when its time was over: the message is on its way to the client again.
    let _ = c2d.settle(&grant.identity, token, verdict);
}
