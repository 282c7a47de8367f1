//! What has come of one partition, and whether it was all and in order.

use ringhub_edge::client::management::Position;
use ringhub_edge::client::start::Start;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) id: String,
    pub(super) events: u64,
    /// Sequence numbers that were passed over.
    pub(super) missing: u64,
    /// Events whose sequence number was not above the one before.
    pub(super) disordered: u64,
    /// Sequence number of the newest event that came, or of the last one that was not asked for.
    pub(super) newest: Option<i64>,
    /// Events by which the partition was ahead when it was last looked at.
    pub(super) behind: u64,
    pub(super) behind_max: u64,
    /// Sequence number up to which everything is to come.
    goal: Option<i64>,
}

impl Partition {
    /// A partition that stands at `position` when its reading begins.
    pub(super) fn new(id: String, position: Position, start: Start) -> Self {
        let Position { begin, last, last_enqueued_ms } = position;
        let (newest, is_ahead) = match start {
            Start::Latest => (Some(last), false),
            // The oldest may be gone before it is read, which is no gap: it is not known here.
            Start::Earliest => (None, last >= begin),
            Start::EnqueuedAt(ms) => (None, last >= begin && last_enqueued_ms >= ms),
        };
        let goal = is_ahead.then_some(last);
        let (missing, disordered, behind, behind_max) = (0, 0, 0, 0);
        Self { id, events: 0, missing, disordered, newest, behind, behind_max, goal }
    }

    /// Whether something that was there at the beginning is still to come.
    pub(super) const fn has_goal(&self) -> bool {
        self.goal.is_some()
    }

    /// Counts an event; true when it is the one that was the last at the beginning, or the first
    /// one behind it.
    pub(super) fn handle_event(&mut self, sequence_number: i64) -> bool {
        self.events += 1;
        match self.newest {
            // At `@latest` the hub decides what is new: a little later than we looked.
            Some(_) if self.events == 1 => {}
            Some(newest) if sequence_number <= newest => {
                self.disordered += 1;
                return false;
            }
            Some(newest) => self.missing += (sequence_number - newest - 1).unsigned_abs(),
            None => {}
        }
        self.newest = Some(sequence_number);
        self.goal.take_if(|goal| *goal <= sequence_number).is_some()
    }

    /// Compares with the newest event that the hub has.
    pub(super) fn handle_position(&mut self, position: Position) {
        let read = self.newest.unwrap_or(position.begin - 1);
        self.behind = u64::try_from(position.last.saturating_sub(read)).unwrap_or(0);
        self.behind_max = self.behind_max.max(self.behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(begin: i64, last: i64) -> Position {
        Position { begin, last, last_enqueued_ms: 1000 }
    }

    fn read(start: Start, numbers: &[i64]) -> Partition {
        let mut partition = Partition::new("0".to_owned(), position(10, 19), start);
        for number in numbers {
            partition.handle_event(*number);
        }
        partition
    }

    #[test]
    fn gaps_and_disorder_are_counted() {
        let whole = read(Start::Earliest, &[10, 11, 12]);
        assert_eq!((whole.events, whole.missing, whole.disordered), (3, 0, 0));
        let gap = read(Start::Earliest, &[10, 13, 14]);
        assert_eq!((gap.missing, gap.disordered, gap.newest), (2, 0, Some(14)));
        let twice = read(Start::Latest, &[20, 21, 21, 20, 22]);
        assert_eq!((twice.missing, twice.disordered, twice.newest), (0, 2, Some(22)));
    }

    #[test]
    fn caught_up_is_what_was_the_last_at_the_beginning() {
        for (start, has_goal) in [
            (Start::Latest, false),
            (Start::Earliest, true),
            (Start::EnqueuedAt(1000), true),
            (Start::EnqueuedAt(1001), false),
        ] {
            assert_eq!(read(start, &[]).has_goal(), has_goal, "{start:?}");
        }
        let mut partition = read(Start::Earliest, &[17, 18]);
        assert!(partition.has_goal() && partition.handle_event(19) && !partition.has_goal());
        assert!(!partition.handle_event(20), "only once");
        let empty = Partition::new("0".to_owned(), position(0, -1), Start::Earliest);
        assert!(!empty.has_goal());
    }

    #[test]
    fn the_greatest_lag_is_kept() {
        let mut partition = read(Start::Latest, &[]);
        for (last, read, behind) in [(19, None, 0), (69, None, 50), (79, Some(75), 4)] {
            if let Some(number) = read {
                partition.handle_event(number);
            }
            partition.handle_position(position(10, last));
            assert_eq!(partition.behind, behind);
        }
        assert_eq!(partition.behind_max, 50);
        let mut unread = read(Start::Earliest, &[]);
        unread.handle_position(position(12, 19));
        assert_eq!(unread.behind, 8, "what is not retained any more is not to come");
    }
}
