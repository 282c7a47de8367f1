//! What is at the end of the log: stamps given out, commits in flight, what is durable.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use ringhub_core::log::commit::{Chunk, CommitHead, CommitPlace, commit_len, header_len, seal};
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::record::stamp;
use ringhub_core::log::segment::{LogShape, SegmentHeader};
use ringhub_core::log::{
    Chain, CommitNumber, FilePosition, LogId, PartitionState, SegmentNumber, States,
};
use ringhub_core::position::{EnqueuedTime, RingPosition};
use ringhub_core::ring::Consumer;
use ringhub_core::time::UnixMillis;

use super::batch::{Batch, Group};
use super::open::Sealed;
use super::segment_file::{SegmentFile, SharedBuffer};
use super::table::HubTable;

/// The segment that is written.
pub(super) struct Active {
    pub(super) file: Rc<SegmentFile>,
    pub(super) data_start: FilePosition,
    /// Covers durable commits only.
    pub(super) summary: SegmentSummary,
    pub(super) zeroed: Rc<Cell<u64>>,
    write_end: FilePosition,
}

impl Active {
    /// Where the next commit goes.
    pub(super) fn write_end(&self) -> FilePosition {
        self.write_end
    }
}

/// When a commit came to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommitTimes {
    /// Its first record was taken from a ring.
    pub(super) gathered: Instant,
    /// It stood in its buffer.
    pub(super) built: Instant,
}

/// A commit whose sync has not been reported in order yet.
struct InFlight {
    head: CommitHead,
    buffer: SharedBuffer,
    rings: Vec<Option<RingPosition>>,
    ends: Vec<PartitionState>,
    times: CommitTimes,
    outcome: Option<io::Result<()>>,
}

/// A commit that is durable, and so are all before it.
pub(super) struct Durable {
    pub(super) head: CommitHead,
    pub(super) buffer: SharedBuffer,
    pub(super) rings: Vec<Option<RingPosition>>,
    pub(super) times: CommitTimes,
}

/// A built commit, to be written.
pub(super) struct Built {
    pub(super) number: CommitNumber,
    pub(super) file: Rc<SegmentFile>,
    pub(super) buffer: SharedBuffer,
    pub(super) at: FilePosition,
}

/// State at the end of one log.
pub(super) struct Appender {
    log: LogId,
    shape: LogShape,
    block: usize,
    next_commit: CommitNumber,
    next_chain: Chain,
    next_segment: SegmentNumber,
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) active: Option<Active>,
    in_flight: VecDeque<InFlight>,
}

impl Appender {
    pub(super) fn new(shape: LogShape, block: usize, sealed: VecDeque<Sealed>) -> Self {
        let last = sealed.back().map(|last| &last.summary);
        Self {
            log: last.map_or_else(random_log_id, |last| last.log),
            shape,
            block,
            next_commit: last.map_or(CommitNumber(0), |last| last.next_commit),
            next_chain: last.map_or(Chain(0), |last| last.next_chain),
            next_segment: SegmentNumber(last.map_or(0, |last| last.segment.0 + 1)),
            sealed,
            active: None,
            in_flight: VecDeque::new(),
        }
    }

    pub(super) fn in_flight_len(&self) -> usize {
        self.in_flight.len()
    }

    /// The header of the next segment, which begins with partitions at `bases`. Everything before
    /// it is durable: nothing is in flight.
    pub(super) fn next_header(&self, bases: States, now: UnixMillis) -> SegmentHeader {
        assert!(self.in_flight.is_empty(), "a segment begins after all commits before it");
        SegmentHeader {
            log: self.log,
            shape: self.shape,
            segment: self.next_segment,
            block: u32::try_from(self.block).expect("64 KiB at most"),
            first_commit: self.next_commit,
            chain: self.next_chain,
            created: now,
            bases,
            rewritten: None,
        }
    }

    /// Goes on in a segment whose header is on disk.
    pub(super) fn begin_segment(
        &mut self,
        header: SegmentHeader,
        file: Rc<SegmentFile>,
        zeroed: Rc<Cell<u64>>,
    ) {
        let summary = SegmentSummary::new(&header);
        let (data_start, write_end) = (summary.data_end, summary.data_end);
        self.next_segment.0 += 1;
        self.active = Some(Active { file, data_start, summary, zeroed, write_end });
    }

    /// Takes the active segment away from writing.
    pub(super) fn end_segment(&mut self) -> Option<(Sealed, Rc<SegmentFile>)> {
        let active = self.active.take()?;
        let sealed = Sealed::new(active.data_start, active.summary);
        self.sealed.push_back(sealed.clone());
        Some((sealed, active.file))
    }

    /// Where the active segment would end after a commit of `batch`; `None` without a segment.
    pub(super) fn end_after(&self, batch: &Batch) -> Option<u64> {
        let active = self.active.as_ref()?;
        Some(active.write_end.0 + batch_commit_len(batch, self.block) as u64)
    }

    /// Copies the batch into a commit at the end of the active segment, stamping every record.
    /// `None` without a segment.
    pub(super) fn build(
        &mut self,
        batch: &mut Batch,
        rings: &[Consumer],
        hubs: &mut HubTable,
        now: UnixMillis,
    ) -> Option<Built> {
        let durable_before = self.durable_before();
        let active = self.active.as_mut()?;
        batch.drop_gone(hubs);
        let mut buffer = active.file.allocate(batch_commit_len(batch, self.block));
        let place = CommitPlace {
            log: self.log,
            segment: active.summary.segment,
            number: self.next_commit,
            chain: self.next_chain,
            durable_before,
        };
        let (mut chunks, mut ends) = (Vec::new(), Vec::new());
        let mut at = header_len(batch.groups.len());
        for group in &batch.groups {
            let Some(slot) = hubs.slot_mut(group.slot) else { continue };
            let (start, before) = (at, slot.stamped);
            for waiting in batch.records_of(group) {
                let record = rings[waiting.ring].record(waiting.record);
                let target = &mut buffer.bytes_mut()[at..at + record.len()];
                target.copy_from_slice(record);
                let event = slot.stamped.append(record.len(), now);
                stamp(target, event).expect("gather parsed the record");
                at += record.len();
            }
            chunks.push(chunk(group, &before, &slot.stamped, at - start));
            ends.push(slot.stamped);
        }
        let next_chain = seal(buffer.bytes_mut(), &place, &mut chunks);
        let len = buffer.bytes().len();
        let (file, at, buffer) = (Rc::clone(&active.file), active.write_end, buffer.share());
        active.write_end.0 += len as u64;
        self.next_commit.0 += 1;
        self.next_chain = next_chain;
        self.in_flight.push_back(InFlight {
            head: CommitHead { place, len, chunks, next_chain },
            buffer: buffer.clone(),
            rings: batch.upto.clone(),
            ends,
            times: CommitTimes { gathered: batch.since(), built: Instant::now() },
            outcome: None,
        });
        Some(Built { number: place.number, file, buffer, at })
    }

    /// All commits below this are durable.
    fn durable_before(&self) -> CommitNumber {
        self.in_flight.front().map_or(self.next_commit, |first| first.head.place.number)
    }

    /// Notes how the sync of a commit ended.
    pub(super) fn synced(&mut self, number: CommitNumber, outcome: io::Result<()>) {
        let commit = self.in_flight.iter_mut().find(|commit| commit.head.place.number == number);
        if let Some(commit) = commit {
            commit.outcome = Some(outcome);
        }
    }

    /// The next commit in order whose sync has ended. Once one has failed, none after it is
    /// durable.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn poll_durable(&mut self, hubs: &mut HubTable) -> io::Result<Option<Durable>> {
        match self.in_flight.front().map(|first| first.outcome.as_ref()) {
            None | Some(None) => return Ok(None),
            Some(Some(Err(error))) => return Err(io::Error::new(error.kind(), error.to_string())),
            Some(Some(Ok(()))) => {}
        }
        let Some(commit) = self.in_flight.pop_front() else { return Ok(None) };
        if let Some(active) = &mut self.active {
            active.summary.append(&commit.head, &commit.ends);
        }
        for end in &commit.ends {
            if let Some(slot) = hubs.slot_of_mut(end.place) {
                slot.committed = *end;
            }
        }
        let InFlight { head, buffer, rings, times, .. } = commit;
        Ok(Some(Durable { head, buffer, rings, times }))
    }
}

/// The records of a group, `len` bytes that lead from one state of the partition to the next.
fn chunk(group: &Group, before: &PartitionState, after: &PartitionState, len: usize) -> Chunk {
    let enqueued = after.last.map_or_else(EnqueuedTime::default, |last| last.enqueued_time);
    Chunk {
        place: before.place,
        record_count: group.record_count,
        position: 0,
        len: u32::try_from(len).expect("a commit is small"),
        first_offset: before.next_offset,
        first_sequence_number: before.next_sequence_number,
        first_enqueued: enqueued,
        last_enqueued: enqueued,
        checksum: 0,
    }
}

fn batch_commit_len(batch: &Batch, block: usize) -> usize {
    commit_len(batch.groups.len(), batch.bytes, block)
}

/// A fresh name; foreign or stale commits must not carry it by chance.
fn random_log_id() -> LogId {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).expect("the kernel gives random bytes");
    LogId(id)
}
