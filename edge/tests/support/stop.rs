//! The end of load that runs beside a test.

use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the load also when the test fails, so that it can.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
