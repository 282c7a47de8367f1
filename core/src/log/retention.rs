//! Which segments have had their time.

use core::time::Duration;

use super::index::SegmentSummary;
use crate::time::UnixMillis;

/// How many of `sealed`, oldest first, hold nothing that is younger than `retention`.
///
/// Only a run at the start counts: positions of a partition have no holes.
#[must_use]
pub fn expired<'a>(
    sealed: impl IntoIterator<Item = &'a SegmentSummary>,
    retention: Duration,
    now: UnixMillis,
) -> usize {
    let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    let horizon = now.as_millis().saturating_sub(retention);
    sealed.into_iter().take_while(|segment| segment.newest.0.as_millis() < horizon).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::index::SegmentIndex;
    use crate::log::{Chain, CommitNumber, FilePosition, LogId, SegmentNumber};
    use crate::position::EnqueuedTime;

    fn segment(newest_ms: i64) -> SegmentSummary {
        SegmentSummary {
            log: LogId([0; 16]),
            segment: SegmentNumber(0),
            ends: Vec::new(),
            next_commit: CommitNumber(0),
            next_chain: Chain(0),
            data_end: FilePosition(0),
            newest: EnqueuedTime(UnixMillis::from_millis(newest_ms)),
            index: SegmentIndex::default(),
        }
    }

    #[test]
    fn only_a_run_of_wholly_expired_segments_goes() {
        let cases: [(&[i64], usize); 5] =
            [(&[], 0), (&[899], 1), (&[900], 0), (&[10, 20, 950], 2), (&[10, 950, 20], 1)];
        for (newest, count) in cases {
            let segments: Vec<_> = newest.iter().map(|&ms| segment(ms)).collect();
            let now = UnixMillis::from_millis(1000);
            assert_eq!(expired(&segments, Duration::from_millis(100), now), count, "{newest:?}");
        }
    }
}
