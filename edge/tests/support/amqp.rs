//! A blocking AMQP client: core's machine in its other role, over a TLS stream.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use ringhub_core::codec::amqp::performative::{
    AmqpError, Attach, DeliveryState, Role, SELECTOR_FILTER, Source, Target,
};
use ringhub_core::codec::amqp::primitive::{Map, write_long, write_str, write_symbol};
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, DeliveryId, LinkId, SessionId,
};
use ringhub_core::time::Timestamp;

use super::address::AMQP_PORT;
use super::hub::Hub;
use super::tls::{self, TlsStream};

/// What the hub did, without borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Opened,
    Begun(SessionId),
    Attached(LinkId),
    /// A refusal comes as this too; `info` holds the texts of the info map.
    Detached {
        link: LinkId,
        condition: String,
        text: Option<String>,
        info: Vec<(String, String)>,
    },
    Message(Vec<u8>),
    /// As `Message`, where an outcome is wanted.
    Delivered(DeliveryId, Vec<u8>),
    Credit(LinkId),
    /// The outcome of a delivery: empty if it was accepted, else the condition and its text.
    Settled(DeliveryId, Vec<String>),
    Drained,
    Closed(Option<String>),
}

/// A connected client with one session.
pub(crate) struct AmqpClient {
    session: SessionId,
    wire: Wire,
}

impl AmqpClient {
    /// Connects, authenticates and begins a session whose window takes `window` frames.
    pub(crate) fn connect(hub: &Hub, sasl: ClientSasl<'_>, window: u32) -> io::Result<Self> {
        Self::connect_over(tls::connect(hub, AMQP_PORT)?, sasl, window)
    }

    /// As above on a stream of the test's own.
    pub(crate) fn connect_over(
        stream: TlsStream,
        sasl: ClientSasl<'_>,
        window: u32,
    ) -> io::Result<Self> {
        Self::connect_to_host(stream, sasl, window, None)
    }

    /// As above, with a host name in `open`.
    pub(crate) fn connect_to_host(
        stream: TlsStream,
        sasl: ClientSasl<'_>,
        window: u32,
        host_name: Option<&str>,
    ) -> io::Result<Self> {
        let hostname = host_name.map(Into::into);
        let config = AmqpConfig { session_window: window, hostname, ..AmqpConfig::default() };
        let started = Instant::now();
        let machine = AmqpConnection::client(Arc::new(config), sasl, Timestamp::ZERO);
        let input = BytesMut::new();
        let mut wire = Wire { machine, stream, input, started };
        expect(wire.next()?, &Fact::Opened)?;
        let session = wire.machine.begin_session().ok_or(ErrorKind::NotConnected)?;
        expect(wire.next()?, &Fact::Begun(session))?;
        Ok(Self { session, wire })
    }

    /// Asks for a link to receive on.
    pub(crate) fn receive_from(&mut self, address: &str, selector: Option<&str>) -> LinkId {
        let mut pairs = BytesMut::new();
        if let Some(selector) = selector {
            write_symbol(&mut pairs, SELECTOR_FILTER);
            write_str(&mut pairs, selector);
        }
        let filter = selector.map(|_| Map::from_encoded(2, &pairs).expect("one pair"));
        let source = Source { filter, ..Source::new(address) };
        let link = self.wire.machine.attach_receiver(self.session, address, source);
        link.expect("the session takes another link")
    }

    /// Asks for a link to receive on as the owner of a partition, with its level.
    pub(crate) fn receive_as_owner(&mut self, address: &str, level: i64) -> LinkId {
        let mut pairs = BytesMut::new();
        write_symbol(&mut pairs, "com.microsoft:epoch");
        write_long(&mut pairs, level);
        let properties = Map::from_encoded(2, &pairs).ok();
        let attach = Attach {
            properties,
            ..Attach::plain(address, Role::Receiver, Source::new(address), Target::new(address))
        };
        let link = self.wire.machine.attach(self.session, &attach);
        link.expect("the session takes another link")
    }

    /// Ends every read that waits longer than this with an error.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.wire.stream.sock.set_read_timeout(Some(patience))
    }

    /// Asks for a link to send on.
    pub(crate) fn send_to(&mut self, address: &str) -> LinkId {
        let link = self.wire.machine.attach_sender(self.session, address, address);
        link.expect("the session takes another link")
    }

    /// Sends what the machine has without waiting for anything.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }

    /// Sends what the machine has, and frames behind it that the machine does not know of.
    pub(crate) fn send_frames(&mut self, frames: &[u8]) -> io::Result<()> {
        self.wire.flush()?;
        self.wire.stream.write_all(frames)?;
        self.wire.stream.flush()
    }

    /// Sends what the machine has and waits for the next fact.
    pub(crate) fn next(&mut self) -> io::Result<Fact> {
        self.wire.next()
    }

    /// The machine, for commands; [`next`](Self::next) sends what they make.
    pub(crate) fn machine(&mut self) -> &mut AmqpConnection {
        &mut self.wire.machine
    }
}

fn expect(found: Fact, expected: &Fact) -> io::Result<()> {
    if found == *expected { Ok(()) } else { Err(io::Error::other(format!("{found:?}"))) }
}

/// A machine on its stream.
struct Wire {
    machine: AmqpConnection,
    stream: TlsStream,
    input: BytesMut,
    started: Instant,
}

impl Wire {
    fn next(&mut self) -> io::Result<Fact> {
        loop {
            let now = Timestamp::ZERO + self.started.elapsed();
            let step = self.machine.handle_bytes(&self.input, now);
            let (used, event) = step.map_err(io::Error::other)?;
            let progress = used > 0 || event.is_some();
            let fact = event.and_then(fact_of);
            self.input.advance(used);
            self.flush()?;
            match fact {
                Some(fact) => return Ok(fact),
                None if progress => {}
                None => self.fill()?,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut output = BytesMut::new();
        while self.machine.poll_transmit(&mut output) {}
        self.stream.write_all(&output)?;
        self.stream.flush()
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.read(&mut chunk)?;
        self.input.extend_from_slice(&chunk[..read]);
        if read == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn fact_of(event: AmqpEvent<'_>) -> Option<Fact> {
    Some(match event {
        AmqpEvent::Opened { .. } => Fact::Opened,
        AmqpEvent::SessionBegun(session) => Fact::Begun(session),
        AmqpEvent::LinkAttached { link, .. } => Fact::Attached(link),
        AmqpEvent::LinkDetached { link, error } => detached(link, error),
        AmqpEvent::Message { delivery, settled: false, payload, .. } => {
            Fact::Delivered(delivery, payload.to_vec())
        }
        AmqpEvent::Message { payload, .. } => Fact::Message(payload.to_vec()),
        AmqpEvent::Credit { link, .. } => Fact::Credit(link),
        AmqpEvent::Settled { delivery, state, .. } => Fact::Settled(delivery, outcome(state)),
        AmqpEvent::Drained(_) => Fact::Drained,
        AmqpEvent::Closed(error) => Fact::Closed(error.map(|error| error.condition.to_owned())),
        _ => return None,
    })
}

fn outcome(state: Option<DeliveryState<'_>>) -> Vec<String> {
    match state {
        Some(DeliveryState::Accepted) => Vec::new(),
        Some(DeliveryState::Rejected(Some(error))) => {
            let text = error.description.unwrap_or_default();
            vec![error.condition.to_owned(), text.to_owned()]
        }
        other => vec![format!("{other:?}")],
    }
}

fn detached(link: LinkId, error: Option<AmqpError<'_>>) -> Fact {
    let condition = error.map_or("", |error| error.condition).to_owned();
    let text = error.and_then(|error| error.description).map(ToOwned::to_owned);
    let pairs = error.and_then(|error| error.info).into_iter().flat_map(|info| info.pairs());
    let texts = pairs.filter_map(|pair| {
        let (key, value) = pair.ok()?;
        Some((key.as_text()?.to_owned(), value.as_text()?.to_owned()))
    });
    Fact::Detached { link, condition, text, info: texts.collect() }
}
