//! Reads a segment back after a stop or a crash and finds where it ends.
//!
//! ```text
//!               commit as expected                    claims that the missing one was durable
//!              ┌──────────────────┐                  ┌──────────────────────────────▶ refused
//!  first ─▶ Reading ──────────────┘                  │
//!              └──── anything else ─▶ Looking ───────┤ every later block, to the end
//!                                                    └──────────────────────────────▶ end of the segment
//! ```
//!
//! The machine is fed blocks and does no IO. What follows the first bad commit was never
//! acknowledged, unless a whole commit further on says otherwise: then data was lost after it was
//! acknowledged, which only a person can decide on.

use super::commit::{COMMIT_HEADER_BYTES_MAX, Chunk, CommitHead};
use super::index::SegmentSummary;
use super::segment::SegmentHeader;
use super::{CommitNumber, FilePosition, LogError, PartitionState, States};

/// Bytes that a scan asks for at a time.
pub const SCAN_WINDOW_BYTES: usize = 1024 * 1024;

/// What a scan wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanStep {
    /// The bytes of the file from `position` on, up to `len` of them, less only at the end of the
    /// file.
    Read {
        /// Where to read.
        position: FilePosition,
        /// How much.
        len: usize,
    },
    /// The segment is read.
    Done(Box<Scanned>),
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The segment up to its last good commit.
    pub summary: SegmentSummary,
    /// What stands after that.
    pub tail: Tail,
}

/// What stands after the last good commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Zeros, or what an earlier use of the file left.
    Clean,
    /// Commits that were under way and never acknowledged.
    Torn {
        /// First commit that is missing or torn.
        commit: CommitNumber,
        /// Whole commits after it, cut off with it.
        whole_commits: usize,
    },
}

/// Scans one segment.
#[derive(Clone, Debug)]
pub struct SegmentScan {
    header: SegmentHeader,
    summary: SegmentSummary,
    phase: Phase,
    wanted: usize,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Reading,
    Looking { at: FilePosition, whole_commits: usize, torn: bool },
}

/// Whether the commit at the current place could be taken.
enum Verdict {
    Taken(usize),
    NeedsMore(usize),
    Bad { torn: bool },
}

impl SegmentScan {
    /// Begins after the header of a segment.
    #[must_use]
    pub fn new(header: SegmentHeader) -> Self {
        let summary = SegmentSummary::new(&header);
        Self { header, summary, phase: Phase::Reading, wanted: SCAN_WINDOW_BYTES }
    }

    /// What to do first.
    #[must_use]
    pub fn start(&self) -> ScanStep {
        ScanStep::Read { position: self.summary.data_end, len: self.wanted }
    }

    /// Takes the bytes asked for by the last step.
    ///
    /// # Errors
    /// [`LogError::LostCommit`]: acknowledged data is damaged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<ScanStep, LogError> {
        let at_end = bytes.len() < self.wanted;
        match self.phase {
            Phase::Reading => self.read(bytes, at_end),
            Phase::Looking { at, .. } => self.look(at, bytes, at_end),
        }
    }

    fn read(&mut self, bytes: &[u8], at_end: bool) -> Result<ScanStep, LogError> {
        let mut rest = bytes;
        loop {
            if self.is_whole() {
                return Ok(ScanStep::Done(Box::new(self.finish())));
            }
            match self.take(rest, at_end) {
                Verdict::Taken(len) => rest = &rest[len..],
                Verdict::NeedsMore(len) => {
                    self.wanted = len.max(SCAN_WINDOW_BYTES);
                    let position = self.summary.data_end;
                    return Ok(ScanStep::Read { position, len: self.wanted });
                }
                Verdict::Bad { .. } if self.header.rewritten.is_some() => return Err(self.lost()),
                Verdict::Bad { torn } => {
                    let at = self.summary.data_end;
                    self.phase = Phase::Looking { at, whole_commits: 0, torn };
                    self.wanted = SCAN_WINDOW_BYTES + COMMIT_HEADER_BYTES_MAX;
                    return Ok(ScanStep::Read { position: at, len: self.wanted });
                }
            }
        }
    }

    /// True once all commits of a segment that was written anew are read.
    fn is_whole(&self) -> bool {
        let taken = self.summary.next_commit.0 - self.header.first_commit.0;
        self.header.rewritten.is_some_and(|rewritten| taken >= rewritten.commit_count)
    }

    fn take(&mut self, rest: &[u8], at_end: bool) -> Verdict {
        if rest.len() < COMMIT_HEADER_BYTES_MAX && !at_end {
            return Verdict::NeedsMore(COMMIT_HEADER_BYTES_MAX);
        }
        let Some(head) = CommitHead::parse(rest) else {
            return Verdict::Bad { torn: self.begins_something(rest) };
        };
        if !self.is_expected(&head) {
            return Verdict::Bad { torn: head.place.segment == self.header.segment };
        }
        let Some(commit) = rest.get(..head.len) else {
            return if at_end { Verdict::Bad { torn: true } } else { Verdict::NeedsMore(head.len) };
        };
        let Some(ends) = self.ends_after(&head, commit) else {
            return Verdict::Bad { torn: true };
        };
        self.summary.append(&head, &ends);
        Verdict::Taken(head.len)
    }

    /// True unless the first block is zeros.
    fn begins_something(&self, rest: &[u8]) -> bool {
        let block = self.header.block as usize;
        rest.iter().take(block).any(|&byte| byte != 0)
    }

    fn is_expected(&self, head: &CommitHead) -> bool {
        head.place.log == self.header.log
            && head.place.segment == self.header.segment
            && head.place.number == self.summary.next_commit
            && head.place.chain == self.summary.next_chain
            && head.len.is_multiple_of(self.header.block as usize)
            && head.len > 0
    }

    /// Where the partitions of a commit stand behind it, if it is whole and continues what was
    /// read. A partition that was not there before begins with it.
    fn ends_after(&self, head: &CommitHead, commit: &[u8]) -> Option<Vec<PartitionState>> {
        let end = |chunk: &Chunk| {
            let records = commit.get(chunk.range())?;
            chunk.is_intact(records).then_some(())?;
            let known = self.summary.ends.find(chunk.place);
            let before = known.copied().unwrap_or_else(|| self.header.bases.get(chunk.place));
            chunk.continues(&before, records)
        };
        head.chunks.iter().map(end).collect()
    }

    fn look(&mut self, at: FilePosition, bytes: &[u8], at_end: bool) -> Result<ScanStep, LogError> {
        let block = self.header.block as usize;
        let mut start = 0;
        while start < bytes.len() && (at_end || start < SCAN_WINDOW_BYTES) {
            if let Some(head) = CommitHead::parse(&bytes[start..]) {
                self.judge(&head)?;
            }
            start += block;
        }
        if at_end {
            return Ok(ScanStep::Done(Box::new(self.finish())));
        }
        let position = FilePosition(at.0 + start as u64);
        if let Phase::Looking { at, .. } = &mut self.phase {
            *at = position;
        }
        Ok(ScanStep::Read { position, len: self.wanted })
    }

    /// Takes note of a whole header after the end; refuses if it proves that the missing commit was
    /// durable.
    fn judge(&mut self, head: &CommitHead) -> Result<(), LogError> {
        let missing = self.summary.next_commit;
        let ours = head.place.log == self.header.log && head.place.segment == self.header.segment;
        if !ours || head.place.number < missing {
            return Ok(());
        }
        if head.place.durable_before > missing {
            return Err(self.lost());
        }
        if let Phase::Looking { whole_commits, torn, .. } = &mut self.phase {
            *whole_commits += usize::from(head.place.number > missing);
            *torn = true;
        }
        Ok(())
    }

    fn lost(&self) -> LogError {
        LogError::LostCommit {
            segment: self.header.segment,
            commit: self.summary.next_commit,
            at: self.summary.data_end,
        }
    }

    fn finish(&self) -> Scanned {
        let commit = self.summary.next_commit;
        let tail = match self.phase {
            Phase::Looking { torn: true, whole_commits, .. } => {
                Tail::Torn { commit, whole_commits }
            }
            _ => Tail::Clean,
        };
        let mut summary = self.summary.clone();
        if let Some(rewritten) = self.header.rewritten {
            summary.next_commit = rewritten.next_commit;
            summary.next_chain = rewritten.next_chain;
        }
        Scanned { summary, tail }
    }
}

/// Checks that `next` begins where the segment with this summary ended, and the partitions with it
/// at `ends`; commits of the earlier one were all durable then. Hubs that only one of both knows
/// were removed meanwhile, or are new.
///
/// # Errors
/// [`LogError::Gap`] if a segment between them is missing or either is from elsewhere,
/// [`LogError::LostCommit`] if the earlier one has fewer commits than it had.
pub fn check_continues(
    before: &SegmentSummary,
    ends: &States,
    next: &SegmentHeader,
) -> Result<(), LogError> {
    if before.log != next.log || before.segment.0 + 1 != next.segment.0 {
        return Err(LogError::Gap(next.segment));
    }
    if before.next_commit < next.first_commit {
        return Err(LogError::LostCommit {
            segment: before.segment,
            commit: before.next_commit,
            at: before.data_end,
        });
    }
    if before.next_chain != next.chain || !ends.agrees_with(&next.bases) {
        return Err(LogError::Gap(next.segment));
    }
    Ok(())
}
