//! How long the disk takes to make a block durable.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags};

use crate::partition::IoMode;

/// Bytes of one write: the smallest commit of a log.
const WRITE_BYTES: usize = 4096;

/// Length of the file, which is written with zeros first, as segments are.
const FILE_BYTES: usize = 1 << 20;

/// More samples say nothing more.
const SAMPLES_MAX: usize = 20_000;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The filesystem refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The user has stopped it.
    #[error("interrupted")]
    Interrupted,
}

/// Times of a write of 4 KiB with its `fdatasync`, sorted.
#[derive(Clone, Debug)]
pub struct SyncLatency {
    /// Whether the writes went past the page cache, as those of the log do where they can.
    pub mode: IoMode,
    times: Vec<Duration>,
}

impl SyncLatency {
    /// The time that this share of all writes did not exceed: 0.5 for the median.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        let at = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
        self.times.get(at).copied().unwrap_or_default()
    }

    /// Writes that were timed, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.times.len()
    }
}

/// Writes and syncs blocks in `directory` one after the other for as long as `time`.
///
/// Blocks. The file has no name, so that nothing is left of it, however the process ends.
/// `is_interrupted` is asked after every write.
///
/// # Errors
/// [`SyncError`]: the directory cannot be written to, or the user has stopped it.
pub fn measure_syncs(
    directory: &Path,
    time: Duration,
    is_interrupted: impl Fn() -> bool,
) -> Result<SyncLatency, SyncError> {
    let mut memory = vec![0; WRITE_BYTES + FILE_BYTES];
    // Direct IO takes memory at multiples of the block.
    let offset = memory.as_ptr().align_offset(WRITE_BYTES).min(WRITE_BYTES);
    let zeros = &mut memory[offset..offset + FILE_BYTES];
    let (file, mode) = zeroed_file(directory, zeros)?;
    let block = &mut zeros[..WRITE_BYTES];
    let started = Instant::now();
    let mut times: Vec<Duration> = Vec::new();
    while times.is_empty() || (started.elapsed() < time && times.len() < SAMPLES_MAX) {
        if is_interrupted() {
            return Err(SyncError::Interrupted);
        }
        let place = times.len() % (FILE_BYTES / WRITE_BYTES) * WRITE_BYTES;
        block[0] = block[0].wrapping_add(1);
        let before = Instant::now();
        file.write_all_at(block, place as u64)?;
        file.sync_data()?;
        times.push(before.elapsed());
    }
    times.sort_unstable();
    Ok(SyncLatency { mode, times })
}

/// A durable file full of `zeros`, by direct IO where the filesystem has it.
fn zeroed_file(directory: &Path, zeros: &[u8]) -> io::Result<(File, IoMode)> {
    let write = |flags| {
        let file = nameless_file(directory, flags)?;
        file.write_all_at(zeros, 0)?;
        file.sync_all().map(|()| file)
    };
    match write(OFlags::DIRECT) {
        Ok(file) => Ok((file, IoMode::Direct)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((write(OFlags::empty())?, IoMode::Buffered))
        }
        Err(error) => Err(error),
    }
}

fn nameless_file(directory: &Path, flags: OFlags) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(CWD, directory, OFlags::TMPFILE | OFlags::RDWR | flags, mode) {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            // Filesystems without nameless files: it loses its name before anything is written.
            let path = directory.join(format!(".ringhub-tune-{}", std::process::id()));
            let flags = i32::try_from(flags.bits()).unwrap_or_default();
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).custom_flags(flags);
            let file = options.open(&path);
            fs::remove_file(&path)?;
            file
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::startup::TestDirectory;

    #[test]
    fn measures_within_its_time_and_leaves_nothing() {
        let directory = TestDirectory::new();
        let time = Duration::from_millis(50);
        let measured = measure_syncs(directory.path(), time, || false).unwrap();
        assert!(measured.count() >= 1);
        let (median, worst) = (measured.quantile(0.5), measured.quantile(1.0));
        assert!(Duration::ZERO < median && median <= worst, "{measured:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn stops_when_told_and_says_what_it_may_not() {
        let directory = TestDirectory::new();
        let time = Duration::from_secs(60);
        let stopped = measure_syncs(directory.path(), time, || true);
        assert!(matches!(stopped, Err(SyncError::Interrupted)));
        let missing = measure_syncs(&directory.path().join("none"), time, || false);
        assert!(matches!(missing, Err(SyncError::Io(_))));
    }
}
