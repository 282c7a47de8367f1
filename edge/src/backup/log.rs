//! The commit log of one executor, segment by segment.

use std::fs;
use std::path::{Path, PathBuf};

use ringhub_core::log::recovery::{Tail, check_continues};
use ringhub_core::log::segment::{index_file_name, parse_segment_file_name, segment_file_name};
use ringhub_core::log::{FilePosition, LogError, SegmentNumber, States};

use super::BackupError;
use super::file::{entries, make_directory, write_file};
use super::segment::{self, Segment};
use crate::startup::Layout;

/// How often a log is begun anew because retention was faster.
const ATTEMPTS_MAX: usize = 3;

/// Folder of all logs, below the data directory.
const HUBS: &str = "hub";

/// Folders of the logs in `directory`, relative to it.
pub(super) fn log_directories(directory: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let hubs = directory.join(HUBS);
    let mut found = Vec::new();
    if !hubs.is_dir() {
        return Ok(found);
    }
    for hub in entries(&hubs)? {
        let logs = hub.join("log");
        if logs.is_dir() {
            found.extend(entries(&logs)?.into_iter().filter(|log| log.is_dir()));
        }
    }
    let relative = |path: PathBuf| path.strip_prefix(directory).map(Path::to_owned).ok();
    Ok(found.into_iter().filter_map(relative).collect())
}

/// Numbers of the segments in the folder of a log.
pub(super) fn segments(log: &Path) -> Result<Vec<SegmentNumber>, BackupError> {
    let names = entries(log)?;
    let number = |path: &PathBuf| parse_segment_file_name(path.file_name()?.to_str()?);
    Ok(names.iter().filter_map(number).collect())
}

/// Copies the log in `from` to the new folder `to`, oldest segment first; `copied` is told of each.
///
/// Segments that expire meanwhile are left out. The indexes are made from what was copied.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    copied: &mut dyn FnMut(FilePosition),
) -> Result<(), BackupError> {
    make_directory(to)?;
    for _ in 0..ATTEMPTS_MAX {
        let numbers = segments(from)?;
        let mut chain = Chain::default();
        for &number in &numbers {
            let name = segment_file_name(number);
            let Some(segment) = segment::copy(&from.join(&name), &to.join(&name))? else {
                // The older ones have expired too.
                remove_all(to)?;
                chain = Chain::default();
                continue;
            };
            let summary = &segment.scanned.summary;
            write_file(&to.join(index_file_name(number)), &summary.encode())?;
            copied(summary.data_end);
            chain.link(&from.join(&name), number, segment)?;
        }
        if chain.last.is_some() || numbers.is_empty() {
            return Ok(());
        }
    }
    Err(BackupError::Outrun(from.to_owned()))
}

fn remove_all(log: &Path) -> Result<(), BackupError> {
    entries(log)?
        .iter()
        .try_for_each(|path| fs::remove_file(path).map_err(BackupError::io("remove", path)))
}

/// Reads the log in `log` through and counts its events, expired ones included.
///
/// # Errors
/// [`BackupError::Log`] when a commit, a segment or the end of one is missing.
pub(super) fn verify(
    log: &Path,
    layout: Layout,
    read: &mut dyn FnMut(u64),
) -> Result<u64, BackupError> {
    let mut chain = Chain::default();
    for number in segments(log)? {
        let path = log.join(segment_file_name(number));
        let segment = segment::scan(&path)?;
        let shape = segment.header.shape;
        if (shape.partition_count, shape.executor_count) != (layout.partitions, layout.executors) {
            let source = LogError::Foreign("a hub with another number of partitions or executors");
            return Err(BackupError::Log { path, source });
        }
        let (end, tail) = (segment.scanned.summary.data_end.0, segment.scanned.tail);
        let len = path.metadata().map_err(BackupError::io("look at", &path))?.len();
        if tail != Tail::Clean || len != end {
            let reason = format!("its commits end at byte {end} of {len}");
            return Err(BackupError::Damaged { path, reason });
        }
        read(len);
        chain.link(&path, number, segment)?;
    }
    let ends = chain.last.map(|last| last.header.ends(&last.scanned.summary));
    let numbers = ends.iter().flat_map(States::iter).map(|end| end.next_sequence_number.0);
    Ok(numbers.sum())
}

/// Segments that have to follow one another.
#[derive(Default)]
struct Chain {
    last: Option<Segment>,
}

impl Chain {
    fn link(
        &mut self,
        path: &Path,
        number: SegmentNumber,
        segment: Segment,
    ) -> Result<(), BackupError> {
        let refused = |source| BackupError::Log { path: path.to_owned(), source };
        if segment.header.segment != number {
            return Err(refused(LogError::Foreign("another place in the log")));
        }
        if let Some(before) = &self.last {
            let summary = &before.scanned.summary;
            let checked = check_continues(summary, &before.header.ends(summary), &segment.header);
            checked.map_err(refused)?;
        }
        self.last = Some(segment);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::id::{ExecutorId, HubId};
    use ringhub_core::log::segment::{LogShape, SegmentHeader};
    use ringhub_core::log::{Chain as Link, CommitNumber, LogId};
    use ringhub_core::time::UnixMillis;

    use super::*;
    use crate::startup::TestDirectory;

    /// A segment without commits: its header, and zeros as the hub has them prepared.
    fn write_segment(log: &Path, number: u64) {
        let shape = LogShape {
            hub: HubId(0),
            executor: ExecutorId(0),
            executor_count: 1,
            partition_count: 4,
        };
        let header = SegmentHeader {
            log: LogId([7; 16]),
            shape,
            segment: SegmentNumber(number),
            block: 4096,
            first_commit: CommitNumber(0),
            chain: Link(0),
            created: UnixMillis::from_millis(1),
            bases: States::default(),
            rewritten: None,
        };
        let mut bytes = vec![0; 64 * 1024];
        header.encode(&mut bytes[..header.data_start().0 as usize]);
        fs::write(log.join(segment_file_name(SegmentNumber(number))), bytes).unwrap();
    }

    /// Goal: what expires during the copy is left out, with all that is older. Method: the second
    /// segment goes once the first is copied, under another name as when its file is used again.
    #[test]
    fn segments_that_expire_during_the_copy_are_left_out() {
        let directory = TestDirectory::new();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir(&from).unwrap();
        (0..4).for_each(|number| write_segment(&from, number));
        let second = from.join(segment_file_name(SegmentNumber(1)));
        let mut lens = Vec::new();
        copy(&from, &to, &mut |end| {
            if lens.is_empty() {
                fs::rename(&second, from.join("next.prepared")).unwrap();
            }
            lens.push(end.0);
        })
        .unwrap();
        assert_eq!(lens, [8192; 3], "cut behind the header: nothing is committed");
        assert_eq!(segments(&to).unwrap(), [SegmentNumber(2), SegmentNumber(3)]);
        assert_eq!(entries(&to).unwrap().len(), 4, "each with its index");
        let layout = Layout { partitions: 4, executors: 1 };
        assert_eq!(verify(&to, layout, &mut |_| {}).unwrap(), 0);
    }

    #[test]
    fn a_missing_segment_and_a_tail_that_was_not_cut_are_refused() {
        let directory = TestDirectory::new();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir(&from).unwrap();
        (0..3).for_each(|number| write_segment(&from, number));
        let layout = Layout { partitions: 4, executors: 1 };
        let uncut = verify(&from, layout, &mut |_| {}).unwrap_err().to_string();
        assert!(uncut.contains("its commits end at byte 8192 of 65536"), "{uncut}");
        copy(&from, &to, &mut |_| {}).unwrap();
        fs::remove_file(to.join(segment_file_name(SegmentNumber(1)))).unwrap();
        let gap = verify(&to, layout, &mut |_| {}).unwrap_err().to_string();
        assert!(gap.contains("segment 2 does not continue"), "{gap}");
        let other = Layout { partitions: 8, executors: 1 };
        let foreign = verify(&to, other, &mut |_| {}).unwrap_err().to_string();
        assert!(foreign.contains("another number of partitions"), "{foreign}");
    }
}
