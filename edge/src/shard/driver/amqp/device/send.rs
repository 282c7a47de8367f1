//! When what waits for a client is tried again.

use ringhub_core::codec::amqp::performative::{AmqpError, DeliveryState};
use ringhub_core::limits::C2D_RETRY_INTERVAL;
use ringhub_core::session::amqp::{DeviceLink, SendBlocked};
use ringhub_core::time::Timestamp;

use super::super::{AmqpDriver, Context};
use super::{Devices, Received};

impl Devices {
    /// Notes what stops a seat from sending. Credit and outcomes come with events of their own.
    pub(super) fn wait_to_send(&mut self, number: u32, blocked: SendBlocked, now: Timestamp) {
        match blocked {
            SendBlocked::Window => drop(self.stopped.insert(number)),
            SendBlocked::Output => {
                if let Some(device) = self.get_mut(number) {
                    device.retry_at = Some(now + C2D_RETRY_INTERVAL);
                }
                self.rearm(number);
            }
            SendBlocked::NotSending
            | SendBlocked::Credit
            | SendBlocked::Unsettled
            | SendBlocked::Size => {}
        }
    }
}

impl AmqpDriver {
    /// The client has given credit on a link of a device, or the link has just been answered.
    pub(in super::super) fn on_device_credit(
        &mut self,
        (number, function): (u32, DeviceLink),
        drain: bool,
        cx: &Context<'_>,
    ) {
        match function {
            DeviceLink::C2d => self.on_c2d_credit(number, drain, cx),
            DeviceLink::TwinReplies => {
                self.send_answers(number, cx);
                self.give_credit_up((number, function), drain);
            }
            DeviceLink::MethodCalls | DeviceLink::MethodAnswers => {
                self.give_credit_up((number, function), drain);
                self.tell_callers_if_ready(number, cx);
            }
            DeviceLink::Telemetry | DeviceLink::TwinRequests | DeviceLink::ModuleInputs => {}
        }
    }

    /// Gives up the credit of a link that the client drains, once nothing waits for that credit.
    fn give_credit_up(&mut self, (number, function): (u32, DeviceLink), drain: bool) {
        let device = self.devices.get_mut(number);
        let Some(link) = device.and_then(|device| device.link(function)).filter(|_| drain) else {
            return;
        };
        if let Ok(()) | Err(SendBlocked::Credit) = self.connection.can_send(link) {
            self.connection.drain_done(link);
        }
    }

    /// Settles a request or an answer of a device, which the hub takes unless there is an error,
    /// and gives credit back for it.
    pub(super) fn settle_request(
        &mut self,
        (number, function): (u32, DeviceLink),
        received: Received,
        error: Option<AmqpError<'_>>,
    ) {
        let Received { delivery, settled, .. } = received;
        if !settled {
            let rejected = |error| DeliveryState::Rejected(Some(error));
            let state = error.map_or(DeliveryState::Accepted, rejected);
            self.connection.settle(delivery, state);
        }
        self.give_credit_back(number, function, delivery.link);
    }

    /// Windows of sessions are open again.
    pub(in super::super) fn on_window_opened(&mut self, cx: &Context<'_>) {
        for number in std::mem::take(&mut self.devices.stopped) {
            self.send_waiting(number, cx);
        }
    }

    /// Tries a client again that did not take its bytes.
    pub(super) fn retry_sending(&mut self, number: u32, cx: &Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        if device.retry_at.take_if(|at| *at <= cx.now).is_some() {
            self.send_waiting(number, cx);
        }
    }

    fn send_waiting(&mut self, number: u32, cx: &Context<'_>) {
        self.send_answers(number, cx);
        self.tell_callers_if_ready(number, cx);
        self.deliver_waiting(number, cx);
    }
}
