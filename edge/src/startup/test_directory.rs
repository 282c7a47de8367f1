//! A folder for one test.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the lock of a data directory that was closed may still be held.
const LOCKED_TIME_MAX: Duration = Duration::from_secs(10);

/// A new folder below the system's temporary one, removed at the end.
pub(crate) struct TestDirectory(PathBuf);

impl TestDirectory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringhub-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Opens a data directory that was closed right before: until a process that another test starts
/// has become its own program, it holds a copy of every descriptor, and so of the lock.
pub(crate) fn reopen<T, E: Display>(open: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let until = Instant::now() + LOCKED_TIME_MAX;
    loop {
        match open() {
            Err(error)
                if error.to_string().contains("is in use by process") && Instant::now() < until =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
