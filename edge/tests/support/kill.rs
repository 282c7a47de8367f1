//! The end of a round: `kill -9` amid traffic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::hub::Hub;
use super::patience::eventually;

/// Kills the hub `life` after `is_enough`, and says so in `killed` right before.
///
/// A round in which it is never enough fails, and the hub is killed all the same: its clients go on
/// until then.
#[track_caller]
pub(crate) fn kill_after(
    hub: &Hub,
    killed: &AtomicBool,
    is_enough: impl FnMut() -> bool,
    life: Duration,
) {
    let kill = KillOnDrop { hub, killed };
    eventually("there is enough traffic", is_enough);
    thread::sleep(life);
    drop(kill);
}

struct KillOnDrop<'a> {
    hub: &'a Hub,
    killed: &'a AtomicBool,
}

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        self.killed.store(true, Ordering::SeqCst);
        self.hub.kill();
    }
}
