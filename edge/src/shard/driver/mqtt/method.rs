//! Method calls to the device, and its answers.

use ringhub_core::method::{MethodCall, Undelivered};
use ringhub_core::session::mqtt::{MethodResponse, NotSent, SubscriptionKind};

use super::{Context, Device, MqttDriver, seat};

impl MqttDriver {
    pub(super) fn on_method_call(&mut self, call: MethodCall, cx: &Context<'_>) {
        let MethodCall { id, invocation } = call;
        let rid = id.to_string();
        let sent = self.session.invoke_method(&invocation.name, &rid, &invocation.payload);
        let why = match (sent, &mut self.device) {
            (Ok(()), Some(device)) => {
                device.was_called = true;
                return;
            }
            (Err(NotSent::WindowFull | NotSent::TooLong), _) => Undelivered::Behind,
            (Err(NotSent::NotSubscribed), _) | (Ok(()), None) => Undelivered::NotListening,
        };
        cx.services.control.methods().handle_undelivered(seat(cx), id, why);
    }

    /// Back ends may wait for the identity to listen, which it may do from now on.
    pub(super) fn tell_callers_ready(&self, cx: &Context<'_>) {
        let is_listening = self.session.subscriptions().qos(SubscriptionKind::Methods).is_some();
        if let Some(device) = &self.device
            && is_listening
        {
            let methods = cx.services.control.methods();
            methods.handle_ready(device.grant.hub, &device.grant.identity, seat(cx));
        }
    }
}

/// An answer that nobody waits for is acknowledged like any other.
pub(super) fn on_method_response(response: &MethodResponse<'_>, cx: &Context<'_>) {
    let MethodResponse { status, rid, body } = *response;
    cx.services.control.methods().handle_answer(seat(cx), rid, status, body);
}

/// What was sent on a connection is not answered on another.
pub(super) fn tell_callers_gone(device: &Device, cx: &Context<'_>) {
    if device.was_called {
        let methods = cx.services.control.methods();
        methods.handle_gone(device.grant.hub, &device.grant.identity, seat(cx));
    }
}
