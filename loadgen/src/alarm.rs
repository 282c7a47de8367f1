//! Sleep to the microsecond: the runtime's own timers know milliseconds only.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use monoio::fs::File;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// A timer of the kernel, read through the ring.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    /// The same for the ring, which lends no descriptor.
    reader: File,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let reader = File::from_std(timer.try_clone()?.into())?;
        Ok(Self { timer, reader })
    }

    /// Sleeps until `at`; returns at once when that is over.
    pub(crate) async fn sleep_until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let it_value = timespec(left);
        let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        // No position: the timer is no file that could be sought in.
        let (read, _) = self.reader.read_at(vec![0; 8], u64::MAX).await;
        read.map(drop)
    }
}

fn timespec(time: Duration) -> Timespec {
    let tv_sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: i64::from(time.subsec_nanos()) }
}
