//! The record layer of one client, on buffers that belong to all.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, WriteTraffic,
};

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

/// Client side of one TLS connection; holds no buffer.
pub(crate) struct TlsClient {
    connection: UnbufferedClientConnection,
}

impl TlsClient {
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        server: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { connection: UnbufferedClientConnection::new(config, server)? })
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

    /// Appends `plaintext` to `out` as records.
    pub(crate) fn write(
        &mut self,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), rustls::Error> {
        self.with_traffic(out, |traffic, room| traffic.encrypt(plaintext, room))
    }

    /// Appends the alert that says that no more will come.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough over the lifetime of the traffic"
    )]
    pub(crate) fn write_close_notify(&mut self, out: &mut Vec<u8>) -> Result<(), rustls::Error> {
        self.with_traffic(out, |traffic, room| traffic.queue_close_notify(room))
    }

    fn with_traffic(
        &mut self,
        out: &mut Vec<u8>,
        mut write: impl FnMut(
            &mut WriteTraffic<'_, ClientConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<(), rustls::Error> {
        loop {
            match self.connection.process_tls_records(&mut []).state? {
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    return append(out, |room| {
                        write(&mut traffic, room).map_err(|error| match error {
                            EncryptError::InsufficientSize(size) => Room::Short(size),
                            EncryptError::EncryptExhausted => Room::Never,
                        })
                    });
                }
                _ => return Err(rustls::Error::HandshakeNotComplete),
            }
        }
    }
}

/// Why a write into a buffer did not come about.
enum Room {
    Short(InsufficientSizeError),
    Never,
}

fn encode(
    data: &mut EncodeTlsData<'_, ClientConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    append(out, |room| {
        data.encode(room).map_err(|error| match error {
            EncodeError::InsufficientSize(size) => Room::Short(size),
            EncodeError::AlreadyEncoded => Room::Never,
        })
    })
}

/// Lets `write` fill as much room at the end of `out` as it says that it needs.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Room>,
) -> Result<(), rustls::Error> {
    let start = out.len();
    loop {
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(Room::Short(size)) if size.required_size > out.len() - start => {
                out.resize(start + size.required_size, 0);
            }
            Err(_) => {
                out.truncate(start);
                return Err(rustls::Error::EncryptError);
            }
        }
    }
}
