//! The load: each device publishes when it is due, or as soon as its window has room.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ringhub_core::codec::mqtt::Qos;

use crate::alarm::Alarm;
use crate::cadence::Cadence;
use crate::connection::Connection;
use crate::device::{Message, Scratch, Stage};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::plan::{Load, Work};
use crate::protocol::Protocol;
use crate::publisher::Publisher;

/// Segments that are sent one after the other, when the pacer is late, before others get a turn.
const BURST: u32 = 32;

/// The load under way.
pub(crate) struct Publishing {
    start: Instant,
    publishers: RefCell<Vec<Publisher>>,
}

impl Engine {
    /// Publishes from `start` on, and waits for the acknowledgements.
    pub(crate) async fn publish(self: &Rc<Self>, load: &Load, start: Instant, alarm: Alarm) {
        let publishers = (0..self.plan.size()).map(|slot| {
            let number = self.plan.share.device(slot);
            // Elsewhere a link or a path says whose messages they are.
            let over_mqtt = self.plan.manner.speech.protocol() == Protocol::Mqtt;
            let topic = over_mqtt.then(|| self.plan.fleet.topic(number));
            Publisher::new(number, topic.unwrap_or_default())
        });
        let publishers = RefCell::new(publishers.collect());
        self.publishing.get_or_init(|| Publishing { start, publishers });
        self.tally.borrow_mut().telemetry.is_acknowledged = load.qos == Qos::AtLeastOnce;
        match load.cadence {
            Some(cadence) => drop(monoio::spawn(Rc::clone(self).pace(cadence, alarm))),
            None => self.pump_all(),
        }
        let end = start + load.last();
        self.wait_while(|| Instant::now() < end).await;
        let patience = end + self.plan.timeout;
        self.wait_while(|| Instant::now() < patience && self.is_busy(load)).await;
    }

    /// Time since the load began, if it has.
    pub(crate) fn load_elapsed(&self) -> Option<Duration> {
        self.publishing.get().map(|run| run.start.elapsed())
    }

    /// Lets each device send when its segment is due.
    async fn pace(self: Rc<Self>, cadence: Cadence, alarm: Alarm) {
        let (Some(run), Work::Publish(load)) = (self.publishing.get(), &self.plan.work) else {
            return;
        };
        let mut burst = 0;
        let slots = 0..self.plan.size();
        let beats = (0..).flat_map(|round| slots.clone().map(move |slot| (round, slot)));
        for (round, slot) in beats {
            let due = cadence.due(round, self.plan.share.device(slot));
            if due >= load.last() || self.is_ending() {
                return;
            }
            burst = if run.start.elapsed() < due { 0 } else { (burst + 1) % BURST };
            // A timer that cannot be set makes the message early, which the rate shows.
            let _ = alarm.sleep_until(run.start + due).await;
            if burst == BURST - 1 {
                let_others_run().await;
            }
            {
                let telemetry = &mut self.tally.borrow_mut().telemetry;
                if load.is_measured(due) {
                    telemetry.due += u64::from(load.per_segment);
                    telemetry.lag.record(run.start.elapsed().saturating_sub(due));
                }
            }
            let connection = self.connections.borrow()[slot as usize].clone();
            if let Some(connection) = connection {
                self.pump_or_end(slot, &connection);
            }
        }
    }

    fn pump_all(self: &Rc<Self>) {
        for slot in 0..self.plan.size() {
            let connection = self.connections.borrow()[slot as usize].clone();
            if let Some(connection) = connection {
                self.pump_or_end(slot, &connection);
            }
        }
    }

    /// As [`pump`](Self::pump), for others than the task of the connection.
    pub(crate) fn pump_or_end(self: &Rc<Self>, slot: u32, connection: &Rc<Connection>) {
        let scratch = &mut *self.scratch.borrow_mut();
        if let Err(failure) = self.pump(slot, connection, scratch) {
            scratch.clear();
            connection.end(failure);
        }
    }

    /// Sends all segments of a device that are due and fit into its window.
    pub(crate) fn pump(
        self: &Rc<Self>,
        slot: u32,
        connection: &Rc<Connection>,
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        if connection.is_leaving() {
            self.depart(slot, connection, Instant::now(), scratch);
            return Ok(());
        }
        let (Some(run), Work::Publish(load)) = (self.publishing.get(), &self.plan.work) else {
            return Ok(());
        };
        if connection.stage() == Stage::Connecting {
            return Ok(());
        }
        while connection.stalled_since().is_none() {
            let at = run.start.elapsed();
            let publisher = &mut run.publishers.borrow_mut()[slot as usize];
            let due = load.cadence.map_or(at, |cadence| publisher.next_due(cadence));
            let mut device = connection.device.borrow_mut();
            let has_room = load.qos == Qos::AtMostOnce
                || device.room(&self.plan.manner) >= load.per_segment as usize;
            if due > at || due >= load.last() || !has_room {
                return Ok(());
            }
            let message = Message {
                topic: &publisher.topic,
                payload: &load.payload,
                first_number: load.is_numbered.then(|| publisher.next_number(load.per_segment)),
                qos: load.qos,
            };
            let tag = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
            device.publish(scratch, message, (load.per_segment, tag), self.now())?;
            drop(device);
            publisher.handle_sent();
            self.transmit(slot, connection, scratch)?;
            let telemetry = &mut self.tally.borrow_mut().telemetry;
            telemetry.sent_in_all += u64::from(load.per_segment);
            if load.is_measured(due) {
                telemetry.sent += u64::from(load.per_segment);
            }
        }
        Ok(())
    }

    /// Counts the acknowledgements that have come; whether there were any.
    pub(crate) fn note_acknowledged(&self, scratch: &mut Scratch) -> bool {
        let (Some(run), Work::Publish(load)) = (self.publishing.get(), &self.plan.work) else {
            return false;
        };
        if scratch.acknowledged.is_empty() {
            return false;
        }
        let at = run.start.elapsed();
        let telemetry = &mut self.tally.borrow_mut().telemetry;
        telemetry.acknowledged_in_all += scratch.acknowledged.len() as u64;
        for tag in scratch.acknowledged.drain(..) {
            let due = Duration::from_nanos(tag);
            if load.is_measured(due) {
                telemetry.acknowledged += 1;
                telemetry.latency.record(at.saturating_sub(due));
            }
            telemetry.acknowledged_meanwhile += u64::from(load.is_measured(at));
        }
        true
    }

    /// Whether a message is still to be sent or acknowledged.
    fn is_busy(&self, load: &Load) -> bool {
        let Some(run) = self.publishing.get() else { return false };
        let publishers = run.publishers.borrow();
        let connections = self.connections.borrow();
        publishers.iter().zip(&*connections).any(|(publisher, connection)| {
            connection.as_ref().is_some_and(|connection| {
                let next = load.cadence.map(|cadence| publisher.next_due(cadence));
                let is_behind = next.is_some_and(|due| due < load.last());
                is_behind
                    || connection.stalled_since().is_some()
                    || connection.device.borrow().inflight() > 0
            })
        })
    }
}

/// Gives way to everything else on this thread that can go on.
pub(crate) async fn let_others_run() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
