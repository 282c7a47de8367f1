//! Which segments have had their time.

use super::PartitionState;
use super::index::SegmentSummary;
use crate::id::HubId;
use crate::time::UnixMillis;

/// True if nobody may read `end` and what is before it: it is older than the horizon of its hub, or
/// its hub is gone. `horizon_of` tells the time from which on events of a hub are kept; `None` for
/// one that is gone.
#[must_use]
pub fn is_out(end: &PartitionState, horizon_of: &impl Fn(HubId) -> Option<UnixMillis>) -> bool {
    let horizon = horizon_of(end.place.hub);
    horizon.is_none_or(|horizon| end.last.is_none_or(|last| last.enqueued_time.0 < horizon))
}

/// How many of `sealed`, oldest first, hold nothing that a hub keeps.
///
/// Only a run at the start counts: positions of a partition have no holes.
#[must_use]
pub fn expired<'a>(
    sealed: impl IntoIterator<Item = &'a SegmentSummary>,
    horizon_of: &impl Fn(HubId) -> Option<UnixMillis>,
) -> usize {
    let is_expired =
        |segment: &&SegmentSummary| segment.ends.iter().all(|end| is_out(end, horizon_of));
    sealed.into_iter().take_while(is_expired).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{HubPartition, PartitionId};
    use crate::log::index::SegmentIndex;
    use crate::log::{Chain, CommitNumber, FilePosition, LogId, SegmentNumber, States};

    /// With one event of each hub, at a time.
    fn segment(events: &[(u32, i64)]) -> SegmentSummary {
        let end = |&(hub, ms): &(u32, i64)| {
            let place = HubPartition { hub: HubId(hub), partition: PartitionId(0) };
            let mut end = PartitionState::new(place);
            end.append(64, UnixMillis::from_millis(ms));
            end
        };
        SegmentSummary {
            log: LogId([0; 16]),
            segment: SegmentNumber(0),
            rewrites: 0,
            ends: events.iter().map(end).collect::<States>(),
            next_commit: CommitNumber(0),
            next_chain: Chain(0),
            data_end: FilePosition(0),
            index: SegmentIndex::default(),
        }
    }

    /// Hub 0 keeps what is younger than 900, hub 1 what is younger than 500, hub 2 is gone.
    fn horizon_of(hub: HubId) -> Option<UnixMillis> {
        match hub.0 {
            0 => Some(UnixMillis::from_millis(900)),
            1 => Some(UnixMillis::from_millis(500)),
            _ => None,
        }
    }

    #[test]
    fn only_a_run_of_wholly_expired_segments_goes() {
        type Case<'a> = (&'a [&'a [(u32, i64)]], usize);
        let cases: [Case<'_>; 9] = [
            (&[], 0),
            (&[&[(0, 899)]], 1),
            (&[&[(0, 900)]], 0),
            (&[&[(0, 10)], &[(0, 20)], &[(0, 950)]], 2),
            (&[&[(0, 10)], &[(0, 950)], &[(0, 20)]], 1),
            (&[&[(0, 10), (1, 499)]], 1),
            (&[&[(0, 10), (1, 500)]], 0),
            (&[&[(0, 10), (2, 9999)], &[(2, 9999)]], 2),
            (&[&[], &[(0, 950)]], 1),
        ];
        for (events, count) in cases {
            let segments: Vec<_> = events.iter().map(|events| segment(events)).collect();
            assert_eq!(expired(&segments, &horizon_of), count, "{events:?}");
        }
    }
}
