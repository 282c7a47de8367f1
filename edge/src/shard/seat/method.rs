//! Method calls to the device, and its answers.

use ringhub_core::method::{CallId, Undelivered};

use super::{Context, Seat};

impl Seat {
    /// The client was told of a call: the end of the seat is news to the callers from now on.
    pub(crate) fn note_called(&mut self) {
        self.was_called = true;
    }

    /// The client does not take a call.
    pub(crate) fn refuse_call(&self, id: CallId, why: Undelivered, cx: &Context<'_>) {
        cx.services.control.methods().handle_undelivered(self.id(cx), id, why);
    }

    /// Passes on an answer. One that nobody waits for is dropped.
    pub(crate) fn answer_call(&self, rid: &str, status: i32, body: &[u8], cx: &Context<'_>) {
        cx.services.control.methods().handle_answer(self.id(cx), rid, status, body);
    }

    /// The client listens to methods. Back ends may wait for that.
    pub(crate) fn tell_callers_ready(&self, cx: &Context<'_>) {
        let methods = cx.services.control.methods();
        methods.handle_ready(self.grant.hub, &self.grant.identity, self.id(cx));
    }

    /// What was sent to a seat is not answered on another.
    pub(crate) fn tell_callers_gone(&self, cx: &Context<'_>) {
        if self.was_called {
            let methods = cx.services.control.methods();
            methods.handle_gone(self.grant.hub, &self.grant.identity, self.id(cx));
        }
    }
}
