//! The TLS handshake of one client, on buffers that belong to all.

use std::sync::Arc;

use ringhub_edge::tls::encode;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::ConnectionState;
use rustls::{ClientConfig, HandshakeKind};

use crate::records::Records;

/// What processing of received bytes has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsProgress {
    /// The handshake goes on.
    Handshaking,
    /// Plaintext may be written.
    Established,
    /// The server has sent `close_notify`.
    PeerClosed,
}

/// Client side of a TLS handshake; holds no buffer.
pub(crate) struct TlsClient {
    connection: UnbufferedClientConnection,
    takes_ticket: bool,
}

impl TlsClient {
    /// `takes_ticket` is whether the next connection may go on from a ticket of this one.
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        server: ServerName<'static>,
        takes_ticket: bool,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { connection: UnbufferedClientConnection::new(config, server)?, takes_ticket })
    }

    /// Decrypts `received` in place. Appends what is to be sent to `out` and what was said to
    /// `plaintext`; the number is how many bytes were used, the rest is the beginning of a record.
    pub(crate) fn process(
        &mut self,
        received: &mut [u8],
        out: &mut Vec<u8>,
        plaintext: &mut Vec<u8>,
    ) -> Result<(TlsProgress, usize), rustls::Error> {
        let mut consumed = 0;
        loop {
            let status = self.connection.process_tls_records(&mut received[consumed..]);
            let mut discard = status.discard;
            let progress = match status.state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plaintext.extend_from_slice(record.payload);
                    }
                    None
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(&mut data, out)?;
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    None
                }
                ConnectionState::BlockedHandshake => Some(TlsProgress::Handshaking),
                ConnectionState::WriteTraffic(_) => Some(TlsProgress::Established),
                _ => Some(TlsProgress::PeerClosed),
            };
            consumed += discard;
            if let Some(progress) = progress {
                return Ok((progress, consumed));
            }
        }
    }

    /// Goes on with the keys alone, once the session is established and all was sent.
    pub(crate) fn into_records(self) -> Result<Records, rustls::Error> {
        let Self { connection, takes_ticket } = self;
        let (secrets, rest) = connection.dangerous_into_kernel_connection()?;
        Records::new(secrets, takes_ticket.then_some(rest))
    }

    /// Whether a ticket made the handshake shorter.
    pub(crate) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}
