//! The thread that ends calls whose time is over. It sleeps for good while there is no call.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ringhub_core::time::Timestamp;

use super::Methods;

/// The monotonic clock of the calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticks(Instant);

impl Ticks {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp::ZERO + self.0.elapsed()
    }
}

/// What the thread does, under the lock of the table.
#[derive(Debug, Default)]
pub(super) struct State {
    /// When it sleeps: until when, or for good.
    sleep: Option<Option<Timestamp>>,
    is_ending: bool,
}

impl State {
    /// True when the thread would sleep past `deadline`. It needs one ring, so it is then taken to
    /// be awake.
    pub(super) fn sleeps_beyond(&mut self, deadline: Option<Timestamp>) -> bool {
        let (Some(sleep), Some(deadline)) = (self.sleep, deadline) else { return false };
        let beyond = sleep.is_none_or(|until| deadline < until);
        if beyond {
            self.sleep = None;
        }
        beyond
    }
}

/// The running thread. Dropping it ends the thread; calls that wait then are not answered.
#[derive(Debug)]
pub(crate) struct MethodClock {
    methods: Arc<Methods>,
    thread: Option<JoinHandle<()>>,
}

impl MethodClock {
    pub(crate) fn start(methods: Arc<Methods>) -> io::Result<Self> {
        let work = Arc::clone(&methods);
        let thread = thread::Builder::new()
            .name("control-methods".to_owned())
            .spawn(move || work.run_clock())?;
        Ok(Self { methods, thread: Some(thread) })
    }
}

impl Drop for MethodClock {
    fn drop(&mut self) {
        self.methods.table().clock.is_ending = true;
        self.methods.earlier.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the clock of the methods has panicked");
        }
    }
}

impl Methods {
    fn run_clock(&self) {
        let mut table = self.table();
        while !table.clock.is_ending {
            let now = self.ticks.now();
            let next = table.calls.poll_timeout();
            if next.is_some_and(|at| at <= now) {
                table.calls.handle_timeout(now);
                let news = self.finish(table);
                self.pass_on(news);
                table = self.table();
                continue;
            }
            table.clock.sleep = Some(next);
            table = match next {
                None => self.earlier.wait(table).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let slept = self.earlier.wait_timeout(table, at.since(now));
                    slept.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            table.clock.sleep = None;
        }
    }
}
