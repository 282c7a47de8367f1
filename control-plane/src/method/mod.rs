//! Direct methods: calls from REST to the seat of a device, and answers back.
//!
//! ```text
//!  shard of the back end ── invoke ──▶ calls ── Shards::invoke_method ──▶ shard of the device
//!  shard of the back end ◀── MethodDone ── calls ◀── handle_answer ──┘
//!                      clock: deadlines
//! ```
//!
//! Nothing here waits for the disk. Shards call in and take the lock of the table for less than a
//! microsecond; replies leave after it is released, on the thread that brought the news.

mod answer;
mod clock;
mod error;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use ringhub_core::id::{HubId, Identity, SeatId};
use ringhub_core::method::{
    CallId, Event, Invocation, Patience, PendingCalls, Target, Undelivered,
};

pub(crate) use answer::MethodAnswer;
pub(crate) use clock::MethodClock;
use clock::Ticks;
pub(crate) use error::MethodError;

use crate::directory::{Directory, IdentityRef, Status};
use crate::registry::RegistryError;
use crate::shards::Shards;

/// Takes what became of a call; called once, on any thread. Must not block.
pub(crate) type MethodDone = Box<dyn FnOnce(Result<MethodAnswer, MethodError>) + Send>;

/// Calls that wait for a device or its answer, of all hubs of the process.
pub struct Methods {
    directory: Arc<Directory>,
    shards: Arc<dyn Shards>,
    ticks: Ticks,
    table: Mutex<Table>,
    /// Calls that wait for their device, to be read without the lock.
    waiting: AtomicUsize,
    /// Tells the clock of a deadline that is earlier than the one it sleeps towards.
    earlier: Condvar,
}

struct Table {
    calls: PendingCalls<MethodDone>,
    clock: clock::State,
}

/// News to be passed on without the lock.
type News = Vec<Event<MethodDone>>;

impl Methods {
    /// Starts without calls.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn new(
        directory: Arc<Directory>,
        shards: Arc<dyn Shards>,
    ) -> Result<Self, Unspecified> {
        let mut first_id = [0; size_of::<u64>()];
        // Six random bytes keep topics short and make ids of different starts differ.
        rand::fill(&mut first_id[..6])?;
        let calls = PendingCalls::new(u64::from_le_bytes(first_id));
        Ok(Self {
            directory,
            shards,
            ticks: Ticks::start(),
            table: Mutex::new(Table { calls, clock: clock::State::default() }),
            waiting: AtomicUsize::new(0),
            earlier: Condvar::new(),
        })
    }

    /// Whether an identity is there to be called. Memory only.
    pub(crate) fn check_target(&self, target: &Target) -> Result<(), MethodError> {
        let Target { hub, identity } = target;
        match self.directory.status(*hub, identity.device.as_str()) {
            None => return Err(RegistryError::DeviceNotFound.into()),
            Some(Status::Disabled) => return Err(MethodError::Disabled),
            Some(Status::Enabled) => {}
        }
        let found = self.directory.presence(*hub, IdentityRef::from(identity));
        found.map(drop).ok_or_else(|| RegistryError::ModuleNotFound.into())
    }

    /// Calls a method; `done` gets the device's answer or an error.
    pub(crate) fn invoke(
        &self,
        target: Target,
        invocation: Invocation,
        patience: Patience,
        done: MethodDone,
    ) {
        let now = self.ticks.now();
        let name = IdentityRef::from(&target.identity);
        let mut table = self.table();
        let taken = table.calls.handle_call(done, target.clone(), invocation, patience, now);
        let news = match taken {
            Err((done, why)) => {
                drop(table);
                return done(Err(why.into()));
            }
            Ok(id) => {
                // Whoever connects after the look finds this number in `handle_ready`.
                self.waiting.store(table.calls.waiting(), Ordering::SeqCst);
                let seat = self.directory.seat(target.hub, name);
                table.calls.handle_located(id, seat, now);
                // A deletion that has not seen the call is seen here.
                if !self.directory.has_hub(target.hub) {
                    table.calls.handle_hub_deleted(target.hub);
                }
                self.finish(table)
            }
        };
        self.pass_on(news);
    }

    /// A device answered on `seat`. An answer that nobody waits for is dropped.
    ///
    /// Called on the shard of the seat; costs a look at the JSON of `body`.
    pub fn handle_answer(&self, seat: SeatId, rid: &str, status: i32, body: &[u8]) {
        let Some(id) = CallId::parse(rid) else { return };
        let done = self.table().calls.handle_answer(id, seat);
        if let Some(done) = done {
            done(MethodAnswer::parse(status, body));
        }
    }

    /// A seat did not take the call that [`Shards::invoke_method`] brought. Called on its
    /// shard.
    pub fn handle_undelivered(&self, seat: SeatId, id: CallId, why: Undelivered) {
        let now = self.ticks.now();
        let mut table = self.table();
        let Some(target) = table.calls.target(id) else { return };
        // As in `invoke`: the call is about to wait.
        self.waiting.store(table.calls.waiting() + 1, Ordering::SeqCst);
        let live = self.directory.seat(target.hub, IdentityRef::from(&target.identity));
        table.calls.handle_undelivered(id, seat, why, live, now);
        let news = self.finish(table);
        self.pass_on(news);
    }

    /// The identity listens to methods on `seat` from now on. Called on its shard; costs a
    /// load while nobody waits for any device.
    pub fn handle_ready(&self, hub: HubId, identity: &Identity, seat: SeatId) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let target = Target { hub, identity: identity.clone() };
        let mut table = self.table();
        table.calls.handle_ready(&target, seat, self.ticks.now());
        let news = self.finish(table);
        self.pass_on(news);
    }

    /// `seat`, which took calls, has ended. Called on its shard.
    pub fn handle_gone(&self, hub: HubId, identity: &Identity, seat: SeatId) {
        let target = Target { hub, identity: identity.clone() };
        let mut table = self.table();
        table.calls.handle_gone(&target, seat);
        let news = self.finish(table);
        self.pass_on(news);
    }

    /// A hub was deleted: nobody waits for its devices any more.
    pub(crate) fn handle_hub_deleted(&self, hub: HubId) {
        let mut table = self.table();
        table.calls.handle_hub_deleted(hub);
        let news = self.finish(table);
        self.pass_on(news);
    }

    /// A panic elsewhere leaves the table usable: each step of the machine is complete in itself.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a step: takes the news and makes the clock see an earlier deadline.
    fn finish(&self, mut table: MutexGuard<'_, Table>) -> News {
        self.waiting.store(table.calls.waiting(), Ordering::SeqCst);
        let news = std::iter::from_fn(|| table.calls.poll_event()).collect();
        let next = table.calls.poll_timeout();
        if table.clock.sleeps_beyond(next) {
            self.earlier.notify_one();
        }
        news
    }

    fn pass_on(&self, news: News) {
        for event in news {
            match event {
                Event::Send(seat, call) => self.shards.invoke_method(seat, call),
                Event::Fail(done, why) => done(Err(why.into())),
            }
        }
    }
}

impl std::fmt::Debug for Methods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.waiting.load(Ordering::Relaxed);
        f.debug_struct("Methods").field("waiting", &waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
