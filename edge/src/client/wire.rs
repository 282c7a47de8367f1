//! One blocking TLS connection on which a protocol machine runs.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::Result;
use super::error::ClientError;
use super::target::{Address, Target};

/// Longest time to connect, to shake hands, and to write.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The kernel takes zero as "for ever".
const WAIT_MIN: Duration = Duration::from_millis(1);

const CHUNK_BYTES: usize = 16 * 1024;

/// A connection whose received plaintext gathers in `input`.
pub(super) struct Wire {
    stream: StreamOwned<ClientConnection, TcpStream>,
    protocol: &'static str,
    pub(super) input: BytesMut,
    started: Instant,
}

impl Wire {
    /// Connects and completes the TLS handshake.
    pub(super) fn connect(
        target: &Target,
        address: &Address,
        protocol: &'static str,
    ) -> Result<Self> {
        let socket =
            dial(address).map_err(|source| unreachable(target, address, protocol, source))?;
        let name = ServerName::try_from(target.host_name.clone());
        let name = name.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let mut session = ClientConnection::new(target.tls()?, name).map_err(io::Error::other)?;
        let mut stream = &socket;
        while session.is_handshaking() {
            let result = session.complete_io(&mut stream);
            result.map_err(|error| handshake_error(error, target, address, protocol))?;
        }
        let stream = StreamOwned::new(session, socket);
        Ok(Self { stream, protocol, input: BytesMut::new(), started: Instant::now() })
    }

    /// Time since the connection was made: the clock of the machine.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sends all of `plaintext`.
    pub(super) fn send(&mut self, plaintext: &[u8]) -> Result<()> {
        let sent = self.stream.write_all(plaintext).and_then(|()| self.stream.flush());
        sent.map_err(|error| self.broken(error))
    }

    /// Waits for plaintext for `wait` at most; `false` when none came.
    pub(super) fn fill(&mut self, wait: Duration) -> Result<bool> {
        self.stream.sock.set_read_timeout(Some(wait.max(WAIT_MIN)))?;
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ClientError::Ended(self.protocol)),
            Ok(read) => {
                self.input.extend_from_slice(&chunk[..read]);
                Ok(true)
            }
            Err(error) if is_no_data(&error) => Ok(false),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, error: io::Error) -> ClientError {
        let ended = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        if ended.contains(&error.kind()) {
            ClientError::Ended(self.protocol)
        } else {
            ClientError::Io(error)
        }
    }
}

/// Whether nothing came in time, or a signal ended the wait.
fn is_no_data(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Connects to the first address that answers.
fn dial(address: &Address) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

pub(super) fn unreachable(
    target: &Target,
    address: &Address,
    protocol: &'static str,
    source: io::Error,
) -> ClientError {
    let origin = target.origin.clone();
    ClientError::Unreachable { address: address.to_string(), protocol, origin, source }
}

fn handshake_error(
    error: io::Error,
    target: &Target,
    address: &Address,
    protocol: &'static str,
) -> ClientError {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(of_tls) => ClientError::from_tls(of_tls, &target.host_name, &target.trust.name),
        None => unreachable(target, address, protocol, error),
    }
}
