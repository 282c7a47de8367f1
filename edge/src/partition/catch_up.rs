//! Reads old events of one partition from the segments.
//!
//! A reader that starts is brought near its position by the sparse index. From then on it goes from
//! commit to commit, as long as its segment is retained.

use std::io;
use std::rc::Rc;

use ringhub_core::id::PartitionId;
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::segment::{SegmentHeader, segment_file_name};
use ringhub_core::log::{FilePosition, SegmentNumber};
use ringhub_core::reader::StartAt;

use super::executor::Executor;
use super::open::place_of;
use super::segment_file::SegmentFile;
use super::selection::Selected;
use super::walk::{Resume, Walk};

/// Sealed segments kept open for readers; one more closes the one that was opened first.
const OPEN_FILES_MAX: usize = 16;

/// Part of a segment that may hold what is wanted. All of it is durable.
struct Source {
    from: Resume,
    file: Option<Rc<SegmentFile>>,
    end: FilePosition,
}

/// What is read.
pub(super) struct Wanted {
    pub(super) partition: PartitionId,
    pub(super) start: StartAt,
    pub(super) bytes_max: usize,
    /// Where `start` is, if it is known.
    pub(super) resume: Option<Resume>,
}

/// The first events of a partition that are wanted; `None` if there are none up to the commit
/// position.
pub(super) async fn catch_up(
    executor: &Executor,
    wanted: &Wanted,
) -> Result<Option<Selected>, String> {
    let mut not_before = SegmentNumber(0);
    while let Some(source) = find_source(executor, wanted, not_before) {
        let segment = source.from.segment;
        not_before = SegmentNumber(segment.0 + 1);
        let file = match source.file {
            Some(file) => file,
            None => match open_sealed(executor, segment).await {
                Ok(file) => file,
                // Retention was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.to_string()),
            },
        };
        let mut walk = Walk::new(file, wanted, source.from);
        match walk.run(source.end).await {
            // The file was recycled under the reader: retention was faster.
            Err(_) if !is_retained(executor, segment) => {}
            walked => walked?,
        }
        if let Some(selected) = walk.finish() {
            return Ok(Some(selected));
        }
    }
    Ok(None)
}

/// False once the segment has expired: neither its file nor what was read of it is given any more.
pub(super) fn is_retained(executor: &Executor, segment: SegmentNumber) -> bool {
    let appender = executor.appender.borrow();
    let active = appender.active.as_ref().map(|active| active.header.segment);
    active == Some(segment) || appender.sealed.iter().any(|sealed| sealed.header.segment == segment)
}

/// The first segment from `not_before` on that has events which are wanted.
fn find_source(executor: &Executor, wanted: &Wanted, not_before: SegmentNumber) -> Option<Source> {
    let place = place_of(wanted.partition, &executor.config);
    let appender = executor.appender.borrow();
    let holds = |header: &SegmentHeader, summary: &SegmentSummary| {
        let (base, end) = (&header.bases[place], &summary.ends[place]);
        let has_events = base.next_offset < end.next_offset;
        header.segment >= not_before && has_events && !wanted.start.is_after(end)
    };
    let source = |header: &SegmentHeader, summary: &SegmentSummary, file| {
        let resume = wanted.resume.clone().filter(|resume| resume.segment == header.segment);
        let indexed = || {
            let commit = summary.index.find(wanted.partition, wanted.start);
            Resume::new(header.segment, commit.unwrap_or_else(|| header.data_start()))
        };
        Source { from: resume.unwrap_or_else(indexed), file, end: summary.data_end }
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
