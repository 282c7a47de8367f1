//! Everything that a shard knows, between two awaits.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use monoio::net::TcpStream;
use ringhub_core::id::{ConnectionId, ShardId};
use ringhub_core::limits::{
    DEADLINES_PER_TURN, FOREIGN_COMMIT_INTERVAL, HUB_DELETION_CONNECTIONS_PER_TURN, MAIL_PER_TURN,
    RESUMES_PER_TURN,
};
use ringhub_core::meter::Counter;
use ringhub_core::time::Timestamp;
use rustls::ServerConfig;

use super::clock::Clock;
use super::commit_queue::CommitQueue;
use super::connection::{Connection, Flushed, Overdue, Received};
use super::counters::ShardCounters;
use super::deleted_hubs::DeletedHubs;
use super::mailbox::{Mail, Mailbox};
use super::protocol::{Close, Protocol, Services, ShardContext};
use super::recorder::{Recorder, nanos};
use super::socket::Socket;
use super::start::ShardConfig;
use super::table::Table;
use super::timer_wheel::{Deadline, TimerWheel};
use super::transport::{Peer, Scratch, Transport};
use crate::listener::ListenerKind;
use crate::tls::TlsSession;

/// How the task of a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextRead {
    /// Wait for more bytes.
    Wait,
    /// Wait until the connection may be read again.
    Pause,
    /// The socket is done with.
    End,
}

/// How far a shard is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nothing is read any more; what is in the rings is still acknowledged.
    AwaitingCommits {
        until: Timestamp,
    },
    /// Every session is closed; their last bytes go out.
    AwaitingPeers {
        until: Timestamp,
    },
    Ended,
}

type ConnectionOf<S> = Connection<<S as Services>::Protocol>;

/// State of a shard. Methods never wait; tasks borrow it for one of them at a time.
pub(super) struct ShardState<S: Services> {
    config: ShardConfig,
    clock: Clock,
    tls: Arc<ServerConfig>,
    services: S,
    table: Table<ConnectionOf<S>>,
    wheel: TimerWheel,
    commits: CommitQueue,
    mailbox: Mailbox,
    deleted_hubs: DeletedHubs,
    scratch: Scratch,
    dirty: Vec<ConnectionId>,
    /// Connections whose reader waits for [`Protocol::can_read`], in the order in which they are
    /// asked.
    paused: VecDeque<ConnectionId>,
    /// Connections that need a writing task.
    writers: Vec<ConnectionId>,
    phase: Phase,
    is_log_failed: bool,
    /// A commit has released something since the end of the last turn.
    has_acknowledged: bool,
    recorder: Recorder,
    pub(super) counters: Arc<ShardCounters>,
}

impl<S: Services> ShardState<S> {
    pub(super) fn new(
        shard: ShardId,
        mailbox: Mailbox,
        config: ShardConfig,
        tls: Arc<ServerConfig>,
        services: S,
        counters: Arc<ShardCounters>,
    ) -> Self {
        Self {
            clock: config.clock,
            table: Table::new(shard, config.connections_max),
            wheel: TimerWheel::new(config.clock.now()),
            commits: CommitQueue::new(shard),
            scratch: Scratch::new(),
            dirty: Vec::new(),
            paused: VecDeque::new(),
            writers: Vec::new(),
            phase: Phase::Serving,
            is_log_failed: false,
            has_acknowledged: false,
            recorder: Recorder::new(Arc::clone(&counters), config.clock),
            config,
            tls,
            services,
            mailbox,
            deleted_hubs: DeletedHubs::default(),
            counters,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(super) fn is_accepting(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Takes in an accepted socket; `None` when the shard is full or ends.
    pub(super) fn accept(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        listener: ListenerKind,
    ) -> Option<(ConnectionId, Socket)> {
        self.counters.connections_accepted.add(1);
        let is_welcome = self.is_accepting() && !self.table.is_full();
        let tls = is_welcome.then(|| TlsSession::new(Arc::clone(&self.tls)).ok()).flatten();
        let Some(tls) = tls else {
            self.counters.connections_refused.add(1);
            return None;
        };
        let socket = Socket::new(stream);
        let peer = Peer { listener, address };
        let stall = self.config.write_stall_time_max;
        let transport = Transport::new(socket.clone(), tls, peer, stall);
        let handshake_until = self.clock.now() + self.config.handshake_time_max;
        let connection = Connection::new(transport, handshake_until);
        let id = self.table.insert(Box::new(connection))?;
        self.count_open();
        open_of(&self.counters, listener).add(1);
        self.settle(id);
        Some((id, socket))
    }

    /// Reads once from a connection.
    pub(super) fn read(&mut self, id: ConnectionId) -> NextRead {
        let Some(connection) = self.table.find(id) else { return NextRead::End };
        if connection.is_closing() {
            return match connection.discard(&mut self.scratch) {
                Ok(()) => NextRead::Wait,
                Err(_) => NextRead::End,
            };
        }
        let was_open = connection.protocol().is_some();
        self.recorder.begin_receive();
        let result = self.with(id, Connection::receive);
        self.recorder.end_receive();
        let Some(connection) = self.table.find(id) else { return NextRead::End };
        if !was_open && connection.protocol().is_some() {
            self.counters.handshakes_completed.add(1);
        }
        match result {
            Ok(Received(bytes)) => {
                self.counters.receives.add(1);
                self.counters.received_bytes.add(bytes as u64);
                self.next_read(id)
            }
            Err(Close::SocketFailed) => NextRead::End,
            Err(_) => NextRead::Wait,
        }
    }

    fn next_read(&mut self, id: ConnectionId) -> NextRead {
        let is_draining = self.phase != Phase::Serving;
        match self.table.find(id) {
            None => NextRead::End,
            Some(connection) if connection.is_closing() => NextRead::Wait,
            Some(connection) if is_draining || connection.is_paused(&self.services) => {
                NextRead::Pause
            }
            Some(_) => NextRead::Wait,
        }
    }

    /// Leaves the waker of a paused reader, or says that the pause is over.
    pub(super) fn poll_resumed(
        &mut self,
        id: ConnectionId,
        waker: &std::task::Waker,
    ) -> std::task::Poll<()> {
        if self.next_read(id) != NextRead::Pause {
            return std::task::Poll::Ready(());
        }
        if let Some(connection) = self.table.find(id) {
            if connection.paused_reader.is_none() {
                self.paused.push_back(id);
            }
            connection.paused_reader = Some(waker.clone());
        }
        std::task::Poll::Pending
    }

    /// Shows the protocol what it had left when it was paused.
    pub(super) fn resume(&mut self, id: ConnectionId) -> NextRead {
        // A failure has begun the close; the task reads until the peer has closed as well.
        let _ = self.with(id, |connection, _, cx| connection.resume(cx));
        self.next_read(id)
    }

    /// The socket of a connection has room; true while more waits.
    pub(super) fn write(&mut self, id: ConnectionId) -> bool {
        let now = self.clock.now();
        let Some(connection) = self.table.find(id) else { return false };
        match connection.send_output(now) {
            Ok(sent) => self.counters.sent_bytes.add(sent as u64),
            Err(_) => connection.cut(),
        }
        connection.has_writer = connection.has_output();
        let has_output = connection.has_writer;
        self.settle(id);
        has_output
    }

    /// Forgets a connection whose task ends.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        self.close(id, Close::SocketFailed);
        if let Some(connection) = self.table.remove(id) {
            self.counters.buffered_bytes.sub(connection.accounted_bytes());
            open_of(&self.counters, connection.listener()).sub(1);
        }
        if self.table.shrink() {
            let Self { table, wheel, .. } = self;
            wheel.retain(|connection| table.holds(connection));
        }
        self.count_open();
    }

    fn count_open(&self) {
        self.counters.connections_open.set(self.table.len() as u64);
        self.counters.table_bytes.set(self.table.memory() as u64);
    }

    /// Calls into one connection and does what follows from any call: ends it on `Err`, else
    /// settles it.
    fn with<R, F>(&mut self, id: ConnectionId, call: F) -> Result<R, Close>
    where
        F: FnOnce(&mut ConnectionOf<S>, &mut Scratch, &mut ShardContext<'_, S>) -> Result<R, Close>,
    {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let Self { table, scratch, services, commits, recorder, .. } = self;
        let connection = table.find(id).ok_or(Close::SocketFailed)?;
        let mut cx = ShardContext { now, wall, connection: id, services, commits, recorder };
        let result = call(connection, scratch, &mut cx);
        if let Err(why) = result {
            connection.begin_close(why, scratch, &mut cx);
            self.count_close(why);
        }
        self.settle(id);
        result
    }

    fn with_protocol(
        &mut self,
        id: ConnectionId,
        call: impl FnOnce(&mut S::Protocol, &mut ShardContext<'_, S>) -> Result<(), Close>,
    ) {
        // An error has begun the close, nothing is left to do about it.
        let _ = self.with(id, |connection, _, cx| match connection.protocol() {
            Some(protocol) => call(protocol, cx),
            None => Ok(()),
        });
    }

    fn close(&mut self, id: ConnectionId, why: Close) {
        if self.table.find(id).is_some_and(|connection| !connection.is_closing()) {
            let _ = self.with::<(), _>(id, |_, _, _| Err(why));
        }
    }

    fn count_close(&self, why: Close) {
        let counters = &self.counters;
        match why {
            Close::TlsFailed | Close::HandshakeTimeout => counters.handshakes_failed.add(1),
            Close::SlowReader => counters.slow_readers_closed.add(1),
            Close::Violation(_) => counters.violations_closed.add(1),
            _ => {}
        }
    }

    /// After any change: the connection is flushed at the end of the turn, has a task for its
    /// output, an entry in the wheel for its first deadline, and is read again if it may be.
    fn settle(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.find(id) else { return };
        connection.account(&self.counters.buffered_bytes);
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(id);
        }
        if connection.has_output() && !connection.has_writer {
            connection.has_writer = true;
            self.writers.push(id);
        }
        if let Some(at) = connection.deadline()
            && connection.armed.is_none_or(|armed| at < armed)
        {
            connection.armed = Some(at);
            self.wheel.insert(Deadline { at, connection: id });
        }
    }

    /// Makes this turn's records visible to the executors.
    pub(super) fn publish(&mut self) {
        let Self { recorder, services, clock, .. } = self;
        recorder.publish(|executor, publication| {
            services.mark(executor, publication.upto, clock.now(), publication.messages);
        });
        services.publish();
    }

    /// Tells seats what is durable: one call into a connection for those of its seats that follow
    /// each other.
    pub(super) fn take_commits(&mut self) {
        loop {
            let Self { commits, services, .. } = self;
            let committed = |shard, executor| services.committed(shard, executor);
            let Some(first) = commits.poll_committed(None, committed) else { return };
            self.has_acknowledged = true;
            self.with_protocol(first.0.connection, |protocol, cx| {
                let mut next = Some(first);
                while let Some((seat, upto)) = next {
                    protocol.handle_committed(seat, upto, cx)?;
                    next = cx.poll_committed();
                }
                Ok(())
            });
        }
    }

    /// Tells every connection when a log has failed, once.
    pub(super) fn check_log(&mut self) {
        if self.is_log_failed || !self.services.has_log_failed() {
            return;
        }
        self.is_log_failed = true;
        for id in self.table.ids() {
            self.with_protocol(id, Protocol::handle_log_failed);
        }
    }

    pub(super) fn drain_mailbox(&mut self) {
        for _ in 0..MAIL_PER_TURN {
            let Some(mail) = self.mailbox.poll() else { return };
            self.counters.mail_taken.add(1);
            match mail.connection() {
                None => self.take_mail(&mail),
                Some(id) if self.table.find(id).is_some_and(|c| c.protocol().is_some()) => {
                    self.with_protocol(id, |protocol, cx| protocol.handle_mail(mail, cx));
                }
                Some(_) => self.services.handle_undeliverable(mail),
            }
        }
    }

    /// Takes mail for the shard itself.
    fn take_mail(&mut self, mail: &Mail) {
        match mail {
            Mail::HubDeleted { hub } => self.deleted_hubs.push(*hub, self.table.ids()),
            _ => self.begin_shutdown(),
        }
    }

    /// Tells connections of deleted hubs. Each may have much to end.
    pub(super) fn tell_of_deleted_hubs(&mut self) {
        for _ in 0..HUB_DELETION_CONNECTIONS_PER_TURN {
            let Some((hub, id)) = self.deleted_hubs.poll() else { return };
            let is_open = self.table.find(id).is_some_and(|c| c.protocol().is_some());
            if is_open {
                let mail = Mail::HubDeleted { hub };
                self.with_protocol(id, |protocol, cx| protocol.handle_mail(mail, cx));
            }
        }
    }

    pub(super) fn fire_deadlines(&mut self) {
        let now = self.clock.now();
        for _ in 0..DEADLINES_PER_TURN {
            let Some(deadline) = self.wheel.poll_expired(now) else { return };
            self.expire(deadline, now);
        }
    }

    fn expire(&mut self, deadline: Deadline, now: Timestamp) {
        let id = deadline.connection;
        let Some(connection) = self.table.find(id) else { return };
        if connection.armed != Some(deadline.at) {
            return;
        }
        connection.armed = None;
        match connection.overdue(now) {
            Some(Overdue::Protocol) => {
                self.with_protocol(id, Protocol::handle_timeout);
            }
            Some(Overdue::Close(why)) => self.close(id, why),
            // The tasks end on their own once the socket is shut down.
            Some(Overdue::Cut) => connection.cut(),
            None => self.settle(id),
        }
    }

    /// One record batch and one send for every connection with something to say.
    pub(super) fn flush(&mut self) {
        let now = self.clock.now();
        for id in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.table.find(id) else { continue };
            connection.is_dirty = false;
            match connection.flush(&mut self.scratch, now) {
                Ok(flushed) => self.after_flush(id, flushed),
                Err(why) => self.close(id, why),
            }
        }
    }

    fn after_flush(&mut self, id: ConnectionId, flushed: Flushed) {
        let (Flushed::All { sent } | Flushed::More { sent }) = flushed;
        if sent > 0 {
            self.counters.sends.add(1);
            self.counters.sent_bytes.add(sent as u64);
        }
        let Some(connection) = self.table.find(id) else { return };
        connection.account(&self.counters.buffered_bytes);
        let needs_settling = matches!(flushed, Flushed::More { .. })
            || connection.has_output() && !connection.has_writer;
        if needs_settling {
            self.settle(id);
        }
    }

    /// Notes how long the turn took that began at `began`, and what it acknowledged.
    pub(super) fn count_turn(&mut self, began: Timestamp) {
        let Self { recorder, services, counters, clock, .. } = self;
        let now = clock.now();
        recorder.end_turn(now, |executor| services.committed_here(executor));
        if std::mem::take(&mut self.has_acknowledged) {
            while let Some(since) = services.take_durable_since() {
                counters.stages.acknowledge.record(nanos(since, now), 1);
            }
        }
        let turn = nanos(began, now);
        counters.turns.add(1);
        counters.turn_time_ns.add(turn);
        counters.turn_time_max_ns.set_max(turn);
        counters.stages.turn.record(turn, 1);
        counters.scratch_bytes.set(self.scratch.memory() as u64);
    }

    /// Wakes the readers that may read again, as far as the turn's budget goes.
    pub(super) fn resume_readers(&mut self) {
        for _ in 0..self.paused.len().min(RESUMES_PER_TURN) {
            let Some(id) = self.paused.pop_front() else { return };
            let may_read = self.next_read(id) != NextRead::Pause;
            let Some(connection) = self.table.find(id) else { continue };
            if may_read {
                connection.wake_reader();
            } else {
                self.paused.push_back(id);
            }
        }
    }

    pub(super) fn take_writers(&mut self) -> Vec<(ConnectionId, Socket)> {
        let writers = std::mem::take(&mut self.writers);
        let with_socket =
            |id| self.table.find(id).map(|connection| (id, connection.socket().clone()));
        writers.into_iter().filter_map(with_socket).collect()
    }

    /// True when the next turn has work already.
    pub(super) fn has_work(&self) -> bool {
        let is_due = self.wheel.next_wake().is_some_and(|at| at <= self.clock.now());
        let is_told = self.deleted_hubs.is_empty();
        !self.dirty.is_empty() || !self.mailbox.is_empty() || !is_told || is_due
    }

    /// When the shard has to be awake without being woken.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let foreign = self.commits.waits_for_foreign();
        let foreign = foreign.then(|| self.clock.now() + FOREIGN_COMMIT_INTERVAL);
        let phase = match self.phase {
            Phase::AwaitingCommits { until } | Phase::AwaitingPeers { until } => Some(until),
            Phase::Serving | Phase::Ended => None,
        };
        [self.wheel.next_wake(), foreign, phase].into_iter().flatten().min()
    }

    pub(super) fn prepare_sleep(&self) {
        self.mailbox.doorbell().prepare_sleep();
    }

    pub(super) fn awake(&self) {
        self.mailbox.doorbell().awake();
    }

    /// Wakes the task that sleeps on the bell.
    pub(super) fn ring_own_bell(&self) {
        self.prepare_sleep();
        self.mailbox.doorbell().ring();
    }

    /// Ends the tasks of the connections whose peers have not closed in time.
    fn cut_all(&mut self) {
        for id in self.table.ids() {
            if let Some(connection) = self.table.find(id) {
                connection.cut();
                connection.wake_reader();
            }
        }
    }

    fn begin_shutdown(&mut self) {
        if self.phase == Phase::Serving {
            let until = self.clock.now() + self.config.shutdown_time_max / 2;
            self.phase = Phase::AwaitingCommits { until };
        }
    }

    /// Moves a shutdown on, if one is under way.
    pub(super) fn advance_shutdown(&mut self) {
        let now = self.clock.now();
        if let Phase::AwaitingCommits { until } = self.phase
            && (self.commits.is_empty() || until <= now)
        {
            for id in self.table.ids() {
                self.close(id, Close::Shutdown);
            }
            self.phase = Phase::AwaitingPeers { until: now + self.config.shutdown_time_max / 2 };
        }
        if let Phase::AwaitingPeers { until } = self.phase
            && (self.table.len() == 0 || until <= now)
        {
            self.services.publish();
            self.cut_all();
            self.phase = Phase::Ended;
        }
    }
}

/// The gauge of open connections of a port.
fn open_of(counters: &ShardCounters, listener: ListenerKind) -> &Counter {
    match listener {
        ListenerKind::Mqtt => &counters.mqtt_open,
        ListenerKind::Amqp => &counters.amqp_open,
        ListenerKind::Http => &counters.https_open,
    }
}
