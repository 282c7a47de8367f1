//! Writes a segment anew without the records of hubs that are gone.
//!
//! Records that stay keep offset, sequence number and time. Commits without any of them are left
//! out, so the others are numbered and linked anew from the first on; the header says how many
//! there are, and with what the next segment goes on.

use super::commit::{Chunk, CommitHead, CommitPlace, commit_len, header_len, seal};
use super::index::SegmentSummary;
use super::segment::{Rewritten, SegmentHeader};
use super::{LogError, PartitionState};
use crate::id::HubId;

/// Goes through one segment. Fed with its commits in order.
#[derive(Debug)]
pub struct SegmentRewrite<G> {
    header: SegmentHeader,
    summary: SegmentSummary,
    /// The segment as it was.
    before: SegmentSummary,
    is_gone: G,
}

impl<G: Fn(HubId) -> bool> SegmentRewrite<G> {
    /// Begins with the segment as it is known; `is_gone` tells the hubs to leave out.
    #[must_use]
    pub fn new(mut header: SegmentHeader, before: SegmentSummary, is_gone: G) -> Self {
        header.bases = states_left(header.bases.iter(), &is_gone);
        header.rewritten = Some(Rewritten {
            times: before.rewrites.wrapping_add(1).max(1),
            commit_count: 0,
            next_commit: before.next_commit,
            next_chain: before.next_chain,
        });
        let summary = SegmentSummary::new(&header);
        Self { header, summary, before, is_gone }
    }

    /// Takes the next commit of the segment, whole, and appends what is left of it to `out`: the
    /// bytes that follow those of the commits before, from the start of the data on.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if it is not as it was written; the segment stays as it is then.
    pub fn take(
        &mut self,
        head: &CommitHead,
        commit: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), LogError> {
        let damaged = || LogError::Damaged { what: "commit", at: head.place.number.0 };
        let is_left = |chunk: &&Chunk| !(self.is_gone)(chunk.place.hub);
        let mut left: Vec<Chunk> = head.chunks.iter().filter(is_left).copied().collect();
        if left.is_empty() {
            return Ok(());
        }
        let records_len = left.iter().map(|chunk| chunk.len as usize).sum();
        let block = self.header.block as usize;
        let (begin, len) = (out.len(), commit_len(left.len(), records_len, block));
        out.resize(begin + len, 0);
        let mut at = begin + header_len(left.len());
        for chunk in &left {
            let records = commit.get(chunk.range()).ok_or_else(damaged)?;
            chunk.is_intact(records).then_some(()).ok_or_else(damaged)?;
            out[at..at + records.len()].copy_from_slice(records);
            at += records.len();
        }
        let place = CommitPlace {
            log: self.header.log,
            segment: self.header.segment,
            number: self.summary.next_commit,
            chain: self.summary.next_chain,
            durable_before: self.summary.next_commit,
        };
        let next_chain = seal(&mut out[begin..], &place, &mut left);
        self.summary.append(&CommitHead { place, len, chunks: left, next_chain }, &[]);
        Ok(())
    }

    /// What stands before the commits, and the segment as it is known from then on.
    #[must_use]
    pub fn finish(mut self) -> (SegmentHeader, SegmentSummary) {
        if let Some(rewritten) = &mut self.header.rewritten {
            rewritten.commit_count = self.summary.next_commit.0 - self.header.first_commit.0;
        }
        self.summary.ends = states_left(self.before.ends.iter(), &self.is_gone);
        self.summary.next_commit = self.before.next_commit;
        self.summary.next_chain = self.before.next_chain;
        (self.header, self.summary)
    }

    /// Where the commits begin in the new file.
    #[must_use]
    pub fn data_start(&self) -> super::FilePosition {
        self.header.data_start()
    }
}

fn states_left<'s>(
    states: impl Iterator<Item = &'s PartitionState>,
    is_gone: &impl Fn(HubId) -> bool,
) -> super::States {
    states.filter(|state| !is_gone(state.place.hub)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ExecutorId, HubPartition, PartitionId};
    use crate::log::record::{NewRecord, encode_record, stamp};
    use crate::log::recovery::{ScanStep, SegmentScan, Tail, check_continues};
    use crate::log::segment::LogShape;
    use crate::log::{
        BLOCK_BYTES, Chain, CommitNumber, FilePosition, LogId, SegmentNumber, States,
    };
    use crate::position::EnqueuedTime;
    use crate::time::UnixMillis;

    fn header() -> SegmentHeader {
        let shape = LogShape {
            hub: HubId(0),
            executor: ExecutorId(0),
            executor_count: 1,
            partition_count: 1,
        };
        SegmentHeader {
            log: LogId([4; 16]),
            shape,
            segment: SegmentNumber(6),
            block: BLOCK_BYTES as u32,
            first_commit: CommitNumber(40),
            chain: Chain(5),
            created: UnixMillis::EPOCH,
            bases: States::default(),
            rewritten: None,
        }
    }

    /// A segment whose commits hold one record of each of the named hubs.
    fn segment(commits: &[&[u32]]) -> (Vec<u8>, SegmentSummary, Vec<CommitHead>) {
        let header = header();
        let mut bytes = vec![0; header.data_start().0 as usize];
        header.encode(&mut bytes);
        let mut summary = SegmentSummary::new(&header);
        let mut heads = Vec::new();
        for hubs in commits {
            let mut records = Vec::new();
            let mut chunks = Vec::new();
            let mut ends = Vec::new();
            for &hub in *hubs {
                let (hub, partition) = (HubId(hub), PartitionId(0));
                let mut state = summary.ends.get(HubPartition { hub, partition });
                let sections = &[7; 3000][..];
                let new =
                    NewRecord { hub, partition, annotation_count: 0, annotations: &[], sections };
                let mut record = Vec::new();
                let len = encode_record(&new, &mut record).expect("small");
                let event = state.append(len, UnixMillis::from_millis(9));
                stamp(&mut record, event).expect("a record");
                chunks.push(Chunk {
                    place: state.place,
                    record_count: 1,
                    position: 0,
                    len: len as u32,
                    first_offset: event.offset,
                    first_sequence_number: event.sequence_number,
                    first_enqueued: EnqueuedTime(UnixMillis::from_millis(9)),
                    last_enqueued: EnqueuedTime(UnixMillis::from_millis(9)),
                    checksum: 0,
                });
                records.extend(record);
                ends.push(state);
            }
            let len = commit_len(chunks.len(), records.len(), BLOCK_BYTES);
            let mut commit = vec![0; len];
            let at = header_len(chunks.len());
            commit[at..at + records.len()].copy_from_slice(&records);
            let place = CommitPlace {
                log: header.log,
                segment: header.segment,
                number: summary.next_commit,
                chain: summary.next_chain,
                durable_before: summary.next_commit,
            };
            let next_chain = seal(&mut commit, &place, &mut chunks);
            let head = CommitHead { place, len, chunks, next_chain };
            summary.append(&head, &ends);
            heads.push(head);
            bytes.extend(commit);
        }
        (bytes, summary, heads)
    }

    fn rewrite(
        (bytes, summary, heads): &(Vec<u8>, SegmentSummary, Vec<CommitHead>),
        gone: u32,
    ) -> Result<(Vec<u8>, SegmentSummary), LogError> {
        let is_gone = |hub: HubId| hub.0 == gone;
        let mut rewrite = SegmentRewrite::new(header(), summary.clone(), is_gone);
        let mut out = vec![0; rewrite.data_start().0 as usize];
        let mut at = header().data_start().0 as usize;
        for head in heads {
            rewrite.take(head, &bytes[at..at + head.len], &mut out)?;
            at += head.len;
        }
        let (header, summary) = rewrite.finish();
        let start = header.data_start().0 as usize;
        header.encode(&mut out[..start]);
        Ok((out, summary))
    }

    fn scan(bytes: &[u8]) -> Result<(SegmentHeader, SegmentSummary), LogError> {
        let header = SegmentHeader::decode(bytes)?;
        let mut scan = SegmentScan::new(header.clone());
        let mut step = scan.start();
        loop {
            match step {
                ScanStep::Read { position: FilePosition(at), len } => {
                    let rest = &bytes[(at as usize).min(bytes.len())..];
                    step = scan.feed(&rest[..rest.len().min(len)])?;
                }
                ScanStep::Done(scanned) => {
                    assert_eq!(scanned.tail, Tail::Clean);
                    return Ok((header, scanned.summary));
                }
            }
        }
    }

    #[test]
    fn what_is_left_is_read_back_and_continued() {
        let commits: [&[u32]; 5] = [&[1], &[0, 1, 2], &[1], &[2], &[1, 0]];
        let old = segment(&commits);
        let ends = header().ends(&old.1);
        let next = SegmentHeader {
            segment: SegmentNumber(7),
            first_commit: old.1.next_commit,
            chain: old.1.next_chain,
            bases: ends.clone(),
            ..header()
        };
        for (gone, commits_left) in [(1, 3), (0, 5), (2, 4), (9, 5)] {
            let (bytes, summary) = rewrite(&old, gone).expect("whole");
            let (header, scanned) = scan(&bytes).expect("reads back");
            assert_eq!(scanned, summary, "hub {gone}");
            assert_eq!(summary.data_end.0 as usize, bytes.len());
            assert_eq!(
                header.rewritten.map(|r| (r.times, r.commit_count)),
                Some((1, commits_left))
            );
            assert!(!summary.ends.has_hub(HubId(gone)));
            for end in old.1.ends.iter().filter(|end| end.place.hub.0 != gone) {
                assert_eq!(summary.ends.find(end.place), Some(end), "positions stay");
            }
            assert_eq!(check_continues(&summary, &header.ends(&summary), &next), Ok(()));
        }
        let alone: [&[u32]; 2] = [&[1], &[1]];
        let (bytes, summary) = rewrite(&segment(&alone), 1).expect("whole");
        assert_eq!(bytes.len(), 8192, "nothing but the header");
        assert_eq!(scan(&bytes).expect("reads back").1, summary);
    }

    #[test]
    fn a_part_of_it_is_no_segment_and_damage_is_not_copied() {
        let commits: [&[u32]; 3] = [&[0, 1], &[0], &[0, 1]];
        let old = segment(&commits);
        let (bytes, _) = rewrite(&old, 1).expect("whole");
        let cut = scan(&bytes[..bytes.len() - BLOCK_BYTES]);
        assert!(matches!(cut, Err(LogError::LostCommit { .. })), "{cut:?}");
        let mut damaged = old;
        damaged.0[8192 + 400] ^= 1;
        let refused = rewrite(&damaged, 1);
        assert!(matches!(refused, Err(LogError::Damaged { what: "commit", .. })), "{refused:?}");
    }
}
