//! Messages to devices: when each was accepted, and when its device heard it. One is known to the
//! back end, the other to a worker, and either may come first.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::talk::Exchange;

/// Messages that may be without the other half of their story; more are not sent.
const PENDING_MAX: usize = 100_000;

/// All messages of a run. Times are nanoseconds of the clock that processes share.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Numbers that this run may give to its messages.
    numbers: Range<u64>,
    accepted: HashMap<u64, u64>,
    heard: HashMap<u64, u64>,
    /// Of the measured part.
    exchange: Exchange,
}

impl Mailbox {
    pub(super) fn new(numbers: Range<u64>) -> Self {
        let (accepted, heard) = (HashMap::new(), HashMap::new());
        Self { numbers, accepted, heard, exchange: Exchange::default() }
    }

    /// Whether there is room for one more message.
    pub(super) fn has_room(&self) -> bool {
        self.accepted.len() < PENDING_MAX
    }

    /// The hub has taken message `number`, which belongs to the measured part.
    pub(super) fn note_accepted(&mut self, number: u64, at: u64) {
        self.exchange.due += 1;
        match self.heard.remove(&number) {
            Some(heard) => self.complete(at, heard),
            None => drop(self.accepted.insert(number, at)),
        }
    }

    /// A device has heard message `number`, unless somebody else has sent it.
    pub(super) fn note_heard(&mut self, number: u64, at: u64) {
        if let Some(accepted) = self.accepted.remove(&number) {
            self.complete(accepted, at);
        } else if self.numbers.contains(&number) && self.heard.len() < PENDING_MAX {
            self.heard.insert(number, at);
        }
    }

    /// Whether a message was accepted since `since` and not heard.
    pub(super) fn is_waiting(&self, since: u64) -> bool {
        self.accepted.values().any(|at| *at >= since)
    }

    pub(super) fn take(&mut self) -> Exchange {
        std::mem::take(&mut self.exchange)
    }

    fn complete(&mut self, accepted: u64, heard: u64) {
        self.exchange.succeed(Duration::from_nanos(heard.saturating_sub(accepted)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_half_may_come_first_and_strangers_are_passed_over() {
        let mut mailbox = Mailbox::new(100..200);
        mailbox.note_accepted(100, 5_000_000);
        assert!(mailbox.is_waiting(5_000_000) && !mailbox.is_waiting(5_000_001));
        mailbox.note_heard(100, 9_000_000);
        mailbox.note_heard(101, 4_000_000);
        mailbox.note_accepted(101, 6_000_000);
        mailbox.note_heard(7, 1);
        assert!(!mailbox.is_waiting(0) && mailbox.heard.is_empty());
        let exchange = mailbox.take();
        assert_eq!((exchange.due, exchange.done), (2, 2));
        assert_eq!(exchange.latency.at_ms(0.5), 0.0, "who hears first has not waited");
        assert!((exchange.latency.at_ms(1.0) - 4.0).abs() < 0.01);
    }
}
