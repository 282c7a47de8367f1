//! Churn: one device after the other disconnects and connects again, while the others stay.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::alarm::Alarm;
use crate::cadence::Cadence;
use crate::connection::Connection;
use crate::device::{Scratch, Stage};
use crate::engine::Engine;
use crate::publishing::let_others_run;
use crate::storm::Wave;

impl Engine {
    /// Lets devices take turns from `start` on for so long, if the plan says so.
    pub(crate) fn start_churn(self: &Rc<Self>, start: Instant, time: Duration, alarm: Alarm) {
        let Some(cadence) = self.plan.churn else { return };
        self.is_churning.set(true);
        let engine = Rc::clone(self);
        monoio::spawn(async move {
            engine.take_turns(cadence, start, time, alarm).await;
            engine.is_churning.set(false);
        });
    }

    /// Waits until everybody has had the turn that was due, however late, and all who left are back
    /// or have failed.
    pub(crate) async fn wait_for_returns(&self) {
        let patience = Instant::now() + self.plan.timeout;
        let is_waiting = || self.is_churning.get() || self.is_unsettled();
        let is_patient = || Instant::now() < patience;
        self.wait_while(|| self.plan.churn.is_some() && is_patient() && is_waiting()).await;
    }

    async fn take_turns(
        self: &Rc<Self>,
        cadence: Cadence,
        start: Instant,
        time: Duration,
        alarm: Alarm,
    ) {
        let slots = 0..self.plan.size();
        let turns = (0..).flat_map(|round| slots.clone().map(move |slot| (round, slot)));
        for (round, slot) in turns {
            let due = cadence.due(round, self.plan.share.device(slot));
            if due >= time {
                return;
            }
            // A timer that cannot be set makes the turn early, which the rate shows.
            let _ = alarm.sleep_until(start + due).await;
            let_others_run().await;
            if self.is_ending() {
                return;
            }
            self.take_turn(slot, start + due);
        }
    }

    /// It is the turn of a device: it leaves now, or once its messages are acknowledged.
    fn take_turn(self: &Rc<Self>, slot: u32, due: Instant) {
        let connection = self.connections.borrow()[slot as usize].clone();
        let is_there = |connection: &Rc<Connection>| {
            connection.stage() == Stage::Connected && !connection.is_leaving()
        };
        self.tally.borrow_mut().turns.due += 1;
        match connection.filter(is_there) {
            Some(connection) => {
                connection.prepare_to_leave();
                self.depart(slot, &connection, due, &mut self.scratch.borrow_mut());
            }
            None => self.tally.borrow_mut().turns.missed += 1,
        }
    }

    /// Says goodbye and connects again, unless something is under way. Latency counts from `due`.
    pub(crate) fn depart(
        self: &Rc<Self>,
        slot: u32,
        connection: &Connection,
        due: Instant,
        scratch: &mut Scratch,
    ) {
        if connection.has_left() || !connection.is_idle() {
            return;
        }
        connection.device.borrow_mut().disconnect(scratch, self.now());
        // Nothing depends on the goodbye.
        let _ = connection.transmit(scratch);
        scratch.clear();
        connection.leave();
        {
            let tally = &mut *self.tally.borrow_mut();
            tally.leave();
            tally.attempted += 1;
            tally.reconnect_lag.record(due.elapsed());
        }
        let wave = Wave { start: due, is_return: true };
        monoio::spawn(Rc::clone(self).hold(slot, due, wave));
    }
}
