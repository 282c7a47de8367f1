//! Requests of devices: telemetry into the ring, messages out of the queue.
//!
//! A request is a visit: it takes no seat from anybody, waits for the last record of those before
//! it, and becomes what the next one waits for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use ringhub_control_plane::api::{
    DeviceOperation, DeviceRefusal, DeviceRequest, Request as ApiRequest, Response,
    delivery_response, done,
};
use ringhub_control_plane::c2d::C2dRefusal;
use ringhub_control_plane::directory::{Grant, Hub};
use ringhub_core::c2d::{LockToken, Verdict};
use ringhub_core::id::{ExecutorId, SeatId};
use ringhub_core::limits::{HTTP_SEND_TIME_MAX, RING_RETRY_INTERVAL};
use ringhub_core::message::{BATCH_CONTENT_TYPE, HttpMessage, InvalidBatch, MessageTooLarge};
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::quota::{OperationClass, Verdict as QuotaVerdict};
use ringhub_core::session::http::Request;
use ringhub_core::time::Timestamp;

use super::{Context, HttpDriver, reply};
use crate::partition::LogState;
use crate::shard::seat::{NotTaken, Seat, operate};

/// Arrays of messages have types of this family, of which the hub knows one.
const BATCH_FAMILY: &str = "application/vnd.microsoft.iothub.";

/// The messages of one request, on their way to the disk.
#[derive(Debug)]
pub(super) struct Sending {
    /// Until all are in the ring.
    seat: Option<Seat>,
    messages: VecDeque<HttpMessage>,
    /// What they are charged as.
    charge: u32,
    is_paid: bool,
    /// When to try again a ring that was full, or what the hub delays.
    retry_at: Option<Timestamp>,
    /// When the hub takes them, if it delays them.
    delayed_to: Option<Timestamp>,
    /// When to wait no longer.
    until: Timestamp,
    /// The last of those that are in the ring.
    last: Option<Ticket>,
}

/// A request for a message that the hub delays.
#[derive(Debug)]
pub(super) struct Receiving {
    grant: Grant,
    lock_time: Duration,
    pub(super) until: Timestamp,
}

impl Sending {
    /// Puts into the ring what it takes. Returns the end of the request, if it has come: all are
    /// durable because there are none, the log has failed, or it has taken too long.
    fn advance(&mut self, cx: &mut Context<'_>) -> Option<Result<(), DeviceRefusal>> {
        if cx.now >= self.until {
            return Some(Err(if is_disk_full(cx) {
                DeviceRefusal::DiskFull
            } else {
                DeviceRefusal::Busy
            }));
        }
        let seat = self.seat.as_mut().filter(|seat| seat.is_open())?;
        if !self.is_paid {
            match seat.pay(self.charge, cx) {
                QuotaVerdict::Pass => {}
                QuotaVerdict::Delayed(until) => self.delayed_to = Some(until),
                QuotaVerdict::Refused(why) => return Some(Err(DeviceRefusal::Quota(why))),
            }
            self.is_paid = true;
        }
        if let Some(until) = self.delayed_to.filter(|until| *until > cx.now) {
            self.retry_at = Some(until);
            return None;
        }
        while let Some(message) = self.messages.front() {
            match seat.publish(message.as_d2c(), cx) {
                Ok(ticket) => {
                    self.messages.pop_front();
                    self.retry_at = None;
                    self.last = Some(ticket);
                }
                Err(NotTaken::RingFull(_)) => {
                    self.retry_at = Some(cx.now + RING_RETRY_INTERVAL);
                    return None;
                }
                Err(NotTaken::LogFailed) => return Some(Err(DeviceRefusal::Storage)),
                Err(NotTaken::TooLarge(_)) => return Some(Err(DeviceRefusal::MessageTooLarge)),
            }
        }
        if let Some(last) = self.last {
            seat.await_commit(last, cx);
        }
        self.leave(cx);
        self.last.is_none().then_some(Ok(()))
    }

    /// Takes the news of a commit; the request ends well when all its messages are durable.
    fn handle_committed(
        &mut self,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Option<Result<(), DeviceRefusal>> {
        if let Some(seat) = &mut self.seat {
            seat.handle_committed(upto, cx);
            return self.advance(cx);
        }
        let (Committed(upto), last) = (upto, self.last?);
        let is_ring = (upto.shard, upto.executor) == (last.shard, last.executor);
        (is_ring && last.position <= upto.position).then_some(Ok(()))
    }

    fn leave(&mut self, cx: &Context<'_>) {
        let Some(seat) = self.seat.take() else { return };
        if self.is_paid && self.last.is_none() && !self.messages.is_empty() {
            seat.give_back(self.charge, cx);
        }
        seat.leave(cx);
    }
}

impl HttpDriver {
    /// Answers a request, or lets the answer follow.
    pub(super) fn on_device_request(
        &mut self,
        device: DeviceRequest,
        request: &Request,
        api: &ApiRequest,
        cx: &mut Context<'_>,
    ) {
        let DeviceRequest { grant, operation } = device;
        match operation {
            DeviceOperation::Send => self.on_send(grant, request, api, cx),
            DeviceOperation::Receive(lock_time) => self.on_receive(grant, lock_time, cx),
            DeviceOperation::Settle(Some(token), verdict) => settle(&grant, token, verdict, cx),
            DeviceOperation::Settle(None, _) => {
                self.respond(&DeviceRefusal::LockLost.response(), cx);
            }
            DeviceOperation::StartUpload(name) => {
                cx.services.control.start_upload(&grant, name, api, reply(cx));
            }
            DeviceOperation::FinishUpload(id) => {
                cx.services.control.finish_upload(&grant, id, api, reply(cx));
            }
        }
    }

    /// Looks for a message when the hub takes the request.
    fn on_receive(&mut self, grant: Grant, lock_time: Duration, cx: &mut Context<'_>) {
        let hub = cx.services.control.directory().hub(grant.hub);
        let ask = |hub: Arc<Hub>| operate(&hub, OperationClass::C2dReceives, cx);
        match hub.map_or(QuotaVerdict::Pass, ask) {
            QuotaVerdict::Pass => {
                let response = receive(&grant, lock_time, cx).unwrap_or_else(done);
                self.respond(&response, cx);
            }
            QuotaVerdict::Delayed(until) => {
                self.receiving = Some(Box::new(Receiving { grant, lock_time, until }));
            }
            QuotaVerdict::Refused(why) => self.respond(&DeviceRefusal::Quota(why).response(), cx),
        }
    }

    /// Answers a request for a message whose time has come.
    pub(super) fn go_on_receiving(&mut self, cx: &mut Context<'_>) {
        if let Some(asked) = self.receiving.take_if(|asked| asked.until <= cx.now) {
            let Receiving { grant, lock_time, .. } = *asked;
            let response = receive(&grant, lock_time, cx).unwrap_or_else(done);
            self.respond(&response, cx);
        }
    }

    fn on_send(&mut self, grant: Grant, request: &Request, api: &ApiRequest, cx: &mut Context<'_>) {
        let sending = messages_of(request, api).and_then(|messages| {
            let seat = Seat::visit(grant, cx).map_err(DeviceRefusal::Gone)?;
            let sizes =
                messages.iter().map(|message| seat.messages_of(message.as_d2c().body.len()));
            let charge = sizes.fold(0, u32::saturating_add);
            let (retry_at, delayed_to) = (None, None);
            let until = cx.now + HTTP_SEND_TIME_MAX;
            let seat = Some(seat);
            Ok(Sending {
                seat,
                messages,
                charge,
                is_paid: false,
                retry_at,
                delayed_to,
                until,
                last: None,
            })
        });
        match sending {
            Err(refusal) => self.respond(&refusal.response(), cx),
            Ok(mut sending) => {
                if let Some(seat) = &mut sending.seat {
                    seat.admit(cx);
                }
                self.sending = Some(Box::new(sending));
                self.go_on_sending(cx);
            }
        }
    }

    /// Goes on where a full ring or the records of others were in the way.
    pub(super) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        let end = self.sending.as_mut().and_then(|sending| sending.advance(cx));
        self.end_sending(end, cx);
    }

    pub(super) fn on_committed(&mut self, upto: Committed<Ticket>, cx: &mut Context<'_>) {
        let end = self.sending.as_mut().and_then(|sending| sending.handle_committed(upto, cx));
        self.end_sending(end, cx);
    }

    /// What is not durable never will be.
    pub(super) fn on_log_failed(&mut self, cx: &mut Context<'_>) {
        let end = self.sending.as_ref().map(|_| Err(DeviceRefusal::Storage));
        self.end_sending(end, cx);
    }

    /// Gives up what is under way.
    pub(super) fn stop_sending(&mut self, cx: &Context<'_>) {
        if let Some(mut sending) = self.sending.take() {
            sending.leave(cx);
        }
    }

    /// When to go on, or to give up.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        let sending = self.sending.as_ref()?;
        Some(sending.retry_at.map_or(sending.until, |at| at.min(sending.until)))
    }

    pub(super) fn on_settled(&mut self, outcome: Result<(), C2dRefusal>, cx: &Context<'_>) {
        let refused = |refusal| DeviceRefusal::from(refusal).response();
        let response = outcome.map_or_else(refused, |()| done());
        self.respond(&response, cx);
    }

    fn end_sending(&mut self, end: Option<Result<(), DeviceRefusal>>, cx: &Context<'_>) {
        let Some(end) = end else { return };
        self.stop_sending(cx);
        let response = end.map_or_else(DeviceRefusal::response, |()| done());
        self.respond(&response, cx);
    }
}

/// Whether a log waits for room.
fn is_disk_full(cx: &Context<'_>) -> bool {
    let pipeline = &cx.services.pipeline;
    let mut executors = (0..pipeline.executor_count()).map(ExecutorId);
    executors.any(|executor| pipeline.state(executor) == LogState::DiskFull)
}

/// The messages of a request, all of them good.
fn messages_of(
    request: &Request,
    api: &ApiRequest,
) -> Result<VecDeque<HttpMessage>, DeviceRefusal> {
    let kind = api.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == BATCH_CONTENT_TYPE {
        let batch = HttpMessage::batch(&request.body).map_err(|error| match error {
            InvalidBatch::Json => {
                DeviceRefusal::Argument("the body must be a JSON array of messages")
            }
            InvalidBatch::Base64 => DeviceRefusal::Argument("the body of a message is not base64"),
            InvalidBatch::TooLarge(_) => DeviceRefusal::MessageTooLarge,
        })?;
        return Ok(batch.into());
    }
    if essence.starts_with(BATCH_FAMILY) {
        return Err(DeviceRefusal::MediaType);
    }
    let message = HttpMessage::from_headers(request.headers(), request.body.clone());
    let message = message.map_err(|MessageTooLarge(_)| DeviceRefusal::MessageTooLarge)?;
    Ok(VecDeque::from([message]))
}

/// The next message of the queue. Its lock outlives the connection and ends by its time.
fn receive(grant: &Grant, lock_time: Duration, cx: &Context<'_>) -> Option<Response> {
    let queues = cx.services.control.c2d(grant.hub)?;
    let holder = SeatId::only(cx.connection);
    loop {
        let delivery = queues.lock_next_for(&grant.identity, holder, lock_time)?;
        let Some(response) = delivery_response(&delivery) else {
            // What was kept is well formed; if it is not, it must not be in the way for ever.
            let _ = queues.settle(&grant.identity, delivery.token, Verdict::Reject);
            continue;
        };
        Seat::count_delivery(&delivery, cx);
        return Some(response);
    }
}

/// The answer follows when the verdict is durable.
fn settle(grant: &Grant, token: LockToken, verdict: Verdict, cx: &Context<'_>) {
    let done = cx.services.c2d_done(cx.connection, 0);
    match cx.services.control.c2d(grant.hub) {
        Some(queues) => queues.settle_then(&grant.identity, token, verdict, done),
        None => done(Err(C2dRefusal::LockLost)),
    }
}
