//! From an attach to a seat, and from its end to the detach of its links.

use ringhub_control_plane::directory::{AuthFailure, CutReason, Grant};
use ringhub_core::codec::amqp::performative::{Attach, Condition};
use ringhub_core::id::{HubId, Identity, SeatId};
use ringhub_core::limits::{D2C_TRANSFER_BYTES_MAX, DEVICE_LINK_CREDIT, MODEL_ID_BYTES_MAX};
use ringhub_core::quota::Verdict;
use ringhub_core::session::amqp::{DeviceLink, DeviceNode, LinkAccept, LinkId};
use ringhub_core::time::Timestamp;
use tracing::{debug, info};

use super::super::links::LinkRole;
use super::super::{AmqpDriver, Context};
use crate::reader::{Refusal, end_of};
use crate::shard::seat::Seat;

/// Link property by which a client announces a Plug and Play model.
const MODEL_ID: &str = "com.microsoft:model-id";

impl AmqpDriver {
    /// Takes a link to a node of a device or module. It is answered when the seat is admitted.
    pub(in super::super) fn attach_device(
        &mut self,
        link: LinkId,
        attach: &Attach<'_>,
        (identity, node): (Identity, DeviceNode),
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let function = match node.link(&identity, attach.role) {
            Some(DeviceLink::ModuleInputs) => {
                return Err(Refusal::not_offered("inputs of modules"));
            }
            Some(function) => function,
            None => {
                let text = "Nobody may attach to this node in this direction.";
                return Err(Refusal::new(Condition::NotAllowed, text));
            }
        };
        if let Some(reason) = cx.services.pipeline.failed() {
            return Err(Refusal::internal(reason));
        }
        let directory = cx.services.control.directory();
        let hub = self.hub.meant(directory).map_err(|host| Refusal::not_found(host, ""))?;
        let hub = hub.id;
        let number = match self.live_seat((hub, &identity), cx) {
            Some(number) => number,
            None => self.take_seat((hub, &identity), attach, cx)?,
        };
        self.join(number, (link, function), attach, cx);
        self.answer_attaches(number, cx);
        Ok(())
    }

    /// The seat that an identity has here. One that another connection has taken over ends now, as
    /// the mail about it will say: who attaches anew is the newest.
    fn live_seat(&mut self, (hub, identity): (HubId, &Identity), cx: &Context<'_>) -> Option<u32> {
        let number = self.devices.number_of(hub, identity)?;
        let seat = SeatId { connection: cx.connection, number };
        let holder = cx.services.control.directory().seat(hub, identity.into());
        if holder.is_some_and(|holder| holder != seat) {
            self.on_evicted(seat, cx);
            return None;
        }
        Some(number)
    }

    fn take_seat(
        &mut self,
        (hub, identity): (HubId, &Identity),
        attach: &Attach<'_>,
        cx: &Context<'_>,
    ) -> Result<u32, Refusal> {
        if self.devices.is_full() {
            let text = "The connection serves as many devices as it may serve.";
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        let grant = self.admit((hub, identity), cx).map_err(Refusal::of_token)?;
        self.choose_hub(hub, "", cx)?;
        let ends = end(&grant, cx);
        let number = self.devices.next_number();
        let taken = Seat::take(grant, announced_model(attach), number, cx);
        let seat = taken.map_err(Refusal::of_token)?.seat;
        let connects_at = match seat.pay_connect(cx) {
            Verdict::Pass => None,
            Verdict::Delayed(until) => Some(until),
            Verdict::Refused(why) => {
                seat.leave(cx);
                return Err(Refusal::of_quota(why));
            }
        };
        self.devices.insert(number, seat, ends);
        if let Some(device) = self.devices.get_mut(number) {
            device.connects_at = connects_at;
        }
        self.devices.rearm(number);
        self.connection.permit_partial_bytes(self.devices.partial_bytes_max());
        Ok(number)
    }

    fn admit(&self, name: (HubId, &Identity), cx: &Context<'_>) -> Result<Grant, AuthFailure> {
        self.credentials.admit(name, &self.claims, cx.services.control.directory(), cx.wall)
    }

    /// Gives a link its function, which another one may have had.
    fn join(
        &mut self,
        number: u32,
        (link, function): (LinkId, DeviceLink),
        attach: &Attach<'_>,
        cx: &Context<'_>,
    ) {
        let Some(device) = self.devices.get_mut(number) else { return };
        let replaced = device.set_link(function, Some(link));
        device.asked.push((link, function));
        self.links.set(link, LinkRole::Device(number, function));
        if let Some(replaced) = replaced {
            let text = "Another link of the device has taken the place of this one.";
            self.end_link(number, replaced, &Refusal::new(Condition::Stolen, text));
            self.close_function(number, function, cx);
        }
        let Some(device) = self.devices.get_mut(number) else { return };
        if function == DeviceLink::C2d {
            device.c2d.begin(attach.snd_settle_mode);
        }
    }

    /// Answers the attaches of a seat that is admitted by now.
    fn answer_attaches(&mut self, number: u32, cx: &mut Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        if !device.is_admitted {
            let is_early = device.connects_at.is_some_and(|at| at > cx.now);
            if is_early || !device.seat.admit(cx) {
                return;
            }
            device.is_admitted = true;
            device.connects_at = None;
            cx.counters().amqp_seats_admitted.add(1);
            let (hub, connection) = (device.seat.hub_name(), device.seat.id(cx));
            debug!(hub, identity = %device.seat.grant().identity, %connection, "device connected");
        }
        let is_open = device.seat.is_open();
        for (link, function) in std::mem::take(&mut device.asked) {
            let accept = LinkAccept {
                credit: credit(function, is_open),
                max_message_size: D2C_TRANSFER_BYTES_MAX as u64,
                snd_settle_mode: None,
            };
            self.connection.accept_link(link, accept);
            self.begin_function(number, (link, function), cx);
        }
    }

    /// A link of a seat is attached; the client may have given credit before.
    fn begin_function(
        &mut self,
        number: u32,
        (link, function): (LinkId, DeviceLink),
        cx: &mut Context<'_>,
    ) {
        if let Some(credit) = self.connection.credit_of(link) {
            self.on_device_credit((number, function), credit.drain, cx);
        }
    }

    /// A link has lost its function, and its seat stays.
    fn close_function(&mut self, number: u32, function: DeviceLink, cx: &Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        match function {
            DeviceLink::C2d => device.seat.unlock_messages(cx),
            DeviceLink::TwinRequests | DeviceLink::TwinReplies => {
                self.devices.close_twin(number, function);
            }
            _ => {}
        }
    }

    /// All former seats of the identity are gone.
    pub(in super::super) fn on_predecessors_gone(&mut self, seat: SeatId, cx: &mut Context<'_>) {
        let Some(device) = self.devices.get_mut(seat.number) else { return };
        device.seat.handle_predecessors_gone(cx);
        self.answer_attaches(seat.number, cx);
    }

    /// A link of a device is gone; the last one takes the seat with it.
    pub(in super::super) fn forget_device_link(
        &mut self,
        link: LinkId,
        (number, function): (u32, DeviceLink),
        cx: &Context<'_>,
    ) {
        let Some(device) = self.devices.get_mut(number) else { return };
        device.take_asked(link);
        device.set_link(function, None);
        if device.links().next().is_some() {
            self.close_function(number, function, cx);
        } else {
            self.leave(number, cx);
        }
    }

    /// Ends a link of a seat by its function.
    pub(super) fn end_function(
        &mut self,
        number: u32,
        function: DeviceLink,
        refusal: &Refusal,
        cx: &Context<'_>,
    ) {
        let Some(device) = self.devices.get_mut(number) else { return };
        if let Some(link) = device.link(function) {
            self.end_link(number, link, refusal);
            self.forget_device_link(link, (number, function), cx);
        }
    }

    /// Another connection has taken the place of a seat.
    pub(in super::super) fn on_evicted(&mut self, seat: SeatId, cx: &Context<'_>) {
        let text = "The device has connected anew (400027).";
        self.end_seat(seat.number, &Refusal::new(Condition::Stolen, text), cx);
    }

    /// An identity may no longer be connected.
    pub(in super::super) fn on_cut(
        &mut self,
        seat: SeatId,
        identity: &Identity,
        reason: CutReason,
        cx: &Context<'_>,
    ) {
        let device = self.devices.get_mut(seat.number);
        let Some(device) = device.filter(|device| device.seat.serves(identity)) else { return };
        let (hub, connection) = (device.seat.hub_name(), device.seat.id(cx));
        info!(hub, %identity, %connection, ?reason, "device cut off");
        let hub = device.seat.grant().hub;
        self.credentials.remove(hub, identity);
        self.end_seat(seat.number, &cut_refusal(reason), cx);
    }

    /// Looks at the credential of a seat whose time is over: it may have been renewed.
    pub(super) fn check_credential(&mut self, number: u32, cx: &Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        let (hub, identity) = (device.seat.grant().hub, device.seat.grant().identity.clone());
        if let Ok(grant) = self.admit((hub, &identity), cx)
            && let Some(device) = self.devices.get_mut(number)
        {
            device.ends = end(&grant, cx);
            return;
        }
        let connection = cx.connection;
        info!(hub = %cx.services.hub_name(hub), %identity, %connection, "token of the device has expired");
        if self.credentials.has_login() {
            self.connection.close(Some(Refusal::expired().error()));
        }
        self.end_seat(number, &Refusal::expired(), cx);
    }

    /// Ends a seat for a reason that its client is told on each link. Other seats hear nothing.
    fn end_seat(&mut self, number: u32, refusal: &Refusal, cx: &Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        let links: Vec<LinkId> = device.links().collect();
        for link in links {
            self.end_link(number, link, refusal);
        }
        self.leave(number, cx);
    }

    /// Detaches a link of a seat, or refuses it if it was not answered yet.
    fn end_link(&mut self, number: u32, link: LinkId, refusal: &Refusal) {
        let device = self.devices.get_mut(number);
        self.links.remove(link);
        if device.is_some_and(|device| device.take_asked(link)) {
            self.connection.refuse_link(link, &refusal.error());
        } else {
            self.connection.detach(link, Some(refusal.error()));
        }
    }

    fn leave(&mut self, number: u32, cx: &Context<'_>) {
        if let Some(device) = self.devices.remove(number) {
            let (hub, connection) = (device.seat.hub_name(), device.seat.id(cx));
            debug!(hub, identity = %device.seat.grant().identity, %connection, "device disconnected");
            device.seat.give_back(device.telemetry.unused(), cx);
            device.seat.leave(cx);
            self.connection.permit_partial_bytes(self.devices.partial_bytes_max());
        }
    }

    /// The log that failed takes no more messages, and what it has not made durable never will be.
    pub(in super::super) fn end_all_seats(&mut self, refusal: &Refusal, cx: &Context<'_>) {
        for number in self.devices.numbers() {
            self.end_seat(number, refusal, cx);
        }
    }

    /// The connection ends.
    pub(in super::super) fn leave_all_seats(&mut self, cx: &Context<'_>) {
        for number in self.devices.numbers() {
            self.leave(number, cx);
        }
    }

    /// Does what is due on the seats whose time has come.
    pub(in super::super) fn expire_seats(&mut self, cx: &mut Context<'_>) {
        while let Some(number) = self.devices.poll_expired(cx.now) {
            self.on_seat_timeout(number, cx);
            self.devices.rearm(number);
        }
    }

    fn on_seat_timeout(&mut self, number: u32, cx: &mut Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        device.seat.handle_timeout(cx);
        if device.ends <= cx.now {
            self.check_credential(number, cx);
        }
        let device = self.devices.get_mut(number);
        if device.is_some_and(|device| device.connects_at.take_if(|at| *at <= cx.now).is_some()) {
            self.answer_attaches(number, cx);
        }
        self.retry_telemetry(number, cx);
        self.retry_sending(number, cx);
    }
}

/// Messages that a device may send before it hears of the first. Telemetry begins when the seat is
/// open: what it had to hold until then would be lost if the device goes at once.
const fn credit(function: DeviceLink, is_open: bool) -> u32 {
    match function {
        DeviceLink::Telemetry if !is_open => 0,
        DeviceLink::Telemetry | DeviceLink::TwinRequests | DeviceLink::MethodAnswers => {
            DEVICE_LINK_CREDIT
        }
        _ => 0,
    }
}

/// When the credential behind a grant proves nothing any more.
fn end(grant: &Grant, cx: &Context<'_>) -> Timestamp {
    cx.deadline_at(end_of(grant.expires))
}

/// The Plug and Play model that the first link of a device announces.
fn announced_model<'a>(attach: &Attach<'a>) -> Option<&'a str> {
    let model = attach.properties?.value(MODEL_ID)?.as_text()?;
    (1..=MODEL_ID_BYTES_MAX).contains(&model.len()).then_some(model)
}

fn cut_refusal(reason: CutReason) -> Refusal {
    let (condition, text) = match reason {
        CutReason::Disabled => (Condition::UnauthorizedAccess, "The device is disabled (403012)."),
        CutReason::Deleted => (Condition::NotFound, "The device is not registered (404001)."),
        CutReason::CertificateRemoved => {
            (Condition::UnauthorizedAccess, "The certificate is not accepted any more (401002).")
        }
    };
    Refusal::new(condition, text)
}
