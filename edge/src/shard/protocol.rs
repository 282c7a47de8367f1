//! What a shard asks of the protocols that it carries, and what it offers them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ringhub_core::id::{ConnectionId, ExecutorId, SeatId, ShardId};
use ringhub_core::position::{Committed, RingPosition};
use ringhub_core::time::{Timestamp, UnixMillis};
use rustls::pki_types::CertificateDer;

use super::commit_queue::CommitQueue;
use super::counters::ShardCounters;
use super::mailbox::Mail;
use super::recorder::{DeliveryRecorder, Part, Recorder};
use crate::listener::ListenerKind;
use crate::partition::Ticket;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The protocol has said all it had to say.
    Finished,
    /// The peer broke a rule; the text names it for the log.
    Violation(&'static str),
    /// The peer was silent for too long.
    Idle,
    /// Another connection of the same identity took its place.
    Evicted,
    /// The identity may no longer be connected, or its credential ran out.
    Cut,
    /// The commit log takes no more records.
    LogFailed,
    /// The hub ends.
    Shutdown,
    /// The peer sent `close_notify` or ended its stream.
    PeerClosed,
    /// The peer broke TLS.
    TlsFailed,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer did not take its data.
    SlowReader,
    /// The socket failed.
    SocketFailed,
}

impl Close {
    /// True when what the protocol still has to say should reach the peer.
    pub(super) fn is_orderly(self) -> bool {
        !matches!(
            self,
            Self::TlsFailed | Self::HandshakeTimeout | Self::SlowReader | Self::SocketFailed
        )
    }
}

/// What is known when a handshake is complete.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Protocol of the port that was dialled.
    pub listener: ListenerKind,
    /// Monotonic time of the end of the handshake.
    pub now: Timestamp,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The client's certificate chain, leaf first; empty if it sent none. The client holds the
    /// leaf's key, nothing else about it has been checked.
    pub certificates: &'a [CertificateDer<'a>],
}

/// The driver of one connection: decrypted bytes in, bytes out.
///
/// All calls come from the shard's thread. After every `handle_` call the shard collects what
/// [`poll_transmit`](Self::poll_transmit) has, once, at the end of the turn, and looks at
/// [`poll_timeout`](Self::poll_timeout) and [`can_read`](Self::can_read) again. `Err` ends the
/// connection: what `poll_transmit` then gives is still sent for the reasons in which the peer
/// listens.
pub trait Protocol: Sized + 'static {
    /// What the shard's connections share.
    type Services: Services;

    /// The peer spoke. Returns how many bytes are done with; the rest is shown again, with what
    /// came after it: at once when more arrives, or when [`can_read`](Self::can_read) is true
    /// again. Called with at most `PLAINTEXT_KEPT_BYTES_MAX` bytes; a peer that makes the driver
    /// keep more is closed.
    ///
    /// # Errors
    /// The reason to end the connection.
    fn handle_bytes(
        &mut self,
        input: &[u8],
        cx: &mut ShardContext<'_, Self::Services>,
    ) -> Result<usize, Close>;

    /// Everything up to and including the ticket's position in the ticket's ring is durable, and
    /// `seat` of this connection has waited for it. Comes at least once after each
    /// [`ShardContext::await_commit`] of the seat and may come more often.
    ///
    /// # Errors
    /// The reason to end the connection.
    fn handle_committed(
        &mut self,
        seat: SeatId,
        upto: Committed<Ticket>,
        cx: &mut ShardContext<'_, Self::Services>,
    ) -> Result<(), Close>;

    /// Another thread spoke.
    ///
    /// # Errors
    /// The reason to end the connection.
    fn handle_mail(
        &mut self,
        mail: Mail,
        cx: &mut ShardContext<'_, Self::Services>,
    ) -> Result<(), Close>;

    /// The clock reached [`poll_timeout`](Self::poll_timeout).
    ///
    /// # Errors
    /// The reason to end the connection.
    fn handle_timeout(&mut self, cx: &mut ShardContext<'_, Self::Services>) -> Result<(), Close>;

    /// A commit log takes no more records, and what is not acknowledged never will be. Comes once;
    /// its readers are refused from then on.
    ///
    /// # Errors
    /// The reason to end the connection.
    fn handle_log_failed(&mut self, cx: &mut ShardContext<'_, Self::Services>)
    -> Result<(), Close>;

    /// The last word: push the will, release the directory entry, close readers. Only
    /// [`poll_transmit`](Self::poll_transmit) is called afterwards, for the reasons in which the
    /// peer listens, and what was awaited no longer comes.
    fn handle_closed(&mut self, why: Close, cx: &mut ShardContext<'_, Self::Services>);

    /// Next deadline; may move in either direction from call to call.
    fn poll_timeout(&self) -> Option<Timestamp>;

    /// Appends bytes for the peer, about one packet or frame per call. True if it appended
    /// something: it is then asked again.
    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool;

    /// False while nothing more may be taken from the peer (ring full, in-flight bound): the shard
    /// then leaves the peer's bytes in the socket. It looks again after every `handle_` call and at
    /// the end of turns.
    fn can_read(&self, services: &Self::Services) -> bool;
}

/// What the connections of one shard share: rings, directory, configuration. Lives on the shard's
/// thread.
pub trait Services: Sized + 'static {
    /// Driver of one connection.
    type Protocol: Protocol<Services = Self>;

    /// Makes the driver of a connection whose handshake is complete.
    fn open(&mut self, opening: &Opening<'_>, connection: ConnectionId) -> Self::Protocol;

    /// Makes the records of this turn visible to the executors. Called at least once per turn.
    fn publish(&mut self);

    /// How far a ring is durable. The executor rings the bell of the shard that owns the ring after
    /// it moves.
    fn committed(&self, shard: ShardId, executor: ExecutorId) -> Committed<RingPosition>;

    /// How far this shard's own ring is durable.
    fn committed_here(&self, _executor: ExecutorId) -> Committed<RingPosition> {
        Committed::default()
    }

    /// Tells an executor, for its measurements, that `messages` messages up to `upto` are published
    /// at `now`. Called before [`publish`](Self::publish).
    fn mark(&mut self, executor: ExecutorId, upto: RingPosition, now: Timestamp, messages: u64) {
        let _ = (executor, upto, now, messages);
    }

    /// When the oldest commit became durable that one of the shard's rings has not been asked about
    /// yet.
    fn take_durable_since(&mut self) -> Option<Timestamp> {
        None
    }

    /// True once a commit log has failed. Asked every turn.
    fn has_log_failed(&self) -> bool;

    /// Mail for a connection that has ended; a reader that was opened for it still has to be
    /// closed.
    fn handle_undeliverable(&mut self, mail: Mail);
}

/// The surroundings of one `handle_` call.
#[derive(Debug)]
pub struct ShardContext<'a, S> {
    /// Monotonic time of this call.
    pub now: Timestamp,
    /// Wall-clock time of this call.
    pub wall: UnixMillis,
    /// The connection that is called.
    pub connection: ConnectionId,
    /// What the shard's connections share.
    pub services: &'a mut S,
    pub(super) commits: &'a mut CommitQueue,
    pub(super) recorder: &'a mut Recorder,
}

impl<S> ShardContext<'_, S> {
    /// Asks for [`Protocol::handle_committed`] for `seat` of this connection once `ticket` is
    /// durable; it may belong to any shard's ring.
    pub fn await_commit(&mut self, ticket: Ticket, seat: SeatId) {
        self.commits.push(ticket, seat);
    }

    /// The next seat of this connection that a commit is news to, if its turn has come.
    pub(super) fn poll_committed(&mut self) -> Option<(SeatId, Committed<Ticket>)>
    where
        S: Services,
    {
        let Self { commits, services, connection, .. } = self;
        let committed = |shard, executor| services.committed(shard, executor);
        commits.poll_committed(Some(*connection), committed)
    }

    /// When a wall-clock time comes on the shard's monotonic clock, as far as the two agree now.
    pub fn deadline_at(&self, wall: UnixMillis) -> Timestamp {
        let left_ms = wall.as_millis().saturating_sub(self.wall.as_millis());
        self.now + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
    }

    /// What the shard counts.
    pub(super) fn counters(&self) -> &ShardCounters {
        &self.recorder.counters
    }

    /// Notes that a message is in the ring that `ticket` names.
    pub(super) fn note_accepted(&mut self, ticket: Ticket, record_bytes: usize) {
        self.recorder.accept(ticket, record_bytes, self.now);
    }

    /// Notes that a message to a device, which is durable since `stored`, stands in the output.
    pub(super) fn note_delivered(&mut self, stored: Instant) {
        self.recorder.deliver(stored, self.now);
    }

    /// Notes what is delivered to readers, where no context is at hand.
    pub(crate) fn delivery_recorder(&self) -> DeliveryRecorder {
        self.recorder.deliveries()
    }

    /// Does one part of the handling of a receive, timed if this receive is.
    pub(super) fn timed<R>(&mut self, part: Part, work: impl FnOnce() -> R) -> R {
        let started = self.recorder.start();
        let result = work();
        self.recorder.stop(part, started);
        result
    }
}
