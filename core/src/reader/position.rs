//! From a selector to the first event that is read.

use super::{Bound, Selector};
use crate::log::{LastEvent, PartitionState};
use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::time::UnixMillis;

/// The first event read is the first at or after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// By offset.
    Offset(Offset),
    /// By sequence number.
    SequenceNumber(SequenceNumber),
    /// By the time of appending.
    EnqueuedTime(EnqueuedTime),
}

/// The selector names an event that the partition has not had yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeyondEnd {
    /// By offset.
    Offset(Offset),
    /// By sequence number.
    SequenceNumber(SequenceNumber),
}

impl StartAt {
    /// Resolves `selector` against the committed state of a partition. A position below what is
    /// retained is fine: reading begins at the oldest event.
    ///
    /// # Errors
    /// [`BeyondEnd`] for an event after the newest. A partition without any event takes position 0.
    ///
    /// Source: service-endpoints reference, "Start position: the selector filter".
    pub fn resolve(selector: Selector, state: &PartitionState) -> Result<Self, BeyondEnd> {
        match selector {
            Selector::Earliest => Ok(Self::Offset(Offset(0))),
            Selector::Latest => Ok(Self::Offset(state.next_offset)),
            Selector::Offset(offset, bound) => {
                if offset > state.last.map_or(Offset(0), |last| last.offset) {
                    return Err(BeyondEnd::Offset(offset));
                }
                Ok(Self::Offset(Offset(offset.0 + after(bound))))
            }
            Selector::SequenceNumber(number, bound) => {
                if number > state.last.map_or(SequenceNumber(0), |last| last.sequence_number) {
                    return Err(BeyondEnd::SequenceNumber(number));
                }
                Ok(Self::SequenceNumber(SequenceNumber(number.0 + after(bound))))
            }
            Selector::EnqueuedTime(time, bound) => {
                let after = i64::from(bound == Bound::Exclusive);
                let millis = time.0.as_millis().saturating_add(after);
                Ok(Self::EnqueuedTime(EnqueuedTime(UnixMillis::from_millis(millis))))
            }
        }
    }

    /// The same, but for the events up to `oldest`, which nobody may read any more.
    #[must_use]
    pub fn not_before(self, oldest: &PartitionState) -> Self {
        if self.is_after(oldest) { self } else { Self::Offset(oldest.next_offset) }
    }

    /// True for the events that are read.
    #[must_use]
    pub fn admits(self, event: &LastEvent) -> bool {
        match self {
            Self::Offset(offset) => event.offset >= offset,
            Self::SequenceNumber(number) => event.sequence_number >= number,
            Self::EnqueuedTime(time) => event.enqueued_time >= time,
        }
    }

    /// True if nothing before `state` can be admitted, so that reading begins with what comes next.
    #[must_use]
    pub fn is_after(self, state: &PartitionState) -> bool {
        state.last.is_none_or(|last| !self.admits(&last))
    }
}

fn after(bound: Bound) -> u64 {
    u64::from(bound == Bound::Exclusive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::HubPartition;

    fn state() -> PartitionState {
        let mut state = PartitionState::new(HubPartition::default());
        state.append(64, UnixMillis::from_millis(100));
        state.append(64, UnixMillis::from_millis(200));
        state
    }

    #[test]
    fn resolves_every_selector() {
        let offset = |at, bound| Selector::Offset(Offset(at), bound);
        let number = |at, bound| Selector::SequenceNumber(SequenceNumber(at), bound);
        let time =
            |ms, bound| Selector::EnqueuedTime(EnqueuedTime(UnixMillis::from_millis(ms)), bound);
        let cases = [
            (Selector::Earliest, Ok(vec![0, 1])),
            (Selector::Latest, Ok(vec![])),
            (offset(0, Bound::Inclusive), Ok(vec![0, 1])),
            (offset(0, Bound::Exclusive), Ok(vec![1])),
            (offset(64, Bound::Inclusive), Ok(vec![1])),
            (offset(64, Bound::Exclusive), Ok(vec![])),
            (offset(65, Bound::Inclusive), Err(BeyondEnd::Offset(Offset(65)))),
            (number(1, Bound::Inclusive), Ok(vec![1])),
            (number(1, Bound::Exclusive), Ok(vec![])),
            (number(2, Bound::Inclusive), Err(BeyondEnd::SequenceNumber(SequenceNumber(2)))),
            (time(100, Bound::Inclusive), Ok(vec![0, 1])),
            (time(100, Bound::Exclusive), Ok(vec![1])),
            (time(201, Bound::Inclusive), Ok(vec![])),
        ];
        let mut partition = PartitionState::new(HubPartition::default());
        let events = [100, 200].map(|ms| partition.append(64, UnixMillis::from_millis(ms)));
        for (selector, expected) in cases {
            let read = StartAt::resolve(selector, &state())
                .map(|start| (0..2).filter(|&i| start.admits(&events[i])).collect::<Vec<_>>());
            assert_eq!(read, expected, "{selector:?}");
        }
    }

    #[test]
    fn what_is_too_old_is_passed_over_however_the_start_is_named() {
        let mut oldest = PartitionState::new(HubPartition::default());
        oldest.append(64, UnixMillis::from_millis(100));
        let number = |number| StartAt::SequenceNumber(SequenceNumber(number));
        let time = |ms| StartAt::EnqueuedTime(EnqueuedTime(UnixMillis::from_millis(ms)));
        let second = StartAt::Offset(Offset(64));
        for start in [StartAt::Offset(Offset(0)), number(0), time(50), time(100)] {
            assert_eq!(start.not_before(&oldest), second, "{start:?}");
            let none = PartitionState::new(HubPartition::default());
            assert_eq!(start.not_before(&none), start, "nothing is too old");
        }
        for start in [second, StartAt::Offset(Offset(128)), number(1), time(101)] {
            assert_eq!(start.not_before(&oldest), start);
        }
    }

    #[test]
    fn an_unused_partition_takes_position_zero() {
        let state = PartitionState::new(HubPartition::default());
        let start = StartAt::resolve(Selector::Offset(Offset(0), Bound::Inclusive), &state);
        assert_eq!(start, Ok(StartAt::Offset(Offset(0))));
        assert!(StartAt::resolve(Selector::Offset(Offset(1), Bound::Inclusive), &state).is_err());
    }
}
