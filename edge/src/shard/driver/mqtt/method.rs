//! Method calls to the device, and its answers.

use ringhub_core::method::{MethodCall, Undelivered};
use ringhub_core::session::mqtt::{MethodResponse, NotSent, SubscriptionKind};

use super::{Context, MqttDriver};

impl MqttDriver {
    pub(super) fn on_method_call(&mut self, call: MethodCall, cx: &Context<'_>) {
        let Some(seat) = &mut self.seat else { return };
        let MethodCall { id, invocation } = call;
        let rid = id.to_string();
        match self.session.invoke_method(&invocation.name, &rid, &invocation.payload) {
            Ok(()) => seat.note_called(),
            Err(NotSent::WindowFull | NotSent::TooLong) => {
                seat.refuse_call(id, Undelivered::Behind, cx);
            }
            Err(NotSent::NotSubscribed) => seat.refuse_call(id, Undelivered::NotListening, cx),
        }
    }

    /// Back ends may wait for the identity to listen, which it may do from now on.
    pub(super) fn tell_callers_ready(&self, cx: &Context<'_>) {
        let is_listening = self.session.subscriptions().qos(SubscriptionKind::Methods).is_some();
        if let Some(seat) = &self.seat
            && is_listening
        {
            seat.tell_callers_ready(cx);
        }
    }

    /// An answer that nobody waits for is acknowledged like any other.
    pub(super) fn on_method_response(&self, response: &MethodResponse<'_>, cx: &Context<'_>) {
        let MethodResponse { status, rid, body } = *response;
        if let Some(seat) = &self.seat {
            seat.answer_call(rid, status, body, cx);
        }
    }
}
