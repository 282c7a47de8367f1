//! What has been counted and measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::conversation::talk::Talk;
use crate::failure::Failure;
use crate::latency::Latency;
use crate::protocol::Protocol;
use crate::storm::Wave;

/// Counts of one run, of one worker or of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) protocol: Protocol,
    pub(crate) attempted: u64,
    pub(crate) accepted: u64,
    /// Connections that never stood.
    pub(crate) refused: u64,
    /// Connections that stood and were lost.
    pub(crate) lost: u64,
    /// Connections that stand.
    pub(crate) open: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    /// From the time a connection was due to its CONNACK, or what stands for it.
    pub(crate) connect: Latency,
    /// From the time a connection was due to the time at which this program got to it.
    pub(crate) connect_lag: Latency,
    /// As the two above, of devices that came back after a storm or when it was their turn.
    pub(crate) reconnect: Latency,
    pub(crate) reconnect_lag: Latency,
    pub(crate) turns: Turns,
    /// From the storm to the last CONNACK.
    pub(crate) all_back: Duration,
    /// Handshakes that a ticket made shorter.
    pub(crate) resumed: u64,
    /// Failures since the last success.
    pub(crate) failed_in_a_row: u64,
    pub(crate) pings_answered: u64,
    pub(crate) telemetry: Telemetry,
    /// Devices whose subscriptions stand.
    pub(crate) subscribed: u64,
    pub(crate) talk: Talk,
}

/// Devices that left and came back, while others stayed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Turns {
    /// Times that one was to leave.
    pub(crate) due: u64,
    /// Of these, times that it was not connected or had not left from the time before.
    pub(crate) missed: u64,
}

/// What was published. Times count for messages that were due in the measured part of the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Telemetry {
    /// Messages that were due in the measured part.
    pub(crate) due: u64,
    /// Of these, handed to the socket.
    pub(crate) sent: u64,
    /// Whether messages are acknowledged: with QoS 1.
    pub(crate) is_acknowledged: bool,
    /// All that was sent, before the measured part too.
    pub(crate) sent_in_all: u64,
    /// All acknowledgements, before and after the measured part too.
    pub(crate) acknowledged_in_all: u64,
    /// Of those of the measured part, acknowledged.
    pub(crate) acknowledged: u64,
    /// Acknowledgements that came in the measured part, for whatever message.
    pub(crate) acknowledged_meanwhile: u64,
    /// From the time a message was due, or sent in a closed loop, to what acknowledged it.
    pub(crate) latency: Latency,
    /// From the time a segment was due to the time at which this program got to it.
    pub(crate) lag: Latency,
}

impl Tally {
    /// Counts a connection that stands, so long after it was due.
    pub(crate) fn accept(&mut self, wave: &Wave, latency: Duration) {
        self.accepted += 1;
        self.open += 1;
        self.failed_in_a_row = 0;
        if wave.is_return {
            self.reconnect.record(latency);
            self.all_back = wave.start.elapsed();
        } else {
            self.connect.record(latency);
        }
    }

    /// Counts a connection that never stood.
    pub(crate) fn refuse(&mut self, failure: &Failure) {
        self.refused += 1;
        self.fail(failure);
    }

    /// Counts a connection that stood and is gone.
    pub(crate) fn lose(&mut self, failure: &Failure) {
        self.open -= 1;
        self.lost += 1;
        self.fail(failure);
    }

    /// Counts a connection that is ended on purpose.
    pub(crate) fn leave(&mut self) {
        self.open -= 1;
    }

    fn fail(&mut self, failure: &Failure) {
        self.failed_in_a_row += 1;
        *self.failures.entry(failure.to_string()).or_default() += 1;
    }

    /// Connections that never stood or were lost.
    pub(crate) fn failed(&self) -> u64 {
        self.refused + self.lost
    }

    /// Attempts without an outcome yet.
    pub(crate) fn under_way(&self) -> u64 {
        self.attempted - self.accepted - self.refused
    }

    /// Whether some of so many attempts are to come or have no outcome yet.
    pub(crate) fn is_unsettled(&self, attempts: u64) -> bool {
        self.attempted < attempts || self.under_way() > 0
    }

    /// Adds what another worker has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.protocol = other.protocol;
        self.attempted += other.attempted;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.lost += other.lost;
        self.open += other.open;
        for (reason, count) in &other.failures {
            *self.failures.entry(reason.clone()).or_default() += count;
        }
        self.connect.add(&other.connect);
        self.connect_lag.add(&other.connect_lag);
        self.reconnect.add(&other.reconnect);
        self.reconnect_lag.add(&other.reconnect_lag);
        self.turns.due += other.turns.due;
        self.turns.missed += other.turns.missed;
        self.all_back = self.all_back.max(other.all_back);
        self.resumed += other.resumed;
        self.pings_answered += other.pings_answered;
        self.telemetry.add(&other.telemetry);
        self.subscribed += other.subscribed;
        self.talk.add(&other.talk);
    }
}

impl Telemetry {
    /// Messages that await their acknowledgement.
    pub(crate) fn in_flight(&self) -> u64 {
        self.sent_in_all.saturating_sub(self.acknowledged_in_all)
    }

    fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.is_acknowledged |= other.is_acknowledged;
        self.sent_in_all += other.sent_in_all;
        self.acknowledged_in_all += other.acknowledged_in_all;
        self.acknowledged += other.acknowledged;
        self.acknowledged_meanwhile += other.acknowledged_meanwhile;
        self.latency.add(&other.latency);
        self.lag.add(&other.lag);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wave(is_return: bool) -> Wave {
        Wave { start: Instant::now(), is_return }
    }

    #[test]
    fn every_attempt_is_under_way_open_or_failed() {
        let mut tally = Tally { attempted: 5, ..Tally::default() };
        tally.accept(&wave(false), Duration::from_millis(3));
        tally.accept(&wave(false), Duration::from_secs(7_000));
        tally.refuse(&Failure::Timeout);
        tally.refuse(&Failure::Timeout);
        assert_eq!((tally.open, tally.failed(), tally.under_way()), (2, 2, 1));
        tally.lose(&Failure::Closed);
        assert_eq!((tally.open, tally.failed(), tally.under_way()), (1, 3, 1));
        assert_eq!(tally.failures["not connected in time"], 2);
        assert!((tally.connect.at_ms(0.5) - 3.0).abs() < 0.01);
    }

    #[test]
    fn workers_add_up_over_their_text() {
        let mut one = Tally { attempted: 2, ..Tally::default() };
        one.accept(&wave(false), Duration::from_millis(10));
        one.refuse(&Failure::Timeout);
        one.telemetry.due = 7;
        one.telemetry.latency.record(Duration::from_micros(77));
        let text = serde_json::to_string(&one).unwrap();
        let mut sum = Tally::default();
        for _ in 0..3 {
            sum.add(&serde_json::from_str(&text).unwrap());
        }
        assert_eq!((sum.attempted, sum.open, sum.failed(), sum.telemetry.due), (6, 3, 3, 21));
        assert_eq!(sum.failures["not connected in time"], 3);
        assert_eq!(sum.telemetry.latency.at_ms(1.0), 0.077);
    }

    #[test]
    fn who_leaves_and_comes_back_has_not_failed() {
        let mut tally = Tally { attempted: 1, ..Tally::default() };
        tally.accept(&wave(false), Duration::from_millis(3));
        tally.leave();
        tally.attempted += 1;
        assert_eq!((tally.open, tally.failed(), tally.under_way()), (0, 0, 1));
        tally.accept(&wave(true), Duration::from_millis(9));
        assert_eq!((tally.open, tally.failed(), tally.under_way()), (1, 0, 0));
        assert_eq!((tally.connect.count(), tally.reconnect.count()), (1, 1));
    }
}
