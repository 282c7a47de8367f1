//! A connection to the Event-Hubs-compatible endpoint: socket, TLS and core's AMQP machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use monoio::time::timeout;
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, LinkId, SessionId,
};
use ringhub_core::time::Timestamp;
use ringhub_edge::shard::Socket;
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::fault::Fault;
use super::plan::Plan;
use crate::records::Records;
use crate::tls::{TlsClient, TlsProgress};

/// Bytes received at a time, with the beginning of a record that was left over.
const RECEIVE_BYTES: usize = 256 * 1024;
/// Transfers that the hub may send before it must hear of the window again.
const SESSION_WINDOW: u32 = 65_536;

/// A connection with one session. Its buffers stay, so that reading allocates nothing.
pub(super) struct BackEnd {
    socket: Socket,
    records: Records,
    machine: AmqpConnection,
    session: Option<SessionId>,
    policy: String,
    started: Instant,
    received: Received,
    plaintext: Vec<u8>,
    frames: BytesMut,
    out: Vec<u8>,
}

/// What was received and not decrypted yet.
struct Received {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Received {
    fn drop_front(&mut self, used: usize) {
        self.bytes.copy_within(used..self.filled, 0);
        self.filled -= used;
    }
}

impl BackEnd {
    /// Connects, logs in and begins a session.
    pub(super) async fn connect(plan: &Plan) -> Result<Self, Fault> {
        let connecting = timeout(plan.timeout, Socket::connect(None, plan.target)).await;
        let socket = connecting.map_err(|_| Fault::Tcp(std::io::ErrorKind::TimedOut))?;
        let socket = socket.map_err(|error| Fault::Tcp(error.kind()))?;
        let bytes = vec![0; RECEIVE_BYTES].into_boxed_slice();
        let mut received = Received { bytes, filled: 0 };
        let records = shake_hands(plan, &socket, &mut received).await?;
        let config = AmqpConfig {
            container_id: "ringhub-loadgen".into(),
            hostname: Some(plan.host.as_str().into()),
            session_window: SESSION_WINDOW,
            ..AmqpConfig::default()
        };
        let sasl = ClientSasl::Plain { user: &plan.user, password: &plan.token };
        let machine = AmqpConnection::client(Arc::new(config), sasl, Timestamp::ZERO);
        let mut back_end = Self {
            socket,
            records,
            machine,
            session: None,
            policy: plan.policy.clone(),
            started: Instant::now(),
            received,
            plaintext: Vec::new(),
            frames: BytesMut::new(),
            out: Vec::new(),
        };
        back_end.begin(plan.timeout).await.map_err(|fault| match fault {
            Fault::Lost => Fault::Protocol("the connection ended before the login".to_owned()),
            fault => fault,
        })?;
        Ok(back_end)
    }

    async fn begin(&mut self, patience: Duration) -> Result<(), Fault> {
        let mut begun = None;
        while begun.is_none() {
            self.turn(patience, |machine, event| {
                match event {
                    AmqpEvent::Opened { .. } => drop(machine.begin_session()),
                    AmqpEvent::SessionBegun(session) => begun = Some(session),
                    AmqpEvent::Closed(error) => return Err(Fault::of_end(error)),
                    _ => {}
                }
                Ok(())
            })
            .await?;
        }
        self.session = begun;
        Ok(())
    }

    /// Lets `ask` ask the machine for a link.
    pub(super) fn attach(
        &mut self,
        ask: impl FnOnce(&mut AmqpConnection, SessionId) -> Option<LinkId>,
    ) -> Result<LinkId, Fault> {
        let session = self.session.ok_or(Fault::Lost)?;
        ask(&mut self.machine, session).ok_or(Fault::Lost)
    }

    /// For what needs no link.
    pub(super) fn machine(&mut self) -> &mut AmqpConnection {
        &mut self.machine
    }

    /// Sends what there is, waits for bytes, and has `handle` look at what they mean; nothing at
    /// all in `patience` is a fault.
    pub(super) async fn turn(
        &mut self,
        patience: Duration,
        handle: impl FnMut(&mut AmqpConnection, AmqpEvent<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.flush().await?;
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !self.wait(left).await? {
                return Err(Fault::Silent);
            }
            if self.receive()?.is_some() {
                return self.handle_received(handle);
            }
        }
    }

    /// Waits until there is something to receive; `false` when the time is over.
    pub(super) async fn wait(&mut self, time: Duration) -> Result<bool, Fault> {
        match timeout(time, self.socket.readable()).await {
            Ok(ready) => ready.map(|()| true).map_err(|error| Fault::Tcp(error.kind())),
            Err(_) => Ok(false),
        }
    }

    /// Receives what is there; `None` when that is nothing, else whether it was all.
    pub(super) fn receive(&mut self) -> Result<Option<bool>, Fault> {
        receive(&self.socket, &mut self.received)
    }

    /// Decrypts what was received and has `handle` look at each event.
    pub(super) fn handle_received(
        &mut self,
        mut handle: impl FnMut(&mut AmqpConnection, AmqpEvent<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Received { bytes, filled } = &mut self.received;
        let decrypted = self.records.read(&mut bytes[..*filled], &mut self.plaintext);
        let (progress, used) = decrypted.map_err(Fault::Tls)?;
        self.received.drop_front(used);
        let now = self.now();
        let mut used = 0;
        loop {
            let step = self.machine.handle_bytes(&self.plaintext[used..], now);
            let (taken, event) = step.map_err(|error| Fault::of_session(&error, &self.policy))?;
            used += taken;
            match event {
                Some(event) => handle(&mut self.machine, event)?,
                None if taken == 0 => break,
                None => {}
            }
        }
        self.plaintext.drain(..used);
        if progress == TlsProgress::PeerClosed { Err(Fault::Lost) } else { Ok(()) }
    }

    /// Lets the machine see the clock: heartbeats, and a hub that is silent.
    pub(super) fn handle_timeout(&mut self) -> Result<(), Fault> {
        let now = self.now();
        let result = self.machine.handle_timeout(now);
        result.map_err(|error| Fault::of_session(&error, &self.policy))
    }

    /// Sends what the machine has to say.
    pub(super) async fn flush(&mut self) -> Result<(), Fault> {
        while self.machine.poll_transmit(&mut self.frames) {}
        if self.frames.is_empty() {
            return Ok(());
        }
        self.records.write(&self.frames, &mut self.out).map_err(Fault::Tls)?;
        self.frames.clear();
        send(&self.socket, &mut self.out).await
    }

    /// Says goodbye. Nothing depends on whether it arrives.
    pub(super) async fn close(mut self) {
        self.machine.close(None);
        if self.flush().await.is_ok() && self.records.write_close_notify(&mut self.out).is_ok() {
            let _ = send(&self.socket, &mut self.out).await;
        }
        self.socket.shutdown(Shutdown::Both);
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.started.elapsed()
    }
}

async fn shake_hands(
    plan: &Plan,
    socket: &Socket,
    received: &mut Received,
) -> Result<Records, Fault> {
    let tls = TlsClient::new(Arc::clone(&plan.tls), plan.server.clone(), false);
    let mut tls = tls.map_err(Fault::Tls)?;
    let (mut out, mut plaintext) = (Vec::new(), Vec::new());
    loop {
        let bytes = &mut received.bytes[..received.filled];
        let processed = tls.process(bytes, &mut out, &mut plaintext);
        let (progress, used) = processed.map_err(Fault::Tls)?;
        received.drop_front(used);
        send(socket, &mut out).await?;
        match progress {
            TlsProgress::Established => return tls.into_records().map_err(Fault::Tls),
            TlsProgress::PeerClosed => return Err(Fault::Lost),
            TlsProgress::Handshaking => {}
        }
        let ready = timeout(plan.timeout, socket.readable()).await.map_err(|_| Fault::Silent)?;
        ready.map_err(|error| Fault::Tcp(error.kind()))?;
        receive(socket, received)?;
    }
}

fn receive(socket: &Socket, received: &mut Received) -> Result<Option<bool>, Fault> {
    let room = received.bytes.len() - received.filled;
    match socket.receive(&mut received.bytes[received.filled..]) {
        Ok(0) => Err(Fault::Lost),
        Ok(count) => {
            received.filled += count;
            Ok(Some(count < room))
        }
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(Fault::of_errno(error)),
    }
}

/// Sends all, and waits where the socket takes no more for now.
async fn send(socket: &Socket, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut sent = 0;
    while sent < out.len() {
        match socket.send(&out[sent..]).map_err(Fault::of_errno)? {
            0 => socket.writable().await.map_err(|error| Fault::Tcp(error.kind()))?,
            taken => sent += taken,
        }
    }
    out.clear();
    Ok(())
}
