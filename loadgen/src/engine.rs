//! The devices of one process, all on one thread: opened on schedule, kept, and ended.

use std::cell::{Cell, OnceCell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringhub_core::time::Timestamp;
use ringhub_edge::shard::Socket;
use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::alarm::Alarm;
use crate::connection::Connection;
use crate::device::{Device, Scratch, Stage, Who};
use crate::error::Error;
use crate::failure::Failure;
use crate::gate::Gate;
use crate::outcome::{Cost, End, Outcome, Spent};
use crate::plan::{Plan, Work};
use crate::process::Usage;
use crate::publishing::Publishing;
use crate::schedule::Schedule;
use crate::storm::Wave;
use crate::tally::Tally;
use crate::tls::TlsClient;

/// Bytes received at a time.
const RECEIVE_BYTES: usize = 16 * 1024;
/// How often signals and deadlines are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Ticks in which every connection has its deadlines looked at once.
const TICKS_PER_SWEEP: usize = 25;
/// How often progress is shown.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// Attempts or connections that fail in a row, with none left, after which there is no hope.
const HOPELESS: u64 = 50;

/// A run under way; everything happens on one thread.
pub(crate) struct Engine {
    pub(crate) plan: Plan,
    gate: Gate,
    stop: Arc<AtomicBool>,
    epoch: Instant,
    start: Cell<Instant>,
    shown: Cell<Instant>,
    pub(crate) tally: RefCell<Tally>,
    pub(crate) scratch: RefCell<Scratch>,
    /// By the number of the device within the share of this process.
    pub(crate) connections: RefCell<Vec<Option<Rc<Connection>>>>,
    pub(crate) publishing: OnceCell<Publishing>,
    /// Messages to devices that the parent has not been told of.
    pub(crate) heard: RefCell<Vec<(u64, u64)>>,
    /// Attempts that are to be made, up to now.
    expected: Cell<u64>,
    /// Devices are yet to have their turn to leave.
    pub(crate) is_churning: Cell<bool>,
    is_ending: Cell<bool>,
}

impl Engine {
    pub(crate) fn new(plan: Plan, gate: Gate, stop: Arc<AtomicBool>) -> Rc<Self> {
        let now = Instant::now();
        let expected = u64::from(plan.size());
        let connections = (0..plan.size()).map(|_| None).collect();
        let protocol = plan.manner.speech.protocol();
        Rc::new(Self {
            plan,
            gate,
            stop,
            epoch: now,
            start: Cell::new(now),
            shown: Cell::new(now),
            tally: RefCell::new(Tally { protocol, ..Tally::default() }),
            scratch: RefCell::default(),
            connections: RefCell::new(connections),
            publishing: OnceCell::new(),
            heard: RefCell::default(),
            expected: Cell::new(expected),
            is_churning: Cell::new(false),
            is_ending: Cell::new(false),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.epoch.elapsed()
    }

    /// Opens all connections, does the work, and ends them.
    pub(crate) async fn drive(self: &Rc<Self>) -> Result<Outcome, Error> {
        let (arrivals, later, turns) = (Alarm::new()?, Alarm::new()?, Alarm::new()?);
        self.start.set(self.gate.pass(&self.stop).await);
        self.shown.set(self.start.get());
        let begun = Usage::of_self();
        monoio::spawn(Rc::clone(self).sweep());
        let (start, schedule) = (self.start.get(), self.plan.schedule);
        let wave = Wave { start, is_return: false };
        monoio::spawn(Rc::clone(self).arrive(arrivals, schedule, wave));
        self.wait_while(|| self.is_unsettled()).await;
        let settled = Usage::of_self();
        let begun_work = self.work(start + schedule.last(), later, turns).await;
        let done = Usage::of_self();
        self.gate.pass(&self.stop).await;
        let end = self.state();
        self.say_goodbye();
        let cost = Cost {
            ramp: Spent::between(begun, settled),
            steady: Spent::between(begun_work, done),
            resident_bytes: done.resident_bytes,
        };
        Ok(Outcome { tally: self.tally.take(), end, cost })
    }

    /// Does what the connections are for; gives what was used before. The last of them was due at
    /// `last_due`.
    async fn work(self: &Rc<Self>, last_due: Instant, alarm: Alarm, turns: Alarm) -> Usage {
        match &self.plan.work {
            Work::Hold(time) if self.plan.churn.is_some() => {
                let start = self.gate.pass(&self.stop).await;
                let before = Usage::of_self();
                self.start_churn(start, *time, turns);
                self.wait_while(|| start.elapsed() < *time).await;
                self.wait_for_returns().await;
                before
            }
            Work::Hold(time) => {
                let (before, end) = (Usage::of_self(), last_due + *time);
                self.wait_while(|| Instant::now() < end).await;
                before
            }
            Work::Publish(load) => {
                self.wait_for_subscriptions().await;
                let start = self.gate.pass(&self.stop).await;
                let before = Usage::of_self();
                match self.plan.conversation {
                    Some(_) => self.start_conversation(start, turns),
                    None => self.start_churn(start, load.last(), turns),
                }
                self.publish(load, start, alarm).await;
                self.wait_for_returns().await;
                self.wait_for_conversation().await;
                before
            }
            Work::Storm(storm) => {
                let end = Instant::now() + storm.calm;
                self.wait_while(|| Instant::now() < end).await;
                let start = self.gate.pass(&self.stop).await;
                let before = Usage::of_self();
                self.reconnect(*storm, start, alarm).await;
                before
            }
        }
    }

    /// Waits as long as the condition holds, there is hope, and nobody wants an end.
    pub(crate) async fn wait_while(&self, condition: impl Fn() -> bool) {
        while condition() && self.state() == End::Complete {
            monoio::time::sleep(TICK).await;
            if self.shown.get().elapsed() >= SHOW_INTERVAL {
                self.shown.set(self.shown.get() + SHOW_INTERVAL);
                self.gate.show(self.start.get().elapsed(), &self.tally.borrow());
            }
        }
    }

    /// How the run would end if it ended now.
    fn state(&self) -> End {
        if self.stop.load(Ordering::Relaxed) {
            return End::Interrupted;
        }
        let tally = self.tally.borrow();
        let is_hopeless = tally.open == 0
            && tally.failed_in_a_row > 0
            && (tally.failed_in_a_row >= HOPELESS || !tally.is_unsettled(self.expected.get()));
        if is_hopeless { End::GaveUp } else { End::Complete }
    }

    pub(crate) fn is_unsettled(&self) -> bool {
        self.tally.borrow().is_unsettled(self.expected.get())
    }

    /// Another attempt of each device is to come.
    pub(crate) fn expect_as_many_again(&self) {
        self.expected.set(self.expected.get() + u64::from(self.plan.size()));
    }

    /// Whether the parent wants the devices to stay for now.
    pub(crate) fn is_held(&self) -> bool {
        self.gate.is_held()
    }

    /// Tells the parent which messages devices have heard.
    pub(crate) fn tell(&self, heard: Vec<(u64, u64)>) {
        self.gate.tell_heard(heard);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.get()
    }

    /// Starts each connection when it is due.
    pub(crate) async fn arrive(self: Rc<Self>, alarm: Alarm, schedule: Schedule, wave: Wave) {
        for slot in 0..self.plan.size() {
            let number = self.plan.share.device(slot);
            let due = wave.start + schedule.due(number);
            // A timer that cannot be set makes the arrival early, which the rate shows.
            let _ = alarm.sleep_until(due).await;
            if self.is_ending() || self.state() != End::Complete {
                return;
            }
            {
                let tally = &mut *self.tally.borrow_mut();
                tally.attempted += 1;
                let lags = (&mut tally.connect_lag, &mut tally.reconnect_lag);
                let lag = if wave.is_return { lags.1 } else { lags.0 };
                lag.record(due.elapsed());
            }
            monoio::spawn(Rc::clone(&self).hold(slot, due, wave));
        }
    }

    /// One connection from its start to its end.
    pub(crate) async fn hold(self: Rc<Self>, slot: u32, due: Instant, wave: Wave) {
        let (stage, failure) = match self.open(slot, due).await {
            Ok(connection) => {
                let Err(failure) = self.serve(slot, &connection, &wave).await;
                self.forget(slot, &connection);
                if connection.has_left() {
                    return;
                }
                (connection.stage(), connection.take_ended().unwrap_or(failure))
            }
            Err(failure) => (Stage::Connecting, failure),
        };
        if self.is_ending() {
            return;
        }
        match stage {
            Stage::Connecting => self.tally.borrow_mut().refuse(&failure),
            Stage::Connected => self.tally.borrow_mut().lose(&failure),
        }
    }

    /// Frees the place of a connection, unless its device has a newer one.
    fn forget(&self, slot: u32, connection: &Rc<Connection>) {
        let place = &mut self.connections.borrow_mut()[slot as usize];
        if place.as_ref().is_some_and(|newest| Rc::ptr_eq(newest, connection)) {
            *place = None;
        }
    }

    async fn open(&self, slot: u32, due: Instant) -> Result<Rc<Connection>, Failure> {
        let plan = &self.plan;
        let source = plan.sources.of(plan.share.device(slot));
        let socket = Socket::connect(source, plan.target)
            .await
            .map_err(|error| Failure::Tcp(error.kind()))?;
        let tls =
            TlsClient::new(Arc::clone(&plan.tls), plan.server.clone(), plan.tickets.is_some());
        let device = Device::new(tls.map_err(Failure::Tls)?);
        let connection = Rc::new(Connection::new(socket, device, due));
        self.connections.borrow_mut()[slot as usize] = Some(Rc::clone(&connection));
        Ok(connection)
    }

    /// Moves bytes until the connection is over.
    async fn serve(
        self: &Rc<Self>,
        slot: u32,
        connection: &Rc<Connection>,
        wave: &Wave,
    ) -> Result<Infallible, Failure> {
        self.handle(slot, connection, 0, wave)?;
        loop {
            let readable = connection.socket.readable().await;
            readable.map_err(|error| Failure::Tcp(error.kind()))?;
            let received = {
                let scratch = &mut *self.scratch.borrow_mut();
                scratch.received.resize(RECEIVE_BYTES, 0);
                connection.socket.receive(&mut scratch.received)
            };
            match received {
                Ok(0) | Err(Errno::CONNRESET) => {
                    return Err(connection.device.borrow().closed());
                }
                Ok(received) => self.handle(slot, connection, received, wave)?,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(Failure::of_errno(error)),
            }
        }
    }

    /// Lets the device process the first `received` bytes of the scratch buffer, and sends what it
    /// has to say.
    fn handle(
        self: &Rc<Self>,
        slot: u32,
        connection: &Rc<Connection>,
        received: usize,
        wave: &Wave,
    ) -> Result<(), Failure> {
        let number = self.plan.share.device(slot);
        let scratch = &mut *self.scratch.borrow_mut();
        let mut device = connection.device.borrow_mut();
        scratch.received.truncate(received);
        let before = device.stage();
        let devices = self.plan.devices_of(number);
        let login =
            |member| self.plan.fleet.login(devices.start + member, self.token_expiry_secs());
        let who = Who { devices: devices.len() as u32, login: &login };
        let result = device.handle_received(scratch, &self.plan.manner, who, self.now());
        if let Err(failure) = result {
            scratch.clear();
            return Err(failure);
        }
        let is_new = (before, device.stage()) == (Stage::Connecting, Stage::Connected);
        let is_resumed = device.is_resumed();
        if is_new && self.plan.conversation.is_some() {
            device.subscribe(scratch, &self.plan.fleet.client_id(number), self.now())?;
        }
        drop(device);
        {
            let tally = &mut *self.tally.borrow_mut();
            if is_new {
                tally.accept(wave, connection.due.elapsed());
                tally.resumed += u64::from(is_resumed);
            }
            tally.pings_answered += std::mem::take(&mut scratch.pongs);
        }
        self.note_heard(scratch);
        let has_acknowledged = self.note_acknowledged(scratch);
        self.transmit(slot, connection, scratch)?;
        if has_acknowledged || is_new { self.pump(slot, connection, scratch) } else { Ok(()) }
    }

    /// Sends what is in `scratch.out`, now or when the socket takes it.
    pub(crate) fn transmit(
        self: &Rc<Self>,
        slot: u32,
        connection: &Rc<Connection>,
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        if connection.transmit(scratch)? {
            let (engine, connection) = (Rc::clone(self), Rc::clone(connection));
            monoio::spawn(async move {
                if connection.drain().await.is_ok() {
                    engine.pump_or_end(slot, &connection);
                }
            });
        }
        Ok(())
    }

    fn token_expiry_secs(&self) -> u64 {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (unix + self.plan.token_life()).as_secs()
    }

    /// Pings where it is time, and ends what has waited too long: a part of all connections in each
    /// tick, so that no tick takes long.
    async fn sweep(self: Rc<Self>) {
        let size = self.plan.size() as usize;
        let part = size.div_ceil(TICKS_PER_SWEEP).max(1);
        let mut next = 0;
        while !self.is_ending() {
            monoio::time::sleep(TICK).await;
            for slot in next..(next + part).min(size) {
                let connection = self.connections.borrow()[slot].clone();
                if let Some(connection) = connection
                    && let Err(failure) = self.handle_deadlines(slot as u32, &connection)
                {
                    self.scratch.borrow_mut().clear();
                    connection.end(failure);
                }
            }
            next = if next + part < size { next + part } else { 0 };
        }
    }

    fn handle_deadlines(
        self: &Rc<Self>,
        slot: u32,
        connection: &Rc<Connection>,
    ) -> Result<(), Failure> {
        let timeout = self.plan.timeout;
        if connection.stage() == Stage::Connecting && connection.due.elapsed() >= timeout {
            return Err(Failure::Timeout);
        }
        if connection.stalled_since().is_some_and(|since| since.elapsed() >= timeout) {
            return Err(Failure::Stuck);
        }
        let scratch = &mut *self.scratch.borrow_mut();
        connection.device.borrow_mut().handle_timeout(scratch, self.now())?;
        self.transmit(slot, connection, scratch)
    }

    /// Says goodbye on every connection; what happens after that is not counted.
    fn say_goodbye(&self) {
        self.is_ending.set(true);
        let (now, scratch) = (self.now(), &mut *self.scratch.borrow_mut());
        for connection in self.connections.borrow().iter().flatten() {
            connection.device.borrow_mut().disconnect(scratch, now);
            // Nothing depends on the goodbye.
            let _ = connection.transmit(scratch);
            scratch.clear();
            connection.socket.shutdown(Shutdown::Both);
        }
    }
}
