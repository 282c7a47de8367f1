//! One client of the floor: every CONNECT is accepted, every PUBLISH acknowledged.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use ringhub_core::codec::mqtt::{Connack, Delivery, Packet, Pingresp, Puback, decode};
use ringhub_edge::shard::Socket;
use ringhub_edge::tls::{PlaintextSink, TlsSession};
use rustix::io::Errno;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use super::log::Log;

/// Bytes received at a time.
const RECEIVE_BYTES: usize = 16 * 1024;
/// Longest packet that is waited for: the largest that a hub takes, with room for its head.
const PACKET_BYTES_MAX: usize = 512 * 1024;

/// What all clients of a thread use in turn.
#[derive(Default)]
pub(super) struct Buffers {
    received: Vec<u8>,
    answers: BytesMut,
    out: Vec<u8>,
}

/// The connection is over.
struct Over;

/// What a client is to be told.
struct Answer {
    /// Records, as far as they were not sent already.
    unsent: Vec<u8>,
    /// Position in the log that they wait for.
    awaited: Option<u64>,
}

/// One client.
pub(super) struct Client {
    socket: Socket,
    tls: TlsSession,
    /// Where messages are kept before they are acknowledged.
    log: Option<Rc<Log>>,
    /// The beginning of a packet.
    partial: Vec<u8>,
}

impl Client {
    pub(super) fn new(
        socket: Socket,
        config: Arc<ServerConfig>,
        log: Option<Rc<Log>>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { socket, tls: TlsSession::new(config)?, log, partial: Vec::new() })
    }

    /// Answers until the connection is over.
    pub(super) async fn serve(&mut self, buffers: &RefCell<Buffers>) {
        while self.socket.readable().await.is_ok() {
            let Ok(answer) = self.handle(&mut buffers.borrow_mut()) else { return };
            if self.finish(answer).await.is_err() {
                return;
            }
        }
    }

    /// Reads what is there and answers it, if that waits for nothing.
    fn handle(&mut self, buffers: &mut Buffers) -> Result<Answer, Over> {
        let Buffers { received, answers, out } = buffers;
        let offset = self.tls.partial_len();
        received.resize(offset + RECEIVE_BYTES, 0);
        let size = match self.socket.receive(&mut received[offset..]) {
            Ok(0) => return Err(Over),
            Ok(size) => size,
            Err(Errno::AGAIN) => return Ok(Answer { unsent: Vec::new(), awaited: None }),
            Err(_) => return Err(Over),
        };
        let log = self.log.as_deref();
        let mut sink = Answering { partial: &mut self.partial, answers, log, awaited: None };
        let result = self.tls.read(&mut received[..offset + size], out, &mut sink);
        let awaited = sink.awaited;
        let written = match answers.is_empty() {
            true => Ok(()),
            false => self.tls.write(answers, out),
        };
        answers.clear();
        let waits = out.is_empty() || awaited.is_some();
        let sent = if waits { Ok(0) } else { self.socket.send(out) };
        let unsent = sent.map(|sent| out[sent..].to_vec());
        out.clear();
        match (result, written, unsent) {
            (Ok(()), Ok(()), Ok(unsent)) => Ok(Answer { unsent, awaited }),
            _ => Err(Over),
        }
    }

    /// Sends the rest of an answer once what it acknowledges is on disk.
    async fn finish(&self, answer: Answer) -> Result<(), Over> {
        if let (Some(log), Some(position)) = (&self.log, answer.awaited) {
            log.committed(position).await.map_err(|_| Over)?;
        }
        let mut unsent = &answer.unsent[..];
        while !unsent.is_empty() {
            let sent = self.socket.send(unsent).map_err(|_| Over)?;
            unsent = &unsent[sent..];
            if !unsent.is_empty() {
                self.socket.writable().await.map_err(|_| Over)?;
            }
        }
        Ok(())
    }
}

/// Answers packets as they come.
struct Answering<'c> {
    partial: &'c mut Vec<u8>,
    answers: &'c mut BytesMut,
    log: Option<&'c Log>,
    /// Position after the last message that went into the log.
    awaited: Option<u64>,
}

impl Answering<'_> {
    /// Answers all whole packets; gives how many bytes those were.
    fn answer(&mut self, bytes: &[u8]) -> Result<usize, Over> {
        let mut used = 0;
        while let Some((packet, size)) = decode(&bytes[used..]).map_err(|_| Over)? {
            let start = used;
            used += size;
            match packet {
                Packet::Connect(_) => {
                    Connack::Accepted { session_present: false }.encode(self.answers);
                }
                Packet::Pingreq(_) => Pingresp.encode(self.answers),
                Packet::Publish(publish) => {
                    if let Some(log) = self.log {
                        self.awaited = Some(log.append(&bytes[start..used]));
                    }
                    match publish.delivery {
                        Delivery::AtMostOnce => {}
                        Delivery::AtLeastOnce { id, .. } => Puback { id }.encode(self.answers),
                        Delivery::ExactlyOnce { .. } => return Err(Over),
                    }
                }
                _ => return Err(Over),
            }
        }
        Ok(used)
    }
}

impl PlaintextSink for Answering<'_> {
    type Error = Over;

    fn handle_established(&mut self, _: &[CertificateDer<'_>]) -> Result<(), Over> {
        Ok(())
    }

    fn handle_plaintext(&mut self, plaintext: &[u8]) -> Result<(), Over> {
        if self.partial.is_empty() {
            let used = self.answer(plaintext)?;
            *self.partial = plaintext[used..].to_vec();
        } else {
            let mut bytes = std::mem::take(self.partial);
            bytes.extend_from_slice(plaintext);
            let used = self.answer(&bytes)?;
            bytes.drain(..used);
            bytes.shrink_to_fit();
            *self.partial = bytes;
        }
        if self.partial.len() > PACKET_BYTES_MAX { Err(Over) } else { Ok(()) }
    }
}
