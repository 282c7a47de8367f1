//! The thread of a shard: its tasks, and the end of the turn.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use monoio::net::TcpStream;
use monoio::time::Sleep;
use ringhub_core::id::ConnectionId;
use ringhub_core::limits::TASKS_END_TIME_MAX;
use rustix::net::Shutdown;

use super::clock::Clock;
use super::protocol::Services;
use super::signal::Signal;
use super::socket::Socket;
use super::state::{NextRead, ShardState};
use crate::listener::{ListenerConfig, ListenerKind, accept_loop, bind};

/// What the tasks of a shard share.
pub(super) struct Shard<S: Services> {
    state: RefCell<ShardState<S>>,
    clock: Clock,
    /// Wakes the end of the turn.
    turn: RefCell<Waker>,
    /// Asks for another turn after the ready tasks have run.
    again: Signal,
    is_accepting: Cell<bool>,
    /// Second descriptors of the listening sockets, to stop the tasks that accept from the first.
    listeners: RefCell<Vec<std::net::TcpListener>>,
}

impl<S: Services> Shard<S> {
    pub(super) fn new(state: ShardState<S>, clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(state),
            clock,
            turn: RefCell::new(Waker::noop().clone()),
            again: Signal::default(),
            is_accepting: Cell::new(true),
            listeners: RefCell::new(Vec::new()),
        })
    }

    /// Runs until the shard has been shut down and all its tasks have ended: the runtime would
    /// never drop one that still waits, and with it everything that the shard shares.
    pub(super) async fn run(self: Rc<Self>, bell: OwnedFd) {
        monoio::spawn(Rc::clone(&self).hear_bell(bell));
        monoio::spawn(Rc::clone(&self).repeat_turns());
        let mut alarm = Alarm::new(self.clock);
        poll_fn(|cx| self.poll_turn(cx, &mut alarm)).await;
        self.state.borrow().ring_own_bell();
        self.again.raise();
        let alone = monoio::time::timeout(TASKS_END_TIME_MAX, poll_fn(|cx| self.poll_alone(cx)));
        if alone.await.is_err() {
            tracing::error!("tasks of the shard have not ended; what they share is not closed");
        }
    }

    fn poll_alone(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.turn.replace(cx.waker().clone());
        if Rc::strong_count(self) == 1 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn is_ended(&self) -> bool {
        self.state.borrow().is_ended()
    }

    /// The end of a turn: polled after the tasks that were ready, before the thread sleeps.
    fn poll_turn(self: &Rc<Self>, cx: &mut Context<'_>, alarm: &mut Alarm) -> Poll<()> {
        let began = self.clock.now();
        self.turn.replace(cx.waker().clone());
        let state = &mut *self.state.borrow_mut();
        state.awake();

        state.publish();
        state.take_commits();
        state.check_log();
        state.drain_mailbox();
        state.tell_of_deleted_hubs();
        state.fire_deadlines();
        state.advance_shutdown();
        state.flush();
        state.resume_readers();
        state.publish();

        for (id, socket) in state.take_writers() {
            monoio::spawn(Rc::clone(self).write(id, socket));
        }
        if !state.is_accepting() {
            self.stop_accepting();
        }
        state.count_turn(began);
        if state.is_ended() {
            return Poll::Ready(());
        }
        state.prepare_sleep();
        // Whoever made news before the line above did not ring: look once more.
        state.take_commits();
        state.check_log();
        if state.has_work() || alarm.poll_due(state.next_wake(), cx).is_ready() {
            self.again.raise();
        }
        Poll::Pending
    }

    fn end_turn(&self) {
        self.turn.borrow().wake_by_ref();
    }

    async fn hear_bell(self: Rc<Self>, bell: OwnedFd) {
        let Ok(bell) = monoio::fs::File::from_std(File::from(bell)) else { return };
        let mut buffer = vec![0_u8; 8];
        while !self.is_ended() {
            let (result, returned) = bell.read_at(buffer, u64::MAX).await;
            buffer = returned;
            if let Err(error) = result {
                tracing::error!(%error, "the shard's bell cannot be read");
                return;
            }
            self.end_turn();
        }
    }

    /// A turn that asks for the next one lets the other tasks and the completion queue go first.
    async fn repeat_turns(self: Rc<Self>) {
        while !self.is_ended() {
            self.again.raised().await;
            self.end_turn();
        }
    }

    /// Binds a port and begins to accept. Called on the shard's thread, before
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// When the kernel refuses the port or a descriptor.
    pub(super) fn listen(self: &Rc<Self>, port: ListenerConfig) -> std::io::Result<()> {
        let socket = bind(port).map_err(std::io::Error::other)?;
        self.listeners.borrow_mut().push(socket.try_clone()?);
        let socket = monoio::net::TcpListener::from_std(socket)?;
        monoio::spawn(Rc::clone(self).accept(socket, port.kind));
        Ok(())
    }

    async fn accept(self: Rc<Self>, listener: monoio::net::TcpListener, kind: ListenerKind) {
        let on_socket = |stream, peer| self.take_in(stream, peer, kind);
        let on_exhausted = |error: &std::io::Error| {
            self.state.borrow().counters.accept_pauses.add(1);
            tracing::warn!(%error, "accepting pauses: raise the limit of open files");
        };
        accept_loop(listener, on_socket, on_exhausted).await;
        self.end_turn();
    }

    fn take_in(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, kind: ListenerKind) {
        let accepted = self.state.borrow_mut().accept(stream, peer, kind);
        if let Some((id, socket)) = accepted {
            monoio::spawn(Rc::clone(self).read(id, socket));
            self.end_turn();
        }
    }

    fn stop_accepting(&self) {
        if self.is_accepting.replace(false) {
            for listener in self.listeners.take() {
                // Completes the pending accept; a socket that is gone already needs nothing.
                let _ = rustix::net::shutdown(&listener, Shutdown::Both);
            }
        }
    }

    /// The task of a connection, from accept to its end.
    async fn read(self: Rc<Self>, id: ConnectionId, socket: Socket) {
        while socket.readable().await.is_ok() {
            let mut next = self.state.borrow_mut().read(id);
            self.end_turn();
            while next == NextRead::Pause {
                poll_fn(|cx| self.state.borrow_mut().poll_resumed(id, cx.waker())).await;
                next = self.state.borrow_mut().resume(id);
                self.end_turn();
            }
            if next == NextRead::End {
                break;
            }
        }
        self.state.borrow_mut().remove(id);
        // A writing task may be waiting for a peer that takes nothing more.
        socket.shutdown(Shutdown::Both);
        self.end_turn();
    }

    /// The task of a connection whose socket did not take everything; ends with the last byte.
    async fn write(self: Rc<Self>, id: ConnectionId, socket: Socket) {
        while socket.writable().await.is_ok() {
            let has_more = self.state.borrow_mut().write(id);
            self.end_turn();
            if !has_more {
                return;
            }
        }
    }
}

/// The one runtime timer of a shard. It is moved only to an earlier time; a ring too early does no
/// harm.
struct Alarm {
    clock: Clock,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    fn new(clock: Clock) -> Self {
        Self { clock, sleep: None }
    }

    fn poll_due(
        &mut self,
        due: Option<ringhub_core::time::Timestamp>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        let due = monoio::time::Instant::from_std(self.clock.instant(due));
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(monoio::time::sleep_until(due)));
        if due < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(due);
        }
        sleep.as_mut().poll(cx)
    }
}
