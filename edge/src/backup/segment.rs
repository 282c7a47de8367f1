//! One segment file: read back as recovery does, and copied while the hub may write to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use ringhub_core::log::recovery::{ScanStep, Scanned, SegmentScan};
use ringhub_core::log::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use ringhub_core::log::{FilePosition, LogError};

use super::BackupError;
use super::file::{PIECE_BYTES, create_file};

/// Places in memory and in the file are multiples of it, as direct IO wants: the largest block of a
/// device that logs are written to by direct IO.
const ALIGNMENT: usize = 64 * 1024;

/// A segment as it was read.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) scanned: Scanned,
}

/// Reads the file at `path` through, and checks every commit in it.
///
/// # Errors
/// What the scan says: damage, unknown version, or a commit that was durable and is not whole.
pub(super) fn scan(path: &Path) -> Result<Segment, BackupError> {
    let log_error = |source| BackupError::Log { path: path.to_owned(), source };
    let io_error = |source| BackupError::Io { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(io_error)?;
    let head = read_at(&file, FilePosition(0), SEGMENT_HEADER_BYTES).map_err(io_error)?;
    let len = SegmentHeader::stated_len(&head).map_err(log_error)?;
    let head = read_at(&file, FilePosition(0), len).map_err(io_error)?;
    let header = SegmentHeader::decode(&head).map_err(log_error)?;
    let mut scan = SegmentScan::new(header.clone());
    let mut step = scan.start();
    loop {
        match step {
            ScanStep::Done(scanned) => return Ok(Segment { header, scanned: *scanned }),
            ScanStep::Read { position, len } => {
                let bytes = read_at(&file, position, len).map_err(io_error)?;
                step = scan.feed(&bytes).map_err(log_error)?;
            }
        }
    }
}

/// Up to `len` bytes, less only at the end of the file.
fn read_at(file: &File, at: FilePosition, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut read = 0;
    while read < len {
        match file.read_at(&mut bytes[read..], at.0 + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// Copies the segment at `from`, which the hub may be writing to, into the new file `to`, and cuts
/// it behind the last whole commit. `None` when retention took the segment meanwhile; `to` is gone
/// then.
///
/// A commit that was durable before the call is whole wherever it is read, so the copy holds it. Of
/// those under way, an earlier one may have been read before and a later one after it was written,
/// which looks like a lost commit. What is missing is then read once more: the place of a commit
/// that was under way is whole by now, since the later one says so, and that of a lost one is not.
///
/// A segment that is written anew meanwhile, without the events of a hub that was removed, gets
/// another file of the same name, which is then copied instead.
///
/// # Errors
/// [`BackupError`]; a commit that is lost for good is one.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Option<Segment>, BackupError> {
    while let Some(source) = Source::open(from)? {
        let target = create_file(to)?;
        let copied = copy_whole_commits(&source, &target, from, to);
        // A file that is used again has another name before anything in it changes.
        if source.is_still(from)? {
            let segment = copied?;
            target.sync_all().map_err(BackupError::io("sync", to))?;
            return Ok(Some(segment));
        }
        fs::remove_file(to).map_err(BackupError::io("remove", to))?;
    }
    Ok(None)
}

fn copy_whole_commits(
    source: &Source,
    target: &File,
    from: &Path,
    to: &Path,
) -> Result<Segment, BackupError> {
    let mut missing = None;
    loop {
        source.copy_from(missing.unwrap_or(FilePosition(0)), target, from, to)?;
        match scan(to) {
            Ok(segment) => {
                let end = segment.scanned.summary.data_end.0;
                target.set_len(end).map_err(BackupError::io("cut", to))?;
                return Ok(segment);
            }
            Err(BackupError::Log { source: LogError::LostCommit { at, .. }, .. })
                if missing.is_none_or(|before| at > before) =>
            {
                missing = Some(at);
            }
            Err(BackupError::Log { source, .. }) => {
                return Err(BackupError::Log { path: from.to_owned(), source });
            }
            Err(error) => return Err(error),
        }
    }
}

/// A segment file that is read past the page cache, as the hub writes it.
struct Source {
    file: File,
    identity: (u64, u64),
}

impl Source {
    /// `None` when the file is not there any more.
    fn open(path: &Path) -> Result<Option<Self>, BackupError> {
        let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path);
        let opened = match direct {
            Err(error) if error.kind() == ErrorKind::InvalidInput => File::open(path),
            other => other,
        };
        let file = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(BackupError::io("open", path))?,
        };
        let metadata = file.metadata().map_err(BackupError::io("look at", path))?;
        let identity = (metadata.dev(), metadata.ino());
        Ok(Some(Self { file, identity }))
    }

    fn is_still(&self, path: &Path) -> Result<bool, BackupError> {
        match fs::metadata(path) {
            Ok(found) => Ok((found.dev(), found.ino()) == self.identity),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BackupError::io("look at", path)(error)),
        }
    }

    /// Copies everything from the block that `position` is in.
    fn copy_from(
        &self,
        position: FilePosition,
        target: &File,
        from: &Path,
        to: &Path,
    ) -> Result<(), BackupError> {
        let mut memory = vec![0; PIECE_BYTES + ALIGNMENT];
        let skip = memory.as_ptr().align_offset(ALIGNMENT);
        let piece = &mut memory[skip..skip + PIECE_BYTES];
        let mut at = position.0 / ALIGNMENT as u64 * ALIGNMENT as u64;
        loop {
            let count = self.file.read_at(piece, at).map_err(BackupError::io("read", from))?;
            let written = target.write_all_at(&piece[..count], at);
            written.map_err(BackupError::io("write", to))?;
            at += count as u64;
            if !count.is_multiple_of(ALIGNMENT) || count == 0 {
                return Ok(());
            }
        }
    }
}
