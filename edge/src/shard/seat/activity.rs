//! When a device was last active, as the directory hears of it.
//!
//! A message only leaves its time behind. The timer of its connection passes it on, so that the
//! path of telemetry takes no lock.

use ringhub_core::limits::ACTIVITY_REPORT_INTERVAL;
use ringhub_core::time::{Timestamp, UnixMillis};

/// Activity of one seat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Activity {
    last: UnixMillis,
    /// When the directory hears of `last`; `None` when it knows.
    report_at: Option<Timestamp>,
}

impl Activity {
    /// A message came.
    pub(super) fn note(&mut self, now: Timestamp, wall: UnixMillis) {
        self.last = wall;
        if self.report_at.is_none() {
            self.report_at = Some(now + ACTIVITY_REPORT_INTERVAL);
        }
    }

    /// When to report.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.report_at
    }

    /// The time to report, once it is due.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<UnixMillis> {
        self.report_at.take_if(|at| *at <= now).map(|_| self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_make_one_report_of_the_last() {
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let wall = |seconds: i64| UnixMillis::from_millis(seconds * 1000);
        let mut activity = Activity::default();
        assert_eq!(activity.poll_timeout(), None);
        activity.note(at(10), wall(100));
        let due = activity.poll_timeout().expect("a report is owed");
        activity.note(at(11), wall(101));
        assert_eq!(activity.poll_timeout(), Some(due), "later messages do not move it");
        assert_eq!(activity.take_due(at(11)), None);
        assert_eq!(activity.take_due(due), Some(wall(101)));
        assert_eq!((activity.poll_timeout(), activity.take_due(due)), (None, None));
    }
}
