//! Reads old events of one partition from the segments.
//!
//! A reader that starts is brought near its position by the sparse index. From then on it goes from
//! commit to commit, as long as its segment is retained.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use ringhub_core::id::HubPartition;
use ringhub_core::log::index::SegmentSummary;
use ringhub_core::log::segment::segment_file_name;
use ringhub_core::log::{FilePosition, SegmentNumber};
use ringhub_core::reader::StartAt;

use super::executor::Executor;
use super::open::FileState;
use super::segment_file::SegmentFile;
use super::selection::Selected;
use super::walk::{FileOf, Resume, Walk};

/// Sealed segments kept open for readers; one more closes the one that was opened first.
const OPEN_FILES_MAX: usize = 16;

/// How often a segment whose file is about to change is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Part of a segment that may hold what is wanted. All of it is durable.
struct Source {
    from: Resume,
    file: Option<Rc<SegmentFile>>,
    end: FilePosition,
}

/// What is read.
pub(super) struct Wanted {
    pub(super) place: HubPartition,
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
        let file = source.from.file;
        not_before = SegmentNumber(file.segment.0 + 1);
        let opened = match source.file {
            Some(opened) => opened,
            None => match open_sealed(executor, file).await {
                Ok(Some(opened)) => opened,
                Ok(None) => {
                    not_before = file.segment;
                    glommio::timer::sleep(LOOK_AGAIN).await;
                    continue;
                }
                // Retention was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.to_string()),
            },
        };
        let mut walk = Walk::new(opened, wanted, source.from);
        match walk.run(source.end).await {
            // The file was recycled under the reader: retention was faster.
            Err(_) if !is_retained(executor, file.segment) => {}
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
    let active = appender.active.as_ref().map(|active| active.summary.segment);
    active == Some(segment) || appender.sealed.iter().any(|sealed| sealed.segment() == segment)
}

/// True while a sealed segment has this file.
fn is_settled(executor: &Executor, file: FileOf) -> bool {
    let appender = executor.appender.borrow();
    let sealed = appender.sealed.iter().find(|sealed| sealed.segment() == file.segment);
    sealed.is_some_and(|sealed| {
        sealed.state != FileState::Changing && sealed.summary.rewrites == file.rewrites
    })
}

/// The first segment from `not_before` on that has events which are wanted.
fn find_source(executor: &Executor, wanted: &Wanted, not_before: SegmentNumber) -> Option<Source> {
    let appender = executor.appender.borrow();
    let holds = |summary: &SegmentSummary| {
        let end = summary.ends.find(wanted.place);
        summary.segment >= not_before && end.is_some_and(|end| !wanted.start.is_after(end))
    };
    let source = |summary: &SegmentSummary, data_start: FilePosition, opened| {
        let file = FileOf { segment: summary.segment, rewrites: summary.rewrites };
        let resume = wanted.resume.clone().filter(|resume| resume.file == file);
        let indexed = || {
            let commit = summary.index.find(wanted.place, wanted.start);
            Resume::new(file, commit.unwrap_or(data_start))
        };
        Source { from: resume.unwrap_or_else(indexed), file: opened, end: summary.data_end }
    };
    if let Some(sealed) = appender.sealed.iter().find(|sealed| holds(&sealed.summary)) {
        return Some(source(&sealed.summary, sealed.data_start, None));
    }
    let active = appender.active.as_ref().filter(|active| holds(&active.summary))?;
    Some(source(&active.summary, active.data_start, Some(Rc::clone(&active.file))))
}

/// `None` if the segment is about to have, or has, another file than the one that is meant.
async fn open_sealed(executor: &Executor, meant: FileOf) -> io::Result<Option<Rc<SegmentFile>>> {
    let segment = meant.segment;
    let open =
        |(number, file): &(u64, Rc<SegmentFile>)| (*number == segment.0).then(|| Rc::clone(file));
    if let Some(file) = executor.open_files.borrow().iter().find_map(open) {
        return Ok(Some(file));
    }
    let path = executor.dir.join(segment_file_name(segment));
    let file = Rc::new(SegmentFile::open(&path, executor.medium).await?);
    // The change begins and ends on this thread: what is settled now was when the file was opened.
    if !is_settled(executor, meant) {
        return Ok(None);
    }
    let mut files = executor.open_files.borrow_mut();
    files.push_back((segment.0, Rc::clone(&file)));
    if files.len() > OPEN_FILES_MAX {
        files.pop_front();
    }
    Ok(Some(file))
}
