//! Twin requests of devices, and answers and changes of desired properties to them.
//!
//! An answer waits until its link is there and has credit: clients attach both links at once.

use bytes::{Bytes, BytesMut};
use ringhub_control_plane::twin::TwinReply;
use ringhub_core::codec::amqp::performative::Condition;
use ringhub_core::codec::amqp::section::{MessageId, MessageIdBuf};
use ringhub_core::id::{Identity, SeatId};
use ringhub_core::limits::AMQP_ANSWER_BYTES_MAX;
use ringhub_core::session::amqp::{DeviceLink, SendBlocked};
use ringhub_core::twin::{
    DesiredChange, InvalidTwinRequest, TwinOperation, TwinRequest, TwinResponse, write_desired,
};
use tracing::debug;

use super::super::{AmqpDriver, Context};
use super::Devices;
use super::outbox::Outbox;
use super::telemetry::Received;
use crate::reader::Refusal;
use crate::shard::seat::TwinBusy;

/// The twin links of a seat.
#[derive(Debug, Default)]
pub(super) struct TwinLinks {
    /// Whether the device has asked for changes of desired properties.
    hears_changes: bool,
    answers: Outbox,
}

impl TwinLinks {
    /// Bytes of the answers that wait.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answers.bytes()
    }
}

impl AmqpDriver {
    /// Takes a request of a device. The store answers what is asked of it later.
    pub(in super::super) fn on_twin_request(
        &mut self,
        number: u32,
        received: Received,
        payload: &[u8],
        cx: &Context<'_>,
    ) {
        let request = TwinRequest::decode(payload);
        let error = request.as_ref().err().map(InvalidTwinRequest::error);
        self.settle_request((number, DeviceLink::TwinRequests), received, error);
        let Ok(TwinRequest { correlation_id: id, operation }) = request else { return };
        let Some(device) = self.devices.get_mut(number) else { return };
        let asked = match operation {
            TwinOperation::Get => device.seat.read_twin(id, cx),
            TwinOperation::Report { version, patch } => {
                device.seat.report_twin(id, version, &patch, cx)
            }
            TwinOperation::Subscribe | TwinOperation::Unsubscribe => {
                device.twin.hears_changes = operation == TwinOperation::Subscribe;
                return self.answer_twin(number, id, (200, None, b""), cx);
            }
        };
        if asked == Err(TwinBusy) {
            self.reply_twin(number, id, &TwinReply::throttled(), cx);
        }
    }

    /// The store has answered.
    pub(in super::super) fn on_twin_reply(
        &mut self,
        seat: SeatId,
        id: &MessageIdBuf,
        reply: &TwinReply,
        cx: &Context<'_>,
    ) {
        let Some(device) = self.devices.get_mut(seat.number) else { return };
        device.seat.handle_twin_reply();
        self.reply_twin(seat.number, id.borrowed(), reply, cx);
    }

    fn reply_twin(&mut self, number: u32, id: MessageId<'_>, reply: &TwinReply, cx: &Context<'_>) {
        match reply {
            TwinReply::Twin(twin) => self.answer_twin(number, id, (200, None, twin), cx),
            TwinReply::Reported(version) => {
                self.answer_twin(number, id, (200, Some(*version), b""), cx);
            }
            TwinReply::Refused(refusal) => {
                let (status, body) = refusal.device_error();
                self.answer_twin(number, id, (status.into(), None, &body), cx);
            }
        }
    }

    /// Answers with status, version and body, as soon as there is credit.
    fn answer_twin(
        &mut self,
        number: u32,
        correlation_id: MessageId<'_>,
        (status, version, body): (i32, Option<u64>, &[u8]),
        cx: &Context<'_>,
    ) {
        let mut answer = BytesMut::new();
        TwinResponse { correlation_id, status, version, body }.encode(&mut answer);
        if self.devices.answer_bytes + answer.len() > AMQP_ANSWER_BYTES_MAX {
            let largest = self.devices.largest_in_answers(number, answer.len());
            self.end_twin(largest, cx);
            if largest == number {
                return;
            }
        }
        self.devices.hold_answer(number, answer.freeze());
        self.send_answers(number, cx);
    }

    /// Ends the twin links of a device that does not take its answers, and drops those, so that
    /// other devices of the connection get theirs.
    fn end_twin(&mut self, number: u32, cx: &Context<'_>) {
        let text = "Too many answers wait for credit.";
        let refusal = Refusal::new(Condition::ResourceLimitExceeded, text);
        self.devices.close_twin(number, DeviceLink::TwinReplies);
        self.end_function(number, DeviceLink::TwinReplies, &refusal, cx);
        self.end_function(number, DeviceLink::TwinRequests, &refusal, cx);
    }

    /// Sends the answers that the client takes now.
    pub(super) fn send_answers(&mut self, number: u32, cx: &Context<'_>) {
        let Some(device) = self.devices.seats.get_mut(&number) else { return };
        let Some(link) = device.link(DeviceLink::TwinReplies) else { return };
        let before = device.twin.answers.bytes();
        let sent = device.twin.answers.send(link, &mut self.connection);
        self.devices.answer_bytes -= before - device.twin.answers.bytes();
        if let Err(blocked) = sent {
            self.devices.wait_to_send(number, blocked, cx.now);
        }
    }

    /// Tells the device what it shall be, after the answers that wait. A change is not kept for a
    /// device that has given no credit for it, nor beyond the bound on answers: it reads its twin
    /// after it has subscribed, and whenever a version is missing.
    pub(in super::super) fn on_desired_changed(
        &mut self,
        seat: SeatId,
        identity: &Identity,
        change: &DesiredChange,
        cx: &Context<'_>,
    ) {
        let Some(device) = self.devices.seats.get_mut(&seat.number) else { return };
        if !device.twin.hears_changes || !device.seat.serves(identity) {
            return;
        }
        let DesiredChange { version, patch, .. } = change;
        let link = device.link(DeviceLink::TwinReplies);
        let blocked = link.and_then(|link| self.connection.can_send(link).err());
        let takes = matches!(blocked, None | Some(SendBlocked::Window | SendBlocked::Output));
        let mut message = BytesMut::new();
        write_desired(&mut message, *version, patch);
        let fits = self.devices.answer_bytes + message.len() <= AMQP_ANSWER_BYTES_MAX;
        if link.is_some() && takes && fits {
            self.devices.hold_answer(seat.number, message.freeze());
            return self.send_answers(seat.number, cx);
        }
        let (hub, connection) = (device.seat.hub_name(), seat);
        debug!(hub, %identity, %connection, version, ?blocked, "desired change not sent");
    }
}

impl Devices {
    fn hold_answer(&mut self, number: u32, answer: Bytes) {
        if let Some(device) = self.seats.get_mut(&number) {
            self.answer_bytes += answer.len();
            device.twin.answers.push(answer);
        }
    }

    /// A twin link is gone: the device asks anew on the next one.
    pub(super) fn close_twin(&mut self, number: u32, function: DeviceLink) {
        let Some(device) = self.seats.get_mut(&number) else { return };
        device.twin.hears_changes = false;
        if function == DeviceLink::TwinReplies {
            self.answer_bytes -= device.twin.answers.bytes();
            device.twin.answers.clear();
        }
    }
}
