//! One connection: the transport, the protocol on it, and the plaintext that waits between them.

use std::task::Waker;

use ringhub_core::limits::{
    LINGER_TIME_MAX, OUTPUT_PAUSE_BYTES, PLAINTEXT_KEPT_BYTES_MAX, TRANSMIT_BYTES_PER_TURN,
};
use ringhub_core::meter::Counter;
use ringhub_core::time::Timestamp;
use rustls::pki_types::CertificateDer;

use super::protocol::{Close, Opening, Protocol, Services, ShardContext};
use super::recorder::Part;
use super::socket::Socket;
use super::transport::{Peer, Scratch, Transport};
use crate::listener::ListenerKind;
use crate::tls::PlaintextSink;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The end of the handshake, up to a deadline.
    ExpectHandshake { until: Timestamp },
    /// Anything.
    Open,
    /// The peer's end of stream, up to a deadline; the protocol is gone.
    ExpectEnd { until: Timestamp },
}

/// What is over for a connection whose deadline came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The protocol's own deadline.
    Protocol,
    /// The connection has to end.
    Close(Close),
    /// The peer did not close its side: cut it.
    Cut,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received(pub(super) usize);

/// Whether a session has more to send than one turn takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    All { sent: usize },
    More { sent: usize },
}

pub(super) struct Connection<P> {
    transport: Transport,
    protocol: Option<P>,
    /// Plaintext that the protocol has not taken.
    kept: Vec<u8>,
    state: State,
    /// The entry of the timer wheel that counts for this connection.
    pub(super) armed: Option<Timestamp>,
    /// The reading task, while it waits for [`Self::is_paused`] to end.
    pub(super) paused_reader: Option<Waker>,
    pub(super) is_dirty: bool,
    pub(super) has_writer: bool,
    /// Bytes that the shard's gauge has been told of.
    accounted: u32,
}

impl<P> Connection<P>
where
    P: Protocol,
    P::Services: Services<Protocol = P>,
{
    pub(super) fn new(transport: Transport, handshake_until: Timestamp) -> Self {
        Self {
            transport,
            protocol: None,
            kept: Vec::new(),
            state: State::ExpectHandshake { until: handshake_until },
            armed: None,
            paused_reader: None,
            is_dirty: false,
            has_writer: false,
            accounted: 0,
        }
    }

    pub(super) fn socket(&self) -> &Socket {
        self.transport.socket()
    }

    pub(super) fn protocol(&mut self) -> Option<&mut P> {
        self.protocol.as_mut()
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, State::ExpectEnd { .. })
    }

    /// The port that was dialled.
    pub(super) fn listener(&self) -> ListenerKind {
        self.transport.peer().listener
    }

    /// Brings `gauge` up to date about the bytes that wait here.
    pub(super) fn account(&mut self, gauge: &Counter) {
        let bytes = self.kept.capacity() + self.transport.buffered_bytes();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if bytes != self.accounted {
            gauge.sub(self.accounted.into());
            gauge.add(bytes.into());
            self.accounted = bytes;
        }
    }

    /// Bytes that the gauge has been told of.
    pub(super) fn accounted_bytes(&self) -> u64 {
        self.accounted.into()
    }

    pub(super) fn has_output(&self) -> bool {
        self.transport.output_len() > 0
    }

    /// True while the peer's bytes are to stay in the socket.
    pub(super) fn is_paused(&self, services: &P::Services) -> bool {
        if self.is_closing() {
            return false;
        }
        self.transport.output_len() > OUTPUT_PAUSE_BYTES
            || self.protocol.as_ref().is_some_and(|protocol| !protocol.can_read(services))
    }

    /// Reads once, decrypts, and lets the protocol have it.
    pub(super) fn receive(
        &mut self,
        scratch: &mut Scratch,
        cx: &mut ShardContext<'_, P::Services>,
    ) -> Result<Received, Close> {
        let Self { transport, protocol, kept, state, .. } = self;
        let received = cx.timed(Part::Listener, || transport.receive(scratch))?;
        if received == 0 {
            return Ok(Received(0));
        }
        let now = cx.now;
        let began = cx.recorder.start();
        let peer = transport.peer();
        let mut intake = Intake { protocol, kept, state, peer, cx };
        let result = transport.decrypt(received, scratch, &mut intake);
        cx.recorder.stop(Part::Tls, began);
        let sent = transport.send_answers(scratch, now);
        result.and(sent).map(|()| Received(received))
    }

    /// Takes what the peer still sends to a connection that is over.
    pub(super) fn discard(&self, scratch: &mut Scratch) -> Result<(), Close> {
        self.transport.discard(scratch)
    }

    /// Shows the protocol again what it had left, after a pause.
    pub(super) fn resume(&mut self, cx: &mut ShardContext<'_, P::Services>) -> Result<(), Close> {
        match self.protocol.as_mut() {
            Some(protocol) => feed_kept(protocol, &mut self.kept, cx),
            None => Ok(()),
        }
    }

    /// Encrypts and sends what the protocol has, within one turn's bound.
    pub(super) fn flush(
        &mut self,
        scratch: &mut Scratch,
        now: Timestamp,
    ) -> Result<Flushed, Close> {
        let Some(protocol) = self.protocol.as_mut() else { return Ok(Flushed::All { sent: 0 }) };
        if self.transport.is_full() {
            return Ok(Flushed::All { sent: 0 });
        }
        scratch.plain.clear();
        let mut has_more = true;
        while has_more && scratch.plain.len() < TRANSMIT_BYTES_PER_TURN {
            has_more = protocol.poll_transmit(&mut scratch.plain);
        }
        if scratch.plain.is_empty() {
            return Ok(Flushed::All { sent: 0 });
        }
        let sent = self.transport.transmit(scratch, now)?;
        Ok(if has_more { Flushed::More { sent } } else { Flushed::All { sent } })
    }

    /// The socket has room again: sends what waits.
    pub(super) fn send_output(&mut self, now: Timestamp) -> Result<usize, Close> {
        let sent = self.transport.send_output(now)?;
        if self.is_closing() && !self.has_output() {
            self.transport.end_output();
            self.state = State::ExpectEnd { until: now + LINGER_TIME_MAX };
        }
        Ok(sent)
    }

    /// Ends the protocol, says good-bye as far as `why` allows, and waits for the peer's end of
    /// stream.
    pub(super) fn begin_close(
        &mut self,
        why: Close,
        scratch: &mut Scratch,
        cx: &mut ShardContext<'_, P::Services>,
    ) {
        if self.is_closing() {
            return;
        }
        if let Some(protocol) = &mut self.protocol {
            protocol.handle_closed(why, cx);
        }
        let farewell = if why.is_orderly() { self.send_farewell(scratch, cx.now) } else { Ok(()) };
        self.protocol = None;
        self.kept = Vec::new();
        let until = cx.now + self.transport.output_time_max() + LINGER_TIME_MAX;
        self.state = State::ExpectEnd { until };
        // An alert may be on its way after broken TLS, everything else that is not orderly ends at
        // once.
        if farewell.is_err() || !(why.is_orderly() || why == Close::TlsFailed) {
            self.cut();
        } else if !self.has_output() {
            self.transport.end_output();
        }
        self.wake_reader();
    }

    fn send_farewell(&mut self, scratch: &mut Scratch, now: Timestamp) -> Result<(), Close> {
        while let Flushed::More { .. } = self.flush(scratch, now)? {}
        self.transport.say_goodbye(scratch, now)
    }

    /// Ends both directions; the tasks of the connection end.
    pub(super) fn cut(&mut self) {
        self.transport.cut();
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(reader) = self.paused_reader.take() {
            reader.wake();
        }
    }

    /// The first of all deadlines.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let own = match self.state {
            State::ExpectHandshake { until } | State::ExpectEnd { until } => Some(until),
            State::Open => None,
        };
        let protocol = self.protocol.as_ref().and_then(Protocol::poll_timeout);
        [own, protocol, self.transport.poll_timeout()].into_iter().flatten().min()
    }

    /// What is over at `now`, the gravest first.
    pub(super) fn overdue(&self, now: Timestamp) -> Option<Overdue> {
        match self.state {
            State::ExpectHandshake { until } if until <= now => {
                return Some(Overdue::Close(Close::HandshakeTimeout));
            }
            State::ExpectEnd { until } if until <= now => return Some(Overdue::Cut),
            _ => {}
        }
        if self.transport.poll_timeout().is_some_and(|until| until <= now) {
            return Some(Overdue::Close(Close::SlowReader));
        }
        let timeout = self.protocol.as_ref().and_then(Protocol::poll_timeout);
        timeout.is_some_and(|at| at <= now).then_some(Overdue::Protocol)
    }
}

/// Where plaintext goes: the parts of a connection beside its transport.
struct Intake<'a, 'b, P: Protocol> {
    protocol: &'a mut Option<P>,
    kept: &'a mut Vec<u8>,
    state: &'a mut State,
    peer: Peer,
    cx: &'a mut ShardContext<'b, P::Services>,
}

impl<P> PlaintextSink for Intake<'_, '_, P>
where
    P: Protocol,
    P::Services: Services<Protocol = P>,
{
    type Error = Close;

    fn handle_established(&mut self, certificates: &[CertificateDer<'_>]) -> Result<(), Close> {
        let Peer { listener, address } = self.peer;
        let opening = Opening { listener, now: self.cx.now, peer: address, certificates };
        *self.protocol = Some(self.cx.services.open(&opening, self.cx.connection));
        *self.state = State::Open;
        Ok(())
    }

    fn handle_plaintext(&mut self, plaintext: &[u8]) -> Result<(), Close> {
        let Some(protocol) = self.protocol.as_mut() else { return Ok(()) };
        if !self.kept.is_empty() {
            self.kept.extend_from_slice(plaintext);
            feed_kept(protocol, self.kept, self.cx)?;
        } else {
            let used = feed(protocol, plaintext, self.cx)?;
            self.kept.extend_from_slice(&plaintext[used..]);
        }
        if self.kept.len() > PLAINTEXT_KEPT_BYTES_MAX {
            return Err(Close::Violation("a packet is longer than permitted"));
        }
        Ok(())
    }
}

fn feed<P: Protocol>(
    protocol: &mut P,
    input: &[u8],
    cx: &mut ShardContext<'_, P::Services>,
) -> Result<usize, Close> {
    if input.is_empty() || !protocol.can_read(cx.services) {
        return Ok(0);
    }
    let began = cx.recorder.start();
    let used = protocol.handle_bytes(input, cx);
    cx.recorder.stop(Part::Protocol, began);
    let used = used?;
    assert!(used <= input.len(), "a driver took {used} of {} bytes", input.len());
    Ok(used)
}

fn feed_kept<P: Protocol>(
    protocol: &mut P,
    kept: &mut Vec<u8>,
    cx: &mut ShardContext<'_, P::Services>,
) -> Result<(), Close> {
    let used = feed(protocol, kept, cx)?;
    if used == kept.len() {
        *kept = Vec::new();
    } else {
        kept.drain(..used);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringhub_core::id::{ConnectionId, ExecutorId, SeatId, ShardId};
    use ringhub_core::position::{Committed, RingPosition};

    use super::super::mailbox::Mail;
    use super::*;
    use crate::partition::Ticket;
    use crate::tls::TlsSession;

    /// What an idle connection costs beside rustls's own allocations and its task.
    #[test]
    fn an_idle_connection_is_small() {
        let tls = size_of::<TlsSession>();
        let around = size_of::<Connection<NoProtocol>>() - tls;
        println!("TlsSession {tls} B, around it {around} B, Peer {} B", size_of::<Peer>());
        assert!(tls <= 1536, "TlsSession has {tls} bytes");
        assert!(around <= 256, "Connection has {around} bytes around its TLS session");
    }

    struct NoProtocol;
    struct NoServices;

    impl Services for NoServices {
        type Protocol = NoProtocol;

        fn open(&mut self, _: &Opening<'_>, _: ConnectionId) -> NoProtocol {
            NoProtocol
        }

        fn publish(&mut self) {}

        fn committed(&self, _: ShardId, _: ExecutorId) -> Committed<RingPosition> {
            Committed::default()
        }

        fn has_log_failed(&self) -> bool {
            false
        }

        fn handle_undeliverable(&mut self, _: Mail) {}
    }

    type Context<'a> = ShardContext<'a, NoServices>;

    impl Protocol for NoProtocol {
        type Services = NoServices;

        fn handle_bytes(&mut self, input: &[u8], _: &mut Context<'_>) -> Result<usize, Close> {
            Ok(input.len())
        }

        fn handle_committed(
            &mut self,
            _: SeatId,
            _: Committed<Ticket>,
            _: &mut Context<'_>,
        ) -> Result<(), Close> {
            Ok(())
        }

        fn handle_mail(&mut self, _: Mail, _: &mut Context<'_>) -> Result<(), Close> {
            Ok(())
        }

        fn handle_timeout(&mut self, _: &mut Context<'_>) -> Result<(), Close> {
            Ok(())
        }

        fn handle_log_failed(&mut self, _: &mut ShardContext<'_, NoServices>) -> Result<(), Close> {
            Ok(())
        }

        fn handle_closed(&mut self, _: Close, _: &mut Context<'_>) {}

        fn poll_timeout(&self) -> Option<Timestamp> {
            None
        }

        fn poll_transmit(&mut self, _: &mut BytesMut) -> bool {
            false
        }

        fn can_read(&self, _: &NoServices) -> bool {
            true
        }
    }
}
