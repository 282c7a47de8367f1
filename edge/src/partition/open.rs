//! Opens the directory of a log: recovers what is there, cuts a torn tail, refuses what would lose
//! data.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use ringhub_core::id::ExecutorId;
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::recovery::{ScanStep, Scanned, SegmentScan, Tail, check_continues};
use ringhub_core::log::segment::{
    LogShape, SEGMENT_HEADER_BYTES, SegmentHeader, index_file_name, parse_segment_file_name,
    segment_file_name,
};
use ringhub_core::log::{
    BLOCK_BYTES, FilePosition, LogError, PartitionState, SegmentNumber, States,
};
use ringhub_core::time::UnixMillis;
use tracing::{info, warn};

use super::rewrite::discard;
use super::segment_file::{IoMode, Medium, SegmentFile};
use super::{PartitionsConfig, StartError};

/// Name of the file that becomes the next segment.
pub(super) const PREPARED_FILE_NAME: &str = "next.prepared";

/// What an executor found in its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The executor.
    pub executor: ExecutorId,
    /// How its files are read and written.
    pub io_mode: IoMode,
    /// Segments with events.
    pub segments: usize,
    /// Segments whose index was missing or damaged, so that they were read through.
    pub scanned: usize,
    /// Whole commits that were never acknowledged and were cut off with a torn one; `None` after a
    /// clean stop.
    pub torn: Option<usize>,
    /// Events ever taken in, over all partitions.
    pub events: u64,
}

/// A segment that is not written any more.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) data_start: FilePosition,
    pub(super) summary: SegmentSummary,
    pub(super) state: FileState,
    /// Time of the oldest event that is the last of its partition here.
    pub(super) first_end: UnixMillis,
}

impl Sealed {
    pub(super) fn new(data_start: FilePosition, summary: SegmentSummary) -> Self {
        let times = summary.ends.iter().filter_map(|end| end.last);
        let first = times.map(|last| last.enqueued_time.0).min();
        let first_end = first.unwrap_or(UnixMillis::EPOCH);
        Self { data_start, summary, state: FileState::Settled, first_end }
    }

    pub(super) fn segment(&self) -> SegmentNumber {
        self.summary.segment
    }
}

/// What the file of a sealed segment is going through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// Nothing.
    Settled,
    /// It is about to get another file, with other positions of its commits.
    Changing,
    /// It could not be written anew, because it is damaged somewhere.
    Damaged,
}

/// A recovered log.
pub(super) struct Opened {
    pub(super) medium: Medium,
    pub(super) sealed: VecDeque<Sealed>,
    /// Where the partitions stood before the first segment.
    pub(super) oldest: States,
    /// Where they stand.
    pub(super) ends: States,
    pub(super) recovery: Recovery,
}

/// Recovers the log of `executor`.
pub(super) async fn open(
    config: &PartitionsConfig,
    executor: ExecutorId,
) -> Result<Opened, StartError> {
    let dir = config.log_dir(executor);
    std::fs::create_dir_all(&dir).map_err(|e| StartError::io(&dir, e))?;
    let medium = detect(&dir).await?;
    let opener = Opener { medium, dir, shape: shape(config, executor) };
    opener.recover(executor).await
}

pub(super) fn shape(config: &PartitionsConfig, executor: ExecutorId) -> LogShape {
    LogShape {
        hub: config.hub,
        executor,
        executor_count: config.executor_count,
        partition_count: config.partition_count,
    }
}

/// Tries direct IO on a file of the directory: tmpfs turns it off in silence, other filesystems
/// refuse the open.
///
/// The file has data on disk before glommio first sees it: on an empty one, glommio takes the
/// device for one that can be polled, whatever it is, and every later read of the process fails. A
/// file that is there is good enough, so that a full disk does not keep the hub from starting.
async fn detect(dir: &Path) -> Result<Medium, StartError> {
    let is_tmpfs =
        rustix::fs::statfs(dir).map_err(|e| StartError::io(dir, e))?.f_type == libc::TMPFS_MAGIC;
    let direct = if is_tmpfs {
        Err("the directory is in memory and survives no restart of the machine".to_owned())
    } else {
        let probe = probe_file(dir).map_err(|e| StartError::io(dir, e))?;
        Medium::of_direct_file(&probe).await
    };
    Ok(direct.unwrap_or_else(|reason| {
        warn!(dir = %dir.display(), reason, "no direct IO: the log goes through the page cache");
        Medium::BUFFERED
    }))
}

/// A file of the directory that has data, made if there is none.
fn probe_file(dir: &Path) -> io::Result<PathBuf> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_segment = name.to_str().and_then(parse_segment_file_name).is_some();
        if (is_segment || name == PREPARED_FILE_NAME) && entry.metadata()?.len() > 0 {
            return Ok(entry.path());
        }
    }
    let path = dir.join(PREPARED_FILE_NAME);
    let mut file = std::fs::File::create(&path)?;
    io::Write::write_all(&mut file, &[0; 2 * BLOCK_BYTES])?;
    file.sync_all()?;
    Ok(path)
}

struct Opener {
    dir: PathBuf,
    medium: Medium,
    shape: LogShape,
}

impl Opener {
    async fn recover(&self, executor: ExecutorId) -> Result<Opened, StartError> {
        discard(&self.dir);
        let numbers = self.list()?;
        let mut sealed: VecDeque<Sealed> = VecDeque::new();
        let (mut oldest, mut ends) = (States::default(), States::default());
        let mut recovery = Recovery {
            executor,
            io_mode: self.medium.mode,
            segments: 0,
            scanned: 0,
            torn: None,
            events: 0,
        };
        for (place, &number) in numbers.iter().enumerate() {
            let is_last = place + 1 == numbers.len();
            let (header, summary) = self.recover_segment(number, is_last, &mut recovery).await?;
            if let Some(before) = sealed.back() {
                let checked = check_continues(&before.summary, &ends, &header);
                checked.map_err(|source| self.log_error(number, source))?;
                if is_last && summary.next_commit == header.first_commit {
                    // A segment that never got a commit gives its number to the next.
                    remove_segment(&self.dir, number).map_err(|e| StartError::io(&self.dir, e))?;
                    break;
                }
            } else {
                oldest = header.bases.clone();
            }
            ends = header.ends(&summary);
            sealed.push_back(Sealed::new(header.data_start(), summary));
        }
        recovery.segments = sealed.len();
        recovery.events = ends.iter().map(|end| end.next_sequence_number.0).sum();
        info!(?recovery, "log opened");
        Ok(Opened { medium: self.medium, sealed, oldest, ends, recovery })
    }

    fn list(&self) -> Result<Vec<SegmentNumber>, StartError> {
        let entries = std::fs::read_dir(&self.dir).map_err(|e| StartError::io(&self.dir, e))?;
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| StartError::io(&self.dir, e))?;
            numbers.extend(entry.file_name().to_str().and_then(parse_segment_file_name));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn recover_segment(
        &self,
        number: SegmentNumber,
        is_last: bool,
        recovery: &mut Recovery,
    ) -> Result<(SegmentHeader, SegmentSummary), StartError> {
        let path = self.dir.join(segment_file_name(number));
        let io = |e: io::Error| StartError::io(&path, e);
        let file = SegmentFile::open(&path, self.medium).await.map_err(io)?;
        let header = self.read_header(number, &file).await?;
        if let Some(summary) = self.read_index(&header) {
            file.close().await.map_err(io)?;
            return Ok((header, summary));
        }
        let scanned = self.scan(&header, &file).await?;
        recovery.scanned += 1;
        self.report_tail(number, &scanned, is_last, recovery);
        if is_last {
            // What was cut must not come back when the next segment's file is lost.
            file.truncate(scanned.summary.data_end).await.map_err(io)?;
            file.sync().await.map_err(io)?;
        }
        file.close().await.map_err(io)?;
        write_index(&self.dir, &scanned.summary);
        Ok((header, scanned.summary))
    }

    async fn read_header(
        &self,
        number: SegmentNumber,
        file: &SegmentFile,
    ) -> Result<SegmentHeader, StartError> {
        let path = self.dir.join(segment_file_name(number));
        let log_error = |source| self.log_error(number, source);
        let read = |len| file.read(FilePosition(0), len);
        let mut bytes = read(SEGMENT_HEADER_BYTES).await.map_err(|e| StartError::io(&path, e))?;
        let len = SegmentHeader::stated_len(&bytes).map_err(log_error)?;
        if len > bytes.len() {
            bytes = read(len).await.map_err(|e| StartError::io(&path, e))?;
        }
        let header = SegmentHeader::decode(&bytes).map_err(log_error)?;
        if header.segment != number {
            return Err(self.log_error(number, LogError::Foreign("another place in the log")));
        }
        if header.shape != self.shape {
            return Err(StartError::Shape {
                path,
                found_hub: header.shape.hub.0,
                found_executors: header.shape.executor_count,
                found_partitions: header.shape.partition_count,
            });
        }
        Ok(header)
    }

    /// The summary beside the segment, if there is a good one of the file as it is.
    fn read_index(&self, header: &SegmentHeader) -> Option<SegmentSummary> {
        let path = self.dir.join(index_file_name(header.segment));
        let bytes = std::fs::read(&path).ok()?;
        match SegmentSummary::decode(&bytes) {
            Ok(mut summary) if is_of(&summary, header) => {
                let has_events = |end: &&PartitionState| header.bases.find(end.place) != Some(*end);
                summary.ends = summary.ends.iter().filter(has_events).copied().collect();
                Some(summary)
            }
            Ok(_) => None,
            Err(error) => {
                warn!(path = %path.display(), %error, "index is made anew from its segment");
                None
            }
        }
    }

    async fn scan(
        &self,
        header: &SegmentHeader,
        file: &SegmentFile,
    ) -> Result<Scanned, StartError> {
        let path = self.dir.join(segment_file_name(header.segment));
        let mut scan = SegmentScan::new(header.clone());
        let mut step = scan.start();
        loop {
            match step {
                ScanStep::Done(scanned) => return Ok(*scanned),
                ScanStep::Read { position, len } => {
                    let bytes = file.read(position, len).await;
                    let bytes = bytes.map_err(|e| StartError::io(&path, e))?;
                    let next = scan.feed(&bytes);
                    step = next.map_err(|source| self.log_error(header.segment, source))?;
                }
            }
        }
    }

    fn report_tail(
        &self,
        number: SegmentNumber,
        scanned: &Scanned,
        is_last: bool,
        recovery: &mut Recovery,
    ) {
        if let (Tail::Torn { commit, whole_commits }, true) = (scanned.tail, is_last) {
            recovery.torn = Some(whole_commits);
            warn!(
                segment = number.0,
                commit = commit.0,
                at = scanned.summary.data_end.0,
                whole_commits,
                "cut commits that were under way at a crash; none of them was acknowledged"
            );
        }
    }

    fn log_error(&self, number: SegmentNumber, source: LogError) -> StartError {
        StartError::Log { path: self.dir.join(segment_file_name(number)), source }
    }
}

fn is_of(summary: &SegmentSummary, header: &SegmentHeader) -> bool {
    let of_header = (header.log, header.segment, header.rewrites());
    (summary.log, summary.segment, summary.rewrites) == of_header
}

/// Writes the index of a sealed segment. Losing it costs a scan at the next start and nothing else,
/// so that a full disk is no reason to stop.
pub(super) fn write_index(dir: &Path, summary: &SegmentSummary) {
    let path = dir.join(index_file_name(summary.segment));
    let written = std::fs::File::create(&path).and_then(|mut file| {
        io::Write::write_all(&mut file, &summary.encode())?;
        file.sync_all()
    });
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "no index: the next start reads the segment through");
    }
}

/// Removes the files of a segment, the index first: an index without segment would be left for
/// ever.
pub(super) fn remove_segment(dir: &Path, segment: SegmentNumber) -> io::Result<()> {
    remove_index(dir, segment)?;
    std::fs::remove_file(dir.join(segment_file_name(segment)))
}

/// Makes the file of a segment that has expired the one that becomes the next segment.
///
/// What it holds never passes for a commit of the next: those carry a higher number of their
/// segment.
pub(super) fn recycle_segment(dir: &Path, segment: SegmentNumber) -> io::Result<()> {
    remove_index(dir, segment)?;
    std::fs::rename(dir.join(segment_file_name(segment)), dir.join(PREPARED_FILE_NAME))?;
    sync_dir(dir)
}

pub(super) fn remove_index(dir: &Path, segment: SegmentNumber) -> io::Result<()> {
    match std::fs::remove_file(dir.join(index_file_name(segment))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}
