//! The part of a worker: patches when they are due, and what devices have heard.

use std::rc::Rc;
use std::time::{Duration, Instant};

use ringhub_core::codec::mqtt::Qos;

use super::device::{Heard, topic_of_patch};
use crate::alarm::Alarm;
use crate::cadence::Cadence;
use crate::connection::Connection;
use crate::device::{Message, Scratch, Stage};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::gate::now_nanos;
use crate::plan::{Load, Work};
use crate::publishing::let_others_run;

/// How often the parent is told what devices have heard.
const TELL_INTERVAL: Duration = Duration::from_millis(100);

impl Engine {
    /// Waits until all devices that are connected have subscribed, if they are to.
    pub(crate) async fn wait_for_subscriptions(&self) {
        let patience = Instant::now() + self.plan.timeout;
        let is_waiting = || {
            let tally = self.tally.borrow();
            tally.subscribed < tally.open && Instant::now() < patience
        };
        self.wait_while(|| self.plan.conversation.is_some() && is_waiting()).await;
    }

    /// Begins to report properties and to tell what devices hear, if the plan says so.
    pub(crate) fn start_conversation(self: &Rc<Self>, start: Instant, alarm: Alarm) {
        let Some(conversation) = self.plan.conversation else { return };
        monoio::spawn(Rc::clone(self).tell_heard());
        let devices = self.plan.fleet.size();
        if let Some(per_second) = conversation.patches {
            let cadence = Cadence { devices, per_second, per_segment: 1 };
            monoio::spawn(Rc::clone(self).report_properties(cadence, start, alarm));
        }
    }

    /// Waits until all patches are answered, and the back end has nothing more to say.
    pub(crate) async fn wait_for_conversation(&self) {
        let patience = Instant::now() + self.plan.timeout;
        let is_waiting = || {
            let patches = &self.tally.borrow().talk.patches;
            let failed: u64 = patches.failures.values().sum();
            patches.done + failed < patches.due && Instant::now() < patience
        };
        self.wait_while(is_waiting).await;
        self.wait_while(|| self.is_held()).await;
    }

    async fn report_properties(self: Rc<Self>, cadence: Cadence, start: Instant, alarm: Alarm) {
        let Work::Publish(load) = &self.plan.work else { return };
        let slots = 0..self.plan.size();
        let patches = (0..).flat_map(|round| slots.clone().map(move |slot| (round, slot)));
        for (round, slot) in patches {
            let due = cadence.due(round, self.plan.share.device(slot));
            if due >= load.last() {
                return;
            }
            // A timer that cannot be set makes the patch early, which the rate shows.
            let _ = alarm.sleep_until(start + due).await;
            let_others_run().await;
            if self.is_ending() {
                return;
            }
            if load.is_measured(due) {
                let patches = &mut self.tally.borrow_mut().talk.patches;
                patches.due += 1;
                patches.lag.record(start.elapsed().saturating_sub(due));
            }
            let connection = self.connections.borrow()[slot as usize].clone();
            if let Some(connection) = connection
                && let Err(failure) = self.report(slot, &connection, due)
            {
                self.scratch.borrow_mut().clear();
                connection.end(failure);
            }
        }
    }

    /// Reports one property; the tag is when it was due.
    fn report(
        self: &Rc<Self>,
        slot: u32,
        connection: &Rc<Connection>,
        due: Duration,
    ) -> Result<(), Failure> {
        if connection.stage() == Stage::Connecting {
            return Ok(());
        }
        let tag = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
        let (topic, payload) = (topic_of_patch(tag), format!(r#"{{"loadgen":{tag}}}"#));
        let qos = Qos::AtMostOnce;
        let message =
            Message { topic: &topic, payload: payload.as_bytes(), first_number: None, qos };
        let scratch = &mut *self.scratch.borrow_mut();
        connection.device.borrow_mut().publish(scratch, message, (1, tag), self.now())?;
        self.transmit(slot, connection, scratch)
    }

    /// Takes note of what a device has heard.
    pub(crate) fn note_heard(&self, scratch: &mut Scratch) {
        for heard in scratch.heard.drain(..) {
            match heard {
                Heard::Subscribed => self.tally.borrow_mut().subscribed += 1,
                Heard::Message(number) => self.heard.borrow_mut().push((number, now_nanos())),
                Heard::Patched { status, tag } => self.note_patched(status, tag),
            }
        }
    }

    fn note_patched(&self, status: u16, tag: u64) {
        let due = Duration::from_nanos(tag);
        let (Some(at), Work::Publish(load)) = (self.load_elapsed(), &self.plan.work) else {
            return;
        };
        let patches = &mut self.tally.borrow_mut().talk.patches;
        match status {
            200..=299 if Load::is_measured(load, due) => {
                patches.succeed(at.saturating_sub(due));
            }
            200..=299 => {}
            _ => patches.fail(format!("status {status}")),
        }
    }

    async fn tell_heard(self: Rc<Self>) {
        while !self.is_ending() {
            monoio::time::sleep(TELL_INTERVAL).await;
            let heard = self.heard.take();
            if !heard.is_empty() {
                self.tell(heard);
            }
        }
    }
}
