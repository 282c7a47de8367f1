//! Telemetry of devices: into the ring in order, accepted when it is durable.
//!
//! A device has no credit while its seat waits for records of those before it. A message that
//! cannot go into the ring yet because that is full is kept, and those behind it on the same seat
//! with it. Other seats go on.

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use ringhub_core::codec::amqp::performative::{Condition, DeliveryState};
use ringhub_core::id::SeatId;
use ringhub_core::limits::{DEVICE_LINK_CREDIT, RING_RETRY_INTERVAL};
use ringhub_core::message::{AmqpTelemetry, InvalidTelemetry};
use ringhub_core::position::{Committed, RingPosition, Ticket};
use ringhub_core::quota::Verdict;
use ringhub_core::session::amqp::{DeliveryId, DeviceLink, LinkId};
use ringhub_core::time::Timestamp;
use tracing::debug;

use super::super::{AmqpDriver, Context};
use super::Devices;
use super::seated::SeatedDevice;
use crate::reader::Refusal;
use crate::shard::seat::{NotTaken, Seat};

/// What a seat has sent and has no answer for.
#[derive(Debug, Default)]
pub(super) struct TelemetryLink {
    /// What is not in the ring yet, in order.
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Bytes of the record that found its ring full.
    record_bytes: usize,
    retry_at: Option<Timestamp>,
    /// What is in the ring and wants an outcome, by the position of its last record.
    committing: VecDeque<(RingPosition, DeliveryId)>,
}

/// A transfer that waits for room in the ring.
#[derive(Debug)]
struct Held {
    received: Received,
    payload: Bytes,
    /// Messages of it that are in the ring already.
    published: usize,
    /// What it was charged as when its hub let it through; before, that is to be asked.
    paid: Option<u32>,
}

/// A transfer as it came.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Received {
    pub(in super::super) delivery: DeliveryId,
    pub(in super::super) settled: bool,
    pub(in super::super) format: u32,
}

/// Transfers in a row of which the client hears in one frame.
struct DurableRun {
    first: DeliveryId,
    last: DeliveryId,
    count: u32,
}

/// How far a transfer has come.
enum Progress {
    /// All of its messages are in the ring, up to this record.
    Published(Ticket),
    /// The next of its messages needs this many bytes in the ring, or comes after one that does.
    Stopped(usize),
    /// It is paid for, and the hub takes it at this time.
    Delayed(Timestamp),
    Refused(Refusal),
}

impl TelemetryLink {
    /// When what is held goes on.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Transfers without an outcome.
    pub(super) fn in_flight(&self) -> usize {
        self.held.len() + self.committing.len()
    }

    /// What was paid for and is not in the ring, if the seat ends now.
    pub(super) fn unused(&self) -> u32 {
        let first = self.held.front().filter(|first| first.published == 0);
        first.and_then(|first| first.paid).unwrap_or(0)
    }

    /// Bytes of the transfers that are not in the ring.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn hold(&mut self, held: Held) {
        self.held_bytes += held.payload.len();
        self.held.push_back(held);
    }

    /// Takes out the oldest transfers that are durable and can be told in one range.
    fn take_durable(&mut self, upto: RingPosition) -> Option<DurableRun> {
        let (_, first) = self.committing.pop_front_if(|(last, _)| *last <= upto)?;
        let mut run = DurableRun { first, last: first, count: 1 };
        while let Some((_, next)) = self
            .committing
            .pop_front_if(|(last, delivery)| *last <= upto && delivery.follows(run.last))
        {
            run.last = next;
            run.count += 1;
        }
        Some(run)
    }

    /// The oldest of what is held goes on at this time.
    fn wait(&mut self, until: Timestamp) {
        self.record_bytes = 0;
        self.retry_at = Some(until);
    }

    fn stop(&mut self, record_bytes: usize, now: Timestamp) {
        self.record_bytes = record_bytes;
        self.retry_at = Some(now + RING_RETRY_INTERVAL);
    }
}

impl Held {
    /// Puts what is left of the transfer into the ring.
    fn publish(&mut self, seat: &mut Seat, cx: &mut Context<'_>) -> Progress {
        let mut telemetry = AmqpTelemetry::default();
        match telemetry.read(self.received.format, &self.payload) {
            Ok(()) => {
                let Self { published, paid, .. } = self;
                publish(&telemetry, (published, paid), seat, cx)
            }
            Err(why) => Progress::Refused(refusal_of(&why)),
        }
    }
}

impl SeatedDevice {
    /// Lets the outcome of a transfer follow the commit of its last record.
    fn await_outcome(&mut self, last: Ticket, delivery: DeliveryId, cx: &mut Context<'_>) {
        self.telemetry.committing.push_back((last.position, delivery));
        self.seat.await_commit(last, cx);
    }
}

impl AmqpDriver {
    /// Takes a transfer of a device.
    pub(in super::super) fn on_telemetry(
        &mut self,
        number: u32,
        received: Received,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) {
        let Devices { seats, deadlines, in_flight, held_bytes, .. } = &mut self.devices;
        let Some(device) = seats.get_mut(&number) else { return };
        *in_flight += 1;
        let SeatedDevice { seat, telemetry, .. } = device;
        let (mut published, mut paid) = (0, None);
        let mut messages = AmqpTelemetry::default();
        let progress = match messages.read(received.format, payload) {
            Err(why) => Progress::Refused(refusal_of(&why)),
            Ok(()) if !telemetry.held.is_empty() => Progress::Stopped(0),
            Ok(()) => publish(&messages, (&mut published, &mut paid), seat, cx),
        };
        let unfinished = match progress {
            Progress::Published(last) if !received.settled => {
                device.await_outcome(last, received.delivery, cx);
                None
            }
            Progress::Stopped(_) | Progress::Delayed(_) => {
                let payload = Bytes::copy_from_slice(payload);
                *held_bytes += payload.len();
                telemetry.hold(Held { received, payload, published, paid });
                match progress {
                    Progress::Delayed(until) => telemetry.wait(until),
                    Progress::Stopped(bytes) if bytes > 0 => telemetry.stop(bytes, cx.now),
                    _ => {}
                }
                None
            }
            progress => Some(progress),
        };
        device.rearm(number, deadlines);
        if let Some(progress) = unfinished {
            self.finish(number, received, progress, cx);
        }
    }

    /// Goes on with what was held, as far as the ring has room.
    fn publish_held(&mut self, number: u32, cx: &mut Context<'_>) {
        loop {
            let Some(device) = self.devices.seats.get_mut(&number) else { return };
            let SeatedDevice { seat, telemetry, .. } = device;
            let Some(first) = telemetry.held.front_mut() else { return };
            let progress = first.publish(seat, cx);
            match progress {
                Progress::Stopped(record_bytes) => return telemetry.stop(record_bytes, cx.now),
                Progress::Delayed(until) => return telemetry.wait(until),
                Progress::Published(_) | Progress::Refused(_) => {}
            }
            let Some(Held { received, payload, .. }) = telemetry.held.pop_front() else { return };
            telemetry.held_bytes -= payload.len();
            self.devices.held_bytes -= payload.len();
            self.finish(number, received, progress, cx);
        }
    }

    /// Tries a ring again that was full.
    pub(super) fn retry_telemetry(&mut self, number: u32, cx: &mut Context<'_>) {
        let Some(device) = self.devices.get_mut(number) else { return };
        if device.telemetry.retry_at.is_none_or(|at| at > cx.now) {
            return;
        }
        if device.seat.has_room(device.telemetry.record_bytes, cx.services) {
            device.telemetry.retry_at = None;
            self.publish_held(number, cx);
        } else {
            device.telemetry.retry_at = Some(cx.now + RING_RETRY_INTERVAL);
        }
    }

    /// A commit has come that a seat waited for: its own records, or those of the seats before it.
    pub(in super::super) fn on_seat_committed(
        &mut self,
        SeatId { number, .. }: SeatId,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) {
        let Some(device) = self.devices.get_mut(number) else { return };
        let was_open = device.seat.is_open();
        if let Some(Committed(position)) = device.seat.handle_committed(upto, cx) {
            self.accept_committed(number, position);
        }
        if !was_open {
            self.begin_telemetry(number);
        }
    }

    /// Lets the telemetry of a device begin, if its seat is open now.
    fn begin_telemetry(&mut self, number: u32) {
        let device = self.devices.get_mut(number).filter(|device| device.seat.is_open());
        if let Some(link) = device.and_then(|device| device.link(DeviceLink::Telemetry)) {
            self.connection.grant_credit(link, DEVICE_LINK_CREDIT);
        }
    }

    fn accept_committed(&mut self, number: u32, upto: RingPosition) {
        let Devices { seats, in_flight, .. } = &mut self.devices;
        let Some(device) = seats.get_mut(&number) else { return };
        while let Some(DurableRun { first, last, count }) = device.telemetry.take_durable(upto) {
            self.connection.settle_run(first, last, DeliveryState::Accepted);
            *in_flight -= count as usize;
            if let Some(credit) = device.count_done(DeviceLink::Telemetry, last.link, count) {
                self.connection.grant_credit(last.link, credit);
            }
        }
    }

    /// Ends a transfer, or lets its end follow the commit.
    fn finish(
        &mut self,
        number: u32,
        received: Received,
        progress: Progress,
        cx: &mut Context<'_>,
    ) {
        let Received { delivery, settled, .. } = received;
        match progress {
            Progress::Published(last) if !settled => {
                let Some(device) = self.devices.get_mut(number) else { return };
                return device.await_outcome(last, delivery, cx);
            }
            Progress::Refused(refusal) => {
                let connection = cx.connection;
                debug!(%connection, reason = %refusal.text, "message of a device refused");
                if !settled {
                    let error = Some(refusal.error());
                    self.connection.settle(delivery, DeliveryState::Rejected(error));
                }
            }
            Progress::Published(_) | Progress::Stopped(_) | Progress::Delayed(_) => {}
        }
        self.count_done(number, delivery);
    }

    /// Counts a transfer that is done with.
    fn count_done(&mut self, number: u32, delivery: DeliveryId) {
        self.devices.in_flight -= 1;
        self.give_credit_back(number, DeviceLink::Telemetry, delivery.link);
    }

    /// Gives credit back for a message that is done with, in halves.
    pub(super) fn give_credit_back(&mut self, number: u32, function: DeviceLink, link: LinkId) {
        let device = self.devices.get_mut(number);
        if let Some(credit) = device.and_then(|device| device.count_done(function, link, 1)) {
            self.connection.grant_credit(link, credit);
        }
    }
}

/// Pays for a transfer as a whole. What it is charged as is noted where it is let through.
fn pay(
    messages: &AmqpTelemetry<'_>,
    paid: &mut Option<u32>,
    seat: &Seat,
    cx: &Context<'_>,
) -> Verdict {
    let mut charge = 0_u32;
    // Without limits each counts 0, and the parts of a batch are not looked at.
    if seat.messages_of(0) > 0 {
        let _ = messages.try_for_each(0, |message| {
            charge = charge.saturating_add(seat.messages_of(message.as_d2c().body.len()));
            Ok::<_, Infallible>(())
        });
    }
    let verdict = seat.pay(charge, cx);
    if !matches!(verdict, Verdict::Refused(_)) {
        *paid = Some(charge);
    }
    verdict
}

/// Puts the messages of a transfer into the ring, beginning behind those that `published` counts.
fn publish(
    messages: &AmqpTelemetry<'_>,
    (published, paid): (&mut usize, &mut Option<u32>),
    seat: &mut Seat,
    cx: &mut Context<'_>,
) -> Progress {
    if paid.is_none() {
        match pay(messages, paid, seat, cx) {
            Verdict::Pass => {}
            Verdict::Delayed(until) => return Progress::Delayed(until),
            Verdict::Refused(why) => return Progress::Refused(Refusal::of_quota(why)),
        }
    }
    let mut last = None;
    let taken = messages.try_for_each(*published, |message| {
        last = Some(seat.publish(message.as_d2c(), cx)?);
        *published += 1;
        Ok(())
    });
    match (taken, last) {
        (Ok(()), Some(last)) => Progress::Published(last),
        // A transfer has a message at least, and what was put into the ring last is never held.
        (Ok(()), None) => Progress::Refused(Refusal::internal("the transfer held nothing")),
        (Err(NotTaken::RingFull(record_bytes)), _) => Progress::Stopped(record_bytes),
        (Err(NotTaken::LogFailed), _) => {
            Progress::Refused(Refusal::internal("the commit log has failed"))
        }
        (Err(NotTaken::TooLarge(bytes)), _) => {
            let text = format!("A message of {bytes} bytes is too large.");
            Progress::Refused(Refusal::new(Condition::MessageSizeExceeded, text))
        }
    }
}

fn refusal_of(why: &InvalidTelemetry) -> Refusal {
    Refusal::new(why.condition(), why.to_string())
}
