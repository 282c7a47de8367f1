//! Limits that the kernel puts on the process.

use std::io;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

/// Bytes that glommio wants to lock for its buffers, in each executor.
pub const LOCKED_MEMORY_MIN: u64 = 512 * 1024;

/// Descriptors that the process may have; each connection takes one. `None` means without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit(pub Option<u64>);

/// The process may lock less memory than an executor needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process may lock {allowed} bytes of memory (RLIMIT_MEMLOCK), but an executor needs {LOCKED_MEMORY_MIN}: \
     run `ulimit -l 1024` as root first, or set `LimitMEMLOCK=1M` in the systemd unit"
)]
pub struct LockedMemoryTooSmall {
    /// What the process may lock, in bytes.
    pub allowed: u64,
}

/// Raises the limit of open descriptors to the hard limit.
///
/// # Errors
/// When the kernel refuses, which it does not do up to the hard limit.
pub fn raise_descriptor_limit() -> io::Result<DescriptorLimit> {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })?;
    Ok(DescriptorLimit(hard))
}

/// Raises the limit of locked memory to the hard limit and checks that executors can start with it.
///
/// # Errors
/// [`LockedMemoryTooSmall`], whose text says how to mend it.
pub fn check_locked_memory() -> Result<(), LockedMemoryTooSmall> {
    let limit = getrlimit(Resource::Memlock);
    if enough(limit.current).is_ok() {
        return Ok(());
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Memlock, raised) {
        Ok(()) => enough(limit.maximum),
        Err(_) => enough(limit.current),
    }
}

/// Lets a write beyond the limit of file sizes (`RLIMIT_FSIZE`) fail like one on a full disk, where
/// the kernel would otherwise end the process.
///
/// # Errors
/// When the kernel refuses the handler.
pub fn catch_file_size_signal() -> io::Result<()> {
    // That there is a handler is enough: the write itself tells who wants to know.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

fn enough(allowed: Option<u64>) -> Result<(), LockedMemoryTooSmall> {
    match allowed {
        Some(allowed) if allowed < LOCKED_MEMORY_MIN => Err(LockedMemoryTooSmall { allowed }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_raised_to_the_hard_limit() {
        let raised = raise_descriptor_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, raised.0);
    }

    #[test]
    fn too_little_lockable_memory_says_how_to_mend_it() {
        assert_eq!(enough(None), Ok(()));
        assert_eq!(enough(Some(LOCKED_MEMORY_MIN)), Ok(()));
        let error = enough(Some(65_536)).unwrap_err();
        assert!(error.to_string().contains("65536") && error.to_string().contains("LimitMEMLOCK"));
    }
}
