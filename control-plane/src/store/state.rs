//! Whether the store takes writes, as every thread may know.

use std::sync::atomic::{AtomicU8, Ordering};

use super::OpenError;

/// Whether the store takes writes. Reads go on in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It does.
    Running,
    /// There is no room for what was to be written last: the next write tries again.
    DiskFull,
    /// A write or sync of the database has failed, or the database is damaged: nothing is written
    /// until a restart has recovered it.
    Failed,
}

/// The state as threads share it. A failure is for good.
#[derive(Debug, Default)]
pub(super) struct SharedState(AtomicU8);

impl SharedState {
    pub(super) fn get(&self) -> StoreState {
        match self.0.load(Ordering::Acquire) {
            0 => StoreState::Running,
            1 => StoreState::DiskFull,
            _ => StoreState::Failed,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.get() == StoreState::Failed
    }

    pub(super) fn set_disk_full(&self, full: bool) {
        let (from, to) = if full { (0, 1) } else { (1, 0) };
        let _ = self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Ends all writing; the log hears of it once, with the file and the remedy.
    pub(super) fn fail(&self, error: &OpenError) {
        if self.0.swap(2, Ordering::AcqRel) != 2 {
            tracing::error!(
                %error,
                "the registry has failed: it is read, and takes no changes until the hub is \
                 restarted"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_for_good() {
        let state = SharedState::default();
        state.set_disk_full(true);
        assert_eq!(state.get(), StoreState::DiskFull);
        state.set_disk_full(false);
        assert_eq!(state.get(), StoreState::Running);
        let path = "registry.db".into();
        state.fail(&OpenError::Disk { path, detail: "disk I/O error".to_owned() });
        for full in [true, false] {
            state.set_disk_full(full);
            assert_eq!(state.get(), StoreState::Failed);
        }
    }
}
