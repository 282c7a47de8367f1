//! TLS client connection that reads much at a time, so that the client is not what is measured.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use bytes::{Buf, BytesMut};
use rustls::{ClientConnection, StreamOwned};

use super::harness::tls;
use super::hub::Hub;

const SOCKET_READ_BYTES: usize = 256 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// A blocking connection; received plaintext gathers in `input`.
pub(crate) struct Wire {
    tls: ClientConnection,
    socket: BufReader<TcpStream>,
    chunk: Box<[u8]>,
    pub(crate) input: BytesMut,
    /// Plaintext received in all.
    pub(crate) received: u64,
}

impl Wire {
    /// Connects to a port of the hub's address, with the hub's certificate behind it.
    pub(crate) fn connect(hub: &Hub, port: u16) -> io::Result<Self> {
        let StreamOwned { conn: mut tls, mut sock, .. } = tls::connect(hub, port)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut sock)?;
        }
        let socket = BufReader::with_capacity(SOCKET_READ_BYTES, sock);
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        Ok(Self { tls, socket, chunk, input: BytesMut::new(), received: 0 })
    }

    /// Sends all of `plaintext`.
    pub(crate) fn send(&mut self, plaintext: &[u8]) -> io::Result<()> {
        let mut rest = plaintext;
        while !rest.is_empty() {
            let taken = self.tls.writer().write(rest)?;
            rest.advance(taken);
            while self.tls.wants_write() {
                self.tls.write_tls(self.socket.get_mut())?;
            }
        }
        Ok(())
    }

    /// Waits for plaintext and appends it to the input.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        let before = self.received;
        while self.received == before {
            if self.tls.read_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
            self.take_plaintext()?;
        }
        Ok(())
    }

    fn take_plaintext(&mut self) -> io::Result<()> {
        loop {
            match self.tls.reader().read(&mut self.chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.input.extend_from_slice(&self.chunk[..read]);
                    self.received += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
