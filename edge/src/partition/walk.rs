//! Goes through one segment for one reader.
//!
//! Every chunk of its partition is read and checked once; what a batch has no room for is kept for
//! the next, and other partitions are passed over where that saves reading.

use std::rc::Rc;

use bytes::Bytes;
use ringhub_core::limits::{COMMIT_BYTES_MAX, READER_REST_BYTES_MAX};
use ringhub_core::log::commit::{Chunk, CommitHead};
use ringhub_core::log::{BLOCK_BYTES, FilePosition, SegmentNumber};
use ringhub_core::reader::StartAt;

use super::catch_up::Wanted;
use super::segment_file::SegmentFile;
use super::selection::{Gathered, Selected, cut};

/// Read at a time where commits are small: several lie in it whole.
const WINDOW_BYTES: usize = 64 * 1024;

/// Read at a time where commits are large and mostly of other partitions: most headers.
const HEAD_BYTES: usize = 2 * BLOCK_BYTES;

/// By how much more than the last commit of a busy partition is read for its next.
const SPARE_BYTES: usize = 4 * BLOCK_BYTES;

/// The file of a segment; one that was written anew is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileOf {
    pub(super) segment: SegmentNumber,
    pub(super) rewrites: u16,
}

/// Where a reader goes on in the segments, as long as its segment is retained.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    pub(super) file: FileOf,
    /// The first commit that was not read yet.
    commit: FilePosition,
    /// Checked records before that commit, which stand at the reader's position.
    rest: Bytes,
    /// Worth reading at once from there.
    window_bytes: usize,
}

impl Resume {
    /// Begins at `commit`.
    pub(super) fn new(file: FileOf, commit: FilePosition) -> Self {
        Self { file, commit, rest: Bytes::new(), window_bytes: WINDOW_BYTES }
    }

    /// True if records are here that need not be read.
    pub(super) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Up to `bytes_max` of the records that are here already, if any.
    pub(super) fn take(mut self, start: StartAt, bytes_max: usize) -> Option<Selected> {
        let cut = cut(&self.rest, start, bytes_max, true);
        let (records, next) = (self.rest.slice(cut.range.clone()), cut.next?);
        self.rest = self.rest.slice(cut.range.end..);
        Some(Selected { records, next, resume: Some(self) })
    }
}

/// Goes from commit to commit.
pub(super) struct Walk<'a> {
    file: Rc<SegmentFile>,
    wanted: &'a Wanted,
    resume: Resume,
    gathered: Gathered,
}

impl<'a> Walk<'a> {
    pub(super) fn new(file: Rc<SegmentFile>, wanted: &'a Wanted, from: Resume) -> Self {
        Self { file, wanted, resume: from, gathered: Gathered::default() }
    }

    /// Reads until there is enough, up to the durable `end` of the segment.
    ///
    /// # Errors
    /// What the disk said, or which commit is damaged.
    pub(super) async fn run(&mut self, end: FilePosition) -> Result<(), String> {
        while self.resume.commit < end {
            let begin = self.resume.commit;
            let window = self.read_window(begin).await?;
            loop {
                let used = (self.resume.commit.0 - begin.0) as usize;
                let window = window.slice(used.min(window.len())..);
                let head = CommitHead::parse(&window);
                let head = head.filter(|head| head.place.segment == self.resume.file.segment);
                let Some(head) = head else { break };
                if !self.take(&head, &window).await? || self.resume.commit >= end {
                    return Ok(());
                }
            }
            if self.resume.commit == begin {
                let segment = self.resume.file.segment.0;
                return Err(format!("segment {segment} is damaged at byte {}", begin.0));
            }
        }
        Ok(())
    }

    /// What is worth reading from the commit at `begin` on, its header and table at least.
    async fn read_window(&self, begin: FilePosition) -> Result<Bytes, String> {
        let window = self.read(Vec::new(), begin, self.resume.window_bytes).await?;
        let missing = CommitHead::stated_len(&window).unwrap_or(0).saturating_sub(window.len());
        if missing == 0 {
            return Ok(window);
        }
        let from = FilePosition(begin.0 + window.len() as u64);
        self.read(window.into(), from, missing).await
    }

    /// Takes the chunk of the commit at the resume position and goes on to the next; false once
    /// there is enough. `window` begins with that commit.
    async fn take(&mut self, head: &CommitHead, window: &Bytes) -> Result<bool, String> {
        debug_assert!(head.len <= COMMIT_BYTES_MAX);
        let at = self.resume.commit;
        let after = FilePosition(at.0 + head.len as u64);
        let chunk = head.chunk(self.wanted.place);
        self.resume.window_bytes = window_bytes_after(head, chunk);
        let Some(chunk) = chunk.filter(|chunk| self.may_admit(chunk)) else {
            self.resume.commit = after;
            return Ok(true);
        };
        let records = self.records(at, chunk, window).await?;
        if !chunk.is_intact(&records) {
            return Err(format!("commit {} at byte {} is damaged", head.place.number.0, at.0));
        }
        let enough = self.gathered.take(&records, self.wanted.start, self.wanted.bytes_max);
        let rest = enough.map_or_else(Bytes::new, |end| records.slice(end..));
        // A chunk that is too large to be kept is read again.
        if rest.is_empty() || records.len() <= READER_REST_BYTES_MAX {
            self.resume.commit = after;
            self.resume.rest = rest;
        }
        Ok(enough.is_none())
    }

    /// All records of the chunk, read as far as they are not in `window`.
    async fn records(
        &self,
        at: FilePosition,
        chunk: &Chunk,
        window: &Bytes,
    ) -> Result<Bytes, String> {
        let range = chunk.range();
        if range.end <= window.len() {
            return Ok(window.slice(range));
        }
        let mut records = Vec::with_capacity(range.len());
        records.extend_from_slice(window.get(range.start..).unwrap_or_default());
        let missing = range.len() - records.len();
        let from = FilePosition(at.0 + (range.end - missing) as u64);
        self.read(records, from, missing).await
    }

    fn may_admit(&self, chunk: &Chunk) -> bool {
        match self.wanted.start {
            StartAt::Offset(offset) => chunk.first_offset.0 + u64::from(chunk.len) > offset.0,
            StartAt::SequenceNumber(number) => {
                chunk.first_sequence_number.0 + u64::from(chunk.record_count) > number.0
            }
            StartAt::EnqueuedTime(time) => chunk.last_enqueued >= time,
        }
    }

    async fn read(&self, to: Vec<u8>, at: FilePosition, len: usize) -> Result<Bytes, String> {
        self.file.read_behind(to, at, len).await.map_err(|error| error.to_string())
    }

    /// What was gathered, if there is anything.
    pub(super) fn finish(self) -> Option<Selected> {
        self.gathered.finish(self.resume)
    }
}

/// How much to read for the commit after `head`, in which the partition had `chunk`.
fn window_bytes_after(head: &CommitHead, chunk: Option<&Chunk>) -> usize {
    let busy = chunk.map(Chunk::range).filter(|range| range.end <= 2 * range.len());
    match busy {
        _ if head.len <= WINDOW_BYTES / 2 => WINDOW_BYTES,
        Some(range) => (range.end + SPARE_BYTES).min(READER_REST_BYTES_MAX),
        None => HEAD_BYTES,
    }
}
