//! What carries the bytes of a connection: a socket, and TLS on it.
//!
//! Knows nothing of protocols: plaintext goes to a sink and comes from the caller, so that whatever
//! else carries a stream of bytes can stand in its place.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use ringhub_core::limits::{OUTPUT_BYTES_MAX, READ_BYTES_PER_TURN, TLS_PARTIAL_BYTES_MAX};
use ringhub_core::time::Timestamp;
use rustix::io::Errno;
use rustix::net::Shutdown;
use tracing::{debug, info};

use super::protocol::Close;
use super::socket::Socket;
use crate::listener::ListenerKind;
use crate::tls::{HandshakeRefusal, PlaintextSink, TlsFault, TlsSession};

/// Buffers of the shard that every connection uses in its turn.
#[derive(Debug)]
pub(super) struct Scratch {
    read: Box<[u8]>,
    /// Plaintext on its way out.
    pub(super) plain: BytesMut,
    cipher: Vec<u8>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let read = vec![0; TLS_PARTIAL_BYTES_MAX + READ_BYTES_PER_TURN].into_boxed_slice();
        Self { read, plain: BytesMut::new(), cipher: Vec::new() }
    }

    /// Bytes of the buffers.
    pub(super) fn memory(&self) -> usize {
        self.read.len() + self.plain.capacity() + self.cipher.capacity()
    }
}

/// The other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) listener: ListenerKind,
    pub(super) address: SocketAddr,
}

/// One stream of bytes to a peer.
pub(super) struct Transport {
    socket: Socket,
    tls: TlsSession,
    /// TLS records that the socket has not taken.
    output: Vec<u8>,
    write_stall: Duration,
    write_until: Option<Timestamp>,
    peer: Peer,
}

impl Transport {
    /// The peer may leave its bytes untaken for `write_stall`.
    pub(super) fn new(socket: Socket, tls: TlsSession, peer: Peer, write_stall: Duration) -> Self {
        Self { socket, tls, output: Vec::new(), write_stall, write_until: None, peer }
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// Bytes that wait for the socket.
    pub(super) fn output_len(&self) -> usize {
        self.output.len()
    }

    /// True while no more is to be encrypted.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES_MAX
    }

    /// Memory of the bytes that wait in either direction.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.output.capacity() + self.tls.partial_len()
    }

    /// Reads once; 0 means that nothing is there. [`decrypt`](Self::decrypt) comes next.
    pub(super) fn receive(&self, scratch: &mut Scratch) -> Result<usize, Close> {
        let partial = self.tls.partial_len();
        match self.socket.receive(&mut scratch.read[partial..partial + READ_BYTES_PER_TURN]) {
            Ok(0) => Err(Close::PeerClosed),
            Ok(received) => Ok(received),
            Err(Errno::AGAIN) => Ok(0),
            Err(_) => Err(Close::SocketFailed),
        }
    }

    /// Hands the plaintext of the `received` bytes to `sink`.
    /// [`send_answers`](Self::send_answers) is owed, also after an error.
    pub(super) fn decrypt<S: PlaintextSink<Error = Close>>(
        &mut self,
        received: usize,
        scratch: &mut Scratch,
        sink: &mut S,
    ) -> Result<(), Close> {
        scratch.cipher.clear();
        let end = self.tls.partial_len() + received;
        let result = self.tls.read(&mut scratch.read[..end], &mut scratch.cipher, sink);
        result.map_err(|fault| match fault {
            TlsFault::Sink(close) => close,
            TlsFault::PeerClosed => Close::PeerClosed,
            TlsFault::Tls(error) => {
                self.log_refusal(&error);
                Close::TlsFailed
            }
            TlsFault::PartialTooLong => Close::TlsFailed,
        })
    }

    /// Sends handshake messages, or the alert that tells the peer what was wrong.
    pub(super) fn send_answers(&mut self, scratch: &Scratch, now: Timestamp) -> Result<(), Close> {
        self.send(&scratch.cipher, now).map(drop)
    }

    /// A client that offers what the hub does not have will come again and again: its owner has to
    /// be told. What else breaks a handshake is for those who look for it.
    fn log_refusal(&self, error: &rustls::Error) {
        let Peer { listener, address } = self.peer;
        match HandshakeRefusal::of(error) {
            Some(reason) => info!(?listener, peer = %address, %reason, "TLS handshake refused"),
            None => debug!(?listener, peer = %address, reason = %error, "TLS ended"),
        }
    }

    /// Takes what the peer still sends to a connection that is over.
    pub(super) fn discard(&self, scratch: &mut Scratch) -> Result<(), Close> {
        match self.socket.receive(&mut scratch.read) {
            Ok(0) => Err(Close::PeerClosed),
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(_) => Err(Close::SocketFailed),
        }
    }

    /// Encrypts and sends what stands in [`Scratch::plain`]; returns how many bytes the socket took
    /// of it.
    pub(super) fn transmit(
        &mut self,
        scratch: &mut Scratch,
        now: Timestamp,
    ) -> Result<usize, Close> {
        scratch.cipher.clear();
        self.tls.write(&scratch.plain, &mut scratch.cipher).map_err(|_| Close::TlsFailed)?;
        self.send(&scratch.cipher, now)
    }

    /// Sends `records` behind what waits already; keeps what the socket does not take.
    fn send(&mut self, records: &[u8], now: Timestamp) -> Result<usize, Close> {
        if records.is_empty() {
            return Ok(0);
        }
        let sent = if self.output.is_empty() {
            self.socket.send(records).map_err(|_| Close::SocketFailed)?
        } else {
            0
        };
        if sent < records.len() {
            self.output.extend_from_slice(&records[sent..]);
            self.write_until.get_or_insert(now + self.write_stall);
        }
        Ok(sent)
    }

    /// The socket has room again: sends what waits.
    pub(super) fn send_output(&mut self, now: Timestamp) -> Result<usize, Close> {
        let sent = self.socket.send(&self.output).map_err(|_| Close::SocketFailed)?;
        self.output.drain(..sent);
        if self.output.is_empty() {
            self.output = Vec::new();
            self.write_until = None;
        } else if sent > 0 {
            self.write_until = Some(now + self.write_stall);
        }
        Ok(sent)
    }

    /// Tells the peer that nothing more comes.
    pub(super) fn say_goodbye(
        &mut self,
        scratch: &mut Scratch,
        now: Timestamp,
    ) -> Result<(), Close> {
        if !self.tls.is_established() {
            return Ok(());
        }
        scratch.cipher.clear();
        self.tls.write_close_notify(&mut scratch.cipher).map_err(|_| Close::TlsFailed)?;
        self.send(&scratch.cipher, now).map(drop)
    }

    /// Ends the stream to the peer, whose own may still come.
    pub(super) fn end_output(&self) {
        self.socket.shutdown(Shutdown::Write);
    }

    /// Ends both directions; the tasks of the connection end.
    pub(super) fn cut(&mut self) {
        self.output = Vec::new();
        self.write_until = None;
        self.socket.shutdown(Shutdown::Both);
    }

    /// How long the peer may take for what waits.
    pub(super) fn output_time_max(&self) -> Duration {
        if self.output.is_empty() { Duration::ZERO } else { self.write_stall }
    }

    /// When the peer has left its bytes untaken for too long.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.write_until
    }
}
