//! Reads old events of one partition from the segments.

use std::io;
use std::rc::Rc;

use ringhub_core::id::PartitionId;
use ringhub_core::limits::COMMIT_BYTES_MAX;
use ringhub_core::log::commit::{Chunk, CommitHead};
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::segment::{SegmentHeader, segment_file_name};
use ringhub_core::log::{FilePosition, SegmentNumber};
use ringhub_core::reader::StartAt;

use super::executor::Executor;
use super::open::place_of;
use super::segment_file::SegmentFile;
use super::tail::{Selected, Selection};

/// Read at a time to find commits; small commits lie in it whole.
const WINDOW_BYTES: usize = 64 * 1024;

/// Sealed segments kept open for readers; one more closes the one that was opened first.
const OPEN_FILES_MAX: usize = 16;

/// Part of a segment that may hold what is wanted. All of it is durable.
struct Source {
    segment: SegmentNumber,
    file: Option<Rc<SegmentFile>>,
    from: FilePosition,
    end: FilePosition,
}

/// The first events of `partition` that `start` admits; `None` if there are none up to the commit position.
pub(super) async fn catch_up(
    executor: &Executor,
    partition: PartitionId,
    start: StartAt,
    bytes_max: usize,
) -> Result<Option<Selected>, String> {
    let mut not_before = SegmentNumber(0);
    while let Some(mut source) = find_source(executor, partition, start, not_before) {
        not_before = SegmentNumber(source.segment.0 + 1);
        let file = match source.file.take() {
            Some(file) => file,
            None => match open_sealed(executor, source.segment).await {
                Ok(file) => file,
                // Retention was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.to_string()),
            },
        };
        let mut walk = Walk { file, partition, start, selection: Selection::new(start, bytes_max) };
        match walk.run(&source).await {
            // The file was recycled under the reader: retention was faster.
            Err(_) if !is_retained(executor, source.segment) => {}
            walked => walked?,
        }
        if let Some(selected) = walk.selection.finish() {
            return Ok(Some(selected));
        }
    }
    Ok(None)
}

fn is_retained(executor: &Executor, segment: SegmentNumber) -> bool {
    let appender = executor.appender.borrow();
    let active = appender.active.as_ref().map(|active| active.header.segment);
    active == Some(segment) || appender.sealed.iter().any(|sealed| sealed.header.segment == segment)
}

/// The first segment from `not_before` on that has events which `start` may admit.
fn find_source(
    executor: &Executor,
    partition: PartitionId,
    start: StartAt,
    not_before: SegmentNumber,
) -> Option<Source> {
    let place = place_of(partition, &executor.config);
    let appender = executor.appender.borrow();
    let holds = |header: &SegmentHeader, summary: &SegmentSummary| {
        let (base, end) = (&header.bases[place], &summary.ends[place]);
        header.segment >= not_before && base.next_offset < end.next_offset && !start.is_after(end)
    };
    let source = |header: &SegmentHeader, summary: &SegmentSummary, file| Source {
        segment: header.segment,
        file,
        from: summary.index.find(partition, start).unwrap_or_else(|| header.data_start()),
        end: summary.data_end,
    };
    let sealed = appender.sealed.iter().find(|sealed| holds(&sealed.header, &sealed.summary));
    if let Some(sealed) = sealed {
        return Some(source(&sealed.header, &sealed.summary, None));
    }
    let active =
        appender.active.as_ref().filter(|active| holds(&active.header, &active.summary))?;
    Some(source(&active.header, &active.summary, Some(Rc::clone(&active.file))))
}

async fn open_sealed(executor: &Executor, segment: SegmentNumber) -> io::Result<Rc<SegmentFile>> {
    let open =
        |(number, file): &(u64, Rc<SegmentFile>)| (*number == segment.0).then(|| Rc::clone(file));
    if let Some(file) = executor.open_files.borrow().iter().find_map(open) {
        return Ok(file);
    }
    let path = executor.dir.join(segment_file_name(segment));
    let file = Rc::new(SegmentFile::open(&path, executor.medium).await?);
    let mut files = executor.open_files.borrow_mut();
    files.push_back((segment.0, Rc::clone(&file)));
    if files.len() > OPEN_FILES_MAX {
        files.pop_front();
    }
    Ok(file)
}

/// Goes from commit to commit.
struct Walk {
    file: Rc<SegmentFile>,
    partition: PartitionId,
    start: StartAt,
    selection: Selection,
}

impl Walk {
    async fn run(&mut self, source: &Source) -> Result<(), String> {
        let mut at = source.from;
        while at < source.end {
            let window = self.read(at, WINDOW_BYTES).await?;
            let mut used = 0;
            while let Some(head) = window.get(used..).and_then(CommitHead::parse) {
                if head.place.segment != source.segment {
                    break;
                }
                let commit = FilePosition(at.0 + used as u64);
                if !self.take(commit, &head, window.get(used..).unwrap_or_default()).await? {
                    return Ok(());
                }
                used += head.len;
                if at.0 + used as u64 >= source.end.0 {
                    return Ok(());
                }
            }
            if used == 0 {
                let segment = source.segment.0;
                return Err(format!("segment {segment} is damaged at byte {}", at.0));
            }
            at.0 += used as u64;
        }
        Ok(())
    }

    /// Takes the chunk of the commit at `at`; false once there is enough.
    async fn take(
        &mut self,
        at: FilePosition,
        head: &CommitHead,
        window: &[u8],
    ) -> Result<bool, String> {
        debug_assert!(head.len <= COMMIT_BYTES_MAX);
        let Some(chunk) = head.chunk(self.partition).filter(|chunk| self.may_admit(chunk)) else {
            return Ok(true);
        };
        let read;
        let records = match window.get(chunk.range()) {
            Some(records) => records,
            None => {
                let position = FilePosition(at.0 + u64::from(chunk.position));
                read = self.read(position, chunk.len as usize).await?;
                &read[..]
            }
        };
        if !chunk.is_intact(records) {
            return Err(format!("commit {} at byte {} is damaged", head.place.number.0, at.0));
        }
        Ok(self.selection.take(records))
    }

    fn may_admit(&self, chunk: &Chunk) -> bool {
        match self.start {
            StartAt::Offset(offset) => chunk.first_offset.0 + u64::from(chunk.len) > offset.0,
            StartAt::SequenceNumber(number) => {
                chunk.first_sequence_number.0 + u64::from(chunk.record_count) > number.0
            }
            StartAt::EnqueuedTime(time) => chunk.last_enqueued >= time,
        }
    }

    async fn read(&self, at: FilePosition, len: usize) -> Result<bytes::Bytes, String> {
        self.file.read(at, len).await.map_err(|error| error.to_string())
    }
}
