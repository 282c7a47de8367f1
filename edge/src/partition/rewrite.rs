//! Writes the file of a sealed segment anew, on a thread that may block.

use std::collections::HashSet;
use std::fs::{File, remove_file, rename};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ringhub_core::id::HubId;
use ringhub_core::limits::COMMIT_BYTES_MAX;
use ringhub_core::log::commit::CommitHead;
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::rewrite::SegmentRewrite;
use ringhub_core::log::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_file_name};
use ringhub_core::log::{LogError, SegmentNumber};
use tracing::warn;

use super::open::{Sealed, remove_index, sync_dir};

/// Name of the file that is written.
pub(super) const REWRITTEN_FILE_NAME: &str = "next.rewritten";

/// Read and written at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// Why a segment was not written anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Writes what is left of the segment with the summary `before` into a file of its own, durably. On
/// failure there is no such file: it would keep room from ingest where the disk is full.
pub(super) fn write_anew(
    dir: &Path,
    before: SegmentSummary,
    gone: &HashSet<HubId>,
) -> Result<Sealed, RewriteError> {
    write_file(dir, before, gone).inspect_err(|_| discard(dir))
}

fn write_file(
    dir: &Path,
    before: SegmentSummary,
    gone: &HashSet<HubId>,
) -> Result<Sealed, RewriteError> {
    let mut reader = Reader::open(&dir.join(segment_file_name(before.segment)), before.data_end.0)?;
    let header = reader.header()?;
    let mut rewrite = SegmentRewrite::new(header, before, |hub| gone.contains(&hub));
    let file = File::create(dir.join(REWRITTEN_FILE_NAME))?;
    let data_start = rewrite.data_start();
    let (mut piece, mut written) = (Vec::new(), data_start.0);
    while let Some((head, commit)) = reader.next()? {
        rewrite.take(&head, commit, &mut piece)?;
        if piece.len() >= PIECE_BYTES {
            file.write_all_at(&piece, written)?;
            written += piece.len() as u64;
            piece.clear();
        }
    }
    file.write_all_at(&piece, written)?;
    let (header, summary) = rewrite.finish();
    let mut head = vec![0; usize::try_from(data_start.0).map_err(io::Error::other)?];
    header.encode(&mut head);
    file.write_all_at(&head, 0)?;
    file.sync_all()?;
    Ok(Sealed::new(data_start, summary))
}

/// Puts the file that was written in the place of the segment's. On failure the old one is there.
pub(super) fn exchange(dir: &Path, segment: SegmentNumber) -> io::Result<()> {
    remove_index(dir, segment)?;
    rename(dir.join(REWRITTEN_FILE_NAME), dir.join(segment_file_name(segment)))?;
    if let Err(error) = sync_dir(dir) {
        // Either file is right after a crash.
        warn!(dir = %dir.display(), %error, "the name of a rewritten segment may not be durable");
    }
    Ok(())
}

/// Removes what was written, or what a run that was killed has left.
pub(super) fn discard(dir: &Path) {
    match remove_file(dir.join(REWRITTEN_FILE_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(dir = %dir.display(), %error, "a file of no use stays");
        }
        _ => {}
    }
}

/// Goes through the commits of a segment.
struct Reader {
    file: File,
    /// What was read last; commits up to `used` were given.
    window: Vec<u8>,
    used: usize,
    /// Where the window ends in the file.
    at: u64,
    end: u64,
}

impl Reader {
    fn open(path: &Path, end: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, window: Vec::new(), used: 0, at: 0, end })
    }

    fn header(&mut self) -> Result<SegmentHeader, RewriteError> {
        self.read(SEGMENT_HEADER_BYTES)?;
        let len = SegmentHeader::stated_len(&self.window)?;
        self.read(len - self.window.len().min(len))?;
        let header = SegmentHeader::decode(&self.window)?;
        self.at = header.data_start().0;
        self.window.clear();
        Ok(header)
    }

    /// The next commit, as far as there is one.
    fn next(&mut self) -> Result<Option<(CommitHead, &[u8])>, RewriteError> {
        loop {
            let begin = self.at - (self.window.len() - self.used) as u64;
            if begin >= self.end {
                return Ok(None);
            }
            let head = CommitHead::parse(&self.window[self.used..]);
            let head = head.filter(|head| self.used + head.len <= self.window.len());
            if let Some(head) = head {
                let commit = self.used..self.used + head.len;
                self.used = commit.end;
                return Ok(Some((head, &self.window[commit])));
            }
            self.window.drain(..self.used);
            self.used = 0;
            let missing = self.end - self.at;
            if missing == 0 || self.window.len() >= COMMIT_BYTES_MAX {
                return Err(LogError::Damaged { what: "commit", at: begin }.into());
            }
            self.read(usize::try_from(missing).unwrap_or(usize::MAX).min(PIECE_BYTES))?;
        }
    }

    fn read(&mut self, len: usize) -> io::Result<()> {
        let begin = self.window.len();
        self.window.resize(begin + len, 0);
        self.file.read_exact_at(&mut self.window[begin..], self.at)?;
        self.at += len as u64;
        Ok(())
    }
}
