//! The record layer of one connection, on buffers that belong to the shard.

use std::sync::Arc;

use ringhub_core::limits::TLS_PARTIAL_BYTES_MAX;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeTlsData, EncryptError, WriteTraffic};

/// Room that is tried first for the record headers and tags of one write.
const RECORD_OVERHEAD_GUESS: usize = 64;

/// Takes what a [`TlsSession`] finds in received records.
pub trait PlaintextSink {
    /// Why the sink wants no more.
    type Error;

    /// The handshake is complete; called once, before any plaintext. `certificates` is the client's
    /// chain, leaf first, empty if it sent none, with proof of possession and nothing else checked.
    ///
    /// # Errors
    /// Of the sink: the session is over.
    fn handle_established(
        &mut self,
        certificates: &[CertificateDer<'_>],
    ) -> Result<(), Self::Error>;

    /// Plaintext, in order, in pieces of at most one record.
    ///
    /// # Errors
    /// Of the sink: the session is over.
    fn handle_plaintext(&mut self, plaintext: &[u8]) -> Result<(), Self::Error>;
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault<E> {
    /// The peer broke TLS; the alert is among the bytes to send.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    /// An incomplete record or handshake message is longer than the bound.
    #[error("an incomplete TLS message is longer than permitted")]
    PartialTooLong,
    /// The peer sent `close_notify`.
    #[error("the peer closed")]
    PeerClosed,
    /// The sink refused.
    #[error("refused by the protocol")]
    Sink(E),
}

impl<E> From<rustls::Error> for TlsFault<E> {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

/// Server side of one TLS connection.
///
/// Holds keys and handshake state. It keeps received bytes only while a record or handshake message
/// is incomplete, so an idle connection has no buffer.
pub struct TlsSession {
    connection: UnbufferedServerConnection,
    partial: Vec<u8>,
    is_established: bool,
}

impl TlsSession {
    /// Waits for a client.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self { connection, partial: Vec::new(), is_established: false })
    }

    /// True once the handshake is complete and [`write`](Self::write) may be called.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.is_established
    }

    /// Bytes of an incomplete message that the caller must leave free at the front of its receive
    /// buffer.
    #[must_use]
    pub fn partial_len(&self) -> usize {
        self.partial.len()
    }

    /// Processes received bytes in place: handshake answers and alerts are appended to `out`,
    /// plaintext goes to `sink`.
    ///
    /// `buffer` begins with [`partial_len`](Self::partial_len) free bytes, the new ones follow.
    /// Nothing of it is used after the return.
    ///
    /// # Errors
    /// [`TlsFault`]: send `out`, then end the connection.
    pub fn read<S: PlaintextSink>(
        &mut self,
        buffer: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut S,
    ) -> Result<(), TlsFault<S::Error>> {
        let partial = std::mem::take(&mut self.partial);
        buffer[..partial.len()].copy_from_slice(&partial);
        let consumed = self.process(buffer, out, sink)?;
        let rest = &buffer[consumed..];
        if rest.len() > TLS_PARTIAL_BYTES_MAX {
            return Err(TlsFault::PartialTooLong);
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    fn process<S: PlaintextSink>(
        &mut self,
        buffer: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut S,
    ) -> Result<usize, TlsFault<S::Error>> {
        let mut consumed = 0;
        loop {
            // Data that came in one segment with the end of the handshake: the sink hears of the
            // handshake first.
            let mut early = Vec::new();
            let status = self.connection.process_tls_records(&mut buffer[consumed..]);
            let mut discard = status.discard;
            let mut is_blocked = false;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        if self.is_established {
                            sink.handle_plaintext(record.payload).map_err(TlsFault::Sink)?;
                        } else {
                            early.extend_from_slice(record.payload);
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    is_blocked = true;
                }
                Ok(ConnectionState::PeerClosed) => return Err(TlsFault::PeerClosed),
                Ok(state) => {
                    debug_assert!(false, "state {state:?} without early data or a second close");
                    return Err(TlsFault::PeerClosed);
                }
                Err(error) => {
                    self.encode_alert(&mut buffer[consumed + discard..], out);
                    return Err(error.into());
                }
            }
            consumed += discard;
            self.announce(&early, sink)?;
            if is_blocked {
                return Ok(consumed);
            }
        }
    }

    fn announce<S: PlaintextSink>(
        &mut self,
        early: &[u8],
        sink: &mut S,
    ) -> Result<(), TlsFault<S::Error>> {
        if self.is_established || self.connection.is_handshaking() {
            return Ok(());
        }
        self.is_established = true;
        let certificates = self.connection.peer_certificates().unwrap_or_default();
        sink.handle_established(certificates).map_err(TlsFault::Sink)?;
        if early.is_empty() {
            return Ok(());
        }
        sink.handle_plaintext(early).map_err(TlsFault::Sink)
    }

    /// Appends the alert that an error left behind; the session is over.
    ///
    /// Only while something is queued: rustls would otherwise look at the offending bytes again,
    /// and it panics when they make it send a second alert.
    fn encode_alert(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(rest);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { return };
            if encode(&mut data, out).is_err() {
                return;
            }
        }
    }

    /// Appends `plaintext` to `out` as records of at most 16 KiB each.
    ///
    /// # Errors
    /// When the keys are used up or the session has failed: end the connection.
    pub fn write(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), rustls::Error> {
        self.with_traffic(out, plaintext.len(), |traffic, room| traffic.encrypt(plaintext, room))
    }

    /// Appends the alert that says that no more will come.
    ///
    /// # Errors
    /// When the session has failed.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough over the lifetime of the traffic"
    )]
    pub fn write_close_notify(&mut self, out: &mut Vec<u8>) -> Result<(), rustls::Error> {
        self.with_traffic(out, 0, |traffic, room| traffic.queue_close_notify(room))
    }

    fn with_traffic(
        &mut self,
        out: &mut Vec<u8>,
        plaintext_len: usize,
        mut write: impl FnMut(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<(), rustls::Error> {
        loop {
            // The incomplete message is shown again because rustls remembers how far it had looked
            // into it.
            match self.connection.process_tls_records(&mut self.partial).state? {
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    return append(out, plaintext_len + RECORD_OVERHEAD_GUESS, |room| {
                        write(&mut traffic, room)
                    });
                }
                _ => return Err(rustls::Error::HandshakeNotComplete),
            }
        }
    }
}

/// Appends a handshake message of either side to `out`.
///
/// # Errors
/// When rustls contradicts itself about the room that it needs.
pub fn encode<Side>(
    data: &mut EncodeTlsData<'_, Side>,
    out: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    use rustls::unbuffered::EncodeError;
    append(out, 0, |room| {
        data.encode(room).map_err(|error| match error {
            EncodeError::InsufficientSize(size) => EncryptError::InsufficientSize(size),
            EncodeError::AlreadyEncoded => EncryptError::EncryptExhausted,
        })
    })
}

/// Lets `write` fill room at the end of `out`, first `guess` bytes, then what it says it needs.
fn append(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), rustls::Error> {
    let start = out.len();
    let mut room = guess;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
            }
            Err(_) => {
                out.truncate(start);
                return Err(rustls::Error::EncryptError);
            }
        }
    }
}
