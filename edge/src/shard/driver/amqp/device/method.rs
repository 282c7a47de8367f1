//! Method calls to devices, and their answers.
//!
//! A device listens to methods once both links are attached and the one for calls has credit.
//!
//! Source: device-endpoints reference, "Methods over AMQP".

use bytes::BytesMut;
use ringhub_core::id::SeatId;
use ringhub_core::method::{AmqpAnswer, InvalidAnswer, MethodCall, Undelivered};
use ringhub_core::session::amqp::{DeviceLink, LinkId, Outgoing, SendBlocked};

use super::super::{AmqpDriver, Context};
use super::seated::SeatedDevice;
use super::telemetry::Received;

impl SeatedDevice {
    /// The link for calls, if there is one for answers too.
    fn call_link(&self) -> Option<LinkId> {
        self.link(DeviceLink::MethodAnswers)?;
        self.link(DeviceLink::MethodCalls)
    }
}

impl AmqpDriver {
    /// Passes a call on, or says that the device does not take it.
    pub(in super::super) fn on_method_call(
        &mut self,
        seat: SeatId,
        call: &MethodCall,
        cx: &Context<'_>,
    ) {
        let Some(device) = self.devices.get_mut(seat.number) else {
            let methods = cx.services.control.methods();
            return methods.handle_undelivered(seat, call.id, Undelivered::NotListening);
        };
        let Some(link) = device.call_link() else {
            return device.seat.refuse_call(call.id, Undelivered::NotListening, cx);
        };
        let mut message = BytesMut::new();
        call.encode_amqp(&mut message);
        match self.connection.send(link, &[&message], Outgoing::SETTLED) {
            Ok(_) => device.seat.note_called(),
            // Clients give credit after the attach; the call waits for it as for the link.
            Err(SendBlocked::NotSending | SendBlocked::Credit) => {
                device.seat.refuse_call(call.id, Undelivered::NotListening, cx);
            }
            Err(_) => device.seat.refuse_call(call.id, Undelivered::Behind, cx),
        }
    }

    /// Back ends may wait for a device to listen, which it may do from now on.
    pub(super) fn tell_callers_if_ready(&mut self, number: u32, cx: &Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        if let Some(link) = device.call_link()
            && self.connection.can_send(link).is_ok()
        {
            device.seat.tell_callers_ready(cx);
        }
    }

    /// Passes an answer on; one that nobody waits for is dropped.
    pub(in super::super) fn on_method_answer(
        &mut self,
        number: u32,
        received: Received,
        payload: &[u8],
        cx: &Context<'_>,
    ) {
        let answer = AmqpAnswer::decode(payload);
        let error = answer.as_ref().err().map(InvalidAnswer::error);
        self.settle_request((number, DeviceLink::MethodAnswers), received, error);
        let Some(device) = self.devices.get_mut(number) else { return };
        if let Ok(AmqpAnswer { id, status, body }) = answer {
            device.seat.answer_call(&id.to_string(), status, &body, cx);
        }
    }
}
