//! The points of a run at which all processes begin something at the same time.

use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::tally::Tally;

/// How often a worker looks whether the gate is open.
const TICK: Duration = Duration::from_millis(5);

/// What a worker tells its parent, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum News {
    /// It waits at the next gate.
    Waiting,
    /// What it has counted so far, once a second.
    Counted(Box<Tally>),
    /// All that it has counted, and what it cost; the last line.
    Done(Box<Outcome>),
    /// Messages that devices have heard: number, and nanoseconds of the common clock.
    Heard(Vec<(u64, u64)>),
    /// Why it could not start; the last line.
    Failed(String),
}

impl News {
    /// Writes the line. A parent that is gone takes its workers with it.
    pub(crate) fn tell(&self) {
        let Ok(line) = serde_json::to_string(self) else { return };
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}

/// Opens for all processes at once.
#[derive(Debug)]
pub(crate) enum Gate {
    /// There is one process: it never waits, and looks at the server itself.
    Alone(Rc<RefCell<Observer>>),
    /// The parent says when: the time in nanoseconds of the monotonic clock, which is the same in
    /// all processes; 0 is not yet.
    Parent(Arc<AtomicU64>),
}

impl Gate {
    /// A gate that the parent opens by a line on standard input. A thread reads them, because the
    /// runtime must not block; the end of the input stops the run.
    pub(crate) fn of_parent(stop: Arc<AtomicBool>) -> Self {
        let at = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&at);
        thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                let nanos = line.ok().and_then(|line| line.trim().parse().ok());
                told.store(nanos.unwrap_or(0), Ordering::Release);
            }
            stop.store(true, Ordering::Relaxed);
        });
        Self::Parent(at)
    }

    /// Waits until all have come here; gives the common time, which may lie a little ahead.
    pub(crate) async fn pass(&self, stop: &AtomicBool) -> Instant {
        let at = match self {
            Self::Alone(observer) => {
                observer.borrow_mut().look();
                return Instant::now();
            }
            Self::Parent(at) => at,
        };
        News::Waiting.tell();
        loop {
            let nanos = at.swap(0, Ordering::AcqRel);
            if nanos > 0 || stop.load(Ordering::Relaxed) {
                return Instant::now() + Duration::from_nanos(nanos.saturating_sub(now_nanos()));
            }
            monoio::time::sleep(TICK).await;
        }
    }

    /// Whether the next gate stays shut for now. Of the gate of a worker its parent knows.
    pub(crate) fn is_held(&self) -> bool {
        match self {
            Self::Alone(observer) => observer.borrow().is_held(),
            Self::Parent(_) => false,
        }
    }

    /// Tells which messages devices have heard.
    pub(crate) fn tell_heard(&self, heard: Vec<(u64, u64)>) {
        match self {
            Self::Alone(observer) => observer.borrow().hear(&heard),
            Self::Parent(_) => News::Heard(heard).tell(),
        }
    }

    /// Shows what was counted so far.
    pub(crate) fn show(&self, elapsed: Duration, tally: &Tally) {
        match self {
            Self::Alone(observer) => observer.borrow_mut().note(elapsed, tally),
            Self::Parent(_) => News::Counted(Box::new(tally.clone())).tell(),
        }
    }
}

/// The monotonic clock, which all processes of a machine share.
pub(crate) fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
