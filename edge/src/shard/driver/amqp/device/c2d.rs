//! Messages from the queue of an identity to its link.
//!
//! The queue is asked whenever something may have changed: with credit, when a message has come,
//! with a verdict, and when the window of the session or the output has room again.

use std::collections::HashMap;

use bytes::BytesMut;
use ringhub_control_plane::c2d::Delivery;
use ringhub_core::c2d::{DeliveryHead, LockToken, Verdict, tag_of, verdict_of};
use ringhub_core::codec::amqp::performative::{DeliveryState, SenderSettleMode};
use ringhub_core::session::amqp::{
    AmqpConnection, DeliveryId, DeviceLink, LinkId, Outgoing, SendBlocked,
};
use tracing::warn;

use super::super::{AmqpDriver, Context};
use super::seated::SeatedDevice;
use crate::reader::Refusal;
use crate::service::repeated;
use crate::shard::seat::Seat;

/// What a device has in its hands. Bounded by the deliveries that the machine lets a link have.
#[derive(Debug, Default)]
pub(super) struct DeviceBoundLink {
    held: HashMap<DeliveryId, LockToken>,
    /// Verdicts whose durability the client waits for, by the token of the store's answer.
    settling: HashMap<u64, (DeliveryId, DeliveryState<'static>)>,
    /// Whether the client wants no say: a message is done when it is sent.
    is_settled: bool,
    is_draining: bool,
}

impl DeviceBoundLink {
    /// Forgets a former link; the locks are for the seat.
    pub(super) fn begin(&mut self, mode: SenderSettleMode) {
        *self = Self { is_settled: mode == SenderSettleMode::Settled, ..Self::default() };
    }
}

impl AmqpDriver {
    /// The client has given credit for messages, and perhaps wants it used up.
    pub(super) fn on_c2d_credit(&mut self, number: u32, drain: bool, cx: &Context<'_>) {
        if let Some(device) = self.devices.get_mut(number) {
            device.c2d.is_draining = drain;
        }
        self.deliver_waiting(number, cx);
    }

    /// Sends what the client takes now; whether it took something. Costs one look at the queue if
    /// there is nothing.
    pub(in super::super) fn deliver_waiting(&mut self, number: u32, cx: &Context<'_>) -> bool {
        let Some(device) = self.devices.seats.get_mut(&number) else { return false };
        let Some(link) = device.link(DeviceLink::C2d) else { return false };
        let SeatedDevice { seat, c2d, .. } = device;
        let mut has_delivered = false;
        let blocked = loop {
            if let Err(blocked) = self.connection.can_send(link) {
                break Some(blocked);
            }
            let Some(delivery) = seat.lock_message(cx) else { break None };
            match send(&mut self.connection, link, c2d.is_settled, &delivery) {
                Ok(sent) => {
                    has_delivered = true;
                    Seat::count_delivery(&delivery, cx);
                    if c2d.is_settled {
                        settle(seat, delivery.token, Verdict::Complete, cx);
                    } else {
                        c2d.held.insert(sent, delivery.token);
                    }
                }
                Err(SendBlocked::Size) => {
                    let (hub, identity) = (seat.hub_name(), &seat.grant().identity);
                    let connection = cx.connection;
                    warn!(hub, %identity, %connection, "a message that the link does not permit is rejected");
                    settle(seat, delivery.token, Verdict::Reject, cx);
                }
                Err(blocked) => {
                    seat.take_back(&delivery, cx);
                    break Some(blocked);
                }
            }
        };
        match blocked {
            None | Some(SendBlocked::Credit) if std::mem::take(&mut c2d.is_draining) => {
                self.connection.drain_done(link);
            }
            Some(blocked) => self.devices.wait_to_send(number, blocked, cx.now),
            None => {}
        }
        has_delivered
    }

    /// The client has come to a verdict on a message. One that waits to hear so is answered when
    /// the verdict is durable.
    ///
    /// Source: device-endpoints reference, "Settlement".
    pub(in super::super) fn on_device_settled(
        &mut self,
        number: u32,
        (delivery, settled): (DeliveryId, bool),
        state: Option<DeliveryState<'_>>,
        cx: &Context<'_>,
    ) {
        let answer = self.take_token();
        let Some(device) = self.devices.get_mut(number) else { return };
        let Some(token) = device.c2d.held.remove(&delivery) else { return };
        // Settled without an outcome, a message stays locked until its time is over.
        let Some(verdict) = verdict_of(state.as_ref()) else { return };
        if settled {
            settle(&device.seat, token, verdict, cx);
        } else {
            device.c2d.settling.insert(answer, (delivery, repeated(state)));
            self.asked.insert(answer, delivery.link);
            let done = cx.services.c2d_done(cx.connection, answer);
            device.seat.settle_message_then(token, verdict, done, cx);
        }
        self.deliver_waiting(number, cx);
    }

    /// The store has dealt with a verdict.
    pub(in super::super) fn on_verdict_stored(
        &mut self,
        number: u32,
        answer: u64,
        outcome: Result<(), &Refusal>,
    ) {
        let Some(device) = self.devices.get_mut(number) else { return };
        let Some((delivery, state)) = device.c2d.settling.remove(&answer) else { return };
        let state = match outcome {
            Ok(()) => state,
            Err(why) => DeliveryState::Rejected(Some(why.error())),
        };
        self.connection.settle(delivery, state);
    }
}

fn settle(seat: &Seat, token: LockToken, verdict: Verdict, cx: &Context<'_>) {
    // A lock is lost when its time was over: the message is on its way to the client again.
    let _ = seat.settle_message(token, verdict, cx);
}

fn send(
    connection: &mut AmqpConnection,
    link: LinkId,
    settled: bool,
    delivery: &Delivery,
) -> Result<DeliveryId, SendBlocked> {
    let Delivery { token, sequence_number, enqueued, delivery_count, .. } = *delivery;
    let mut head = BytesMut::new();
    DeliveryHead { sequence_number, token, enqueued, delivery_count }.encode(&mut head);
    let how = Outgoing { settled, format: 0, tag: Some(tag_of(token)) };
    connection.send(link, &[&head, &delivery.content], how)
}
