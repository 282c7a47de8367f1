//! The machine of one connection: phases, channels and what a frame leads to.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;

use super::attach::Refused;
use super::config::{AmqpConfig, ClientSasl};
use super::error::SessionError;
use super::link::{LinkId, SessionId};
use super::link_table::LinkTable;
use super::session::AmqpSession;
use super::signal::AmqpEvent;
use super::timer::Timer;
use crate::codec::amqp::performative::{
    AmqpError, Begin, Close, Condition, End, Open, Performative,
};
use crate::codec::amqp::{EMPTY_FRAME, Frame, FrameKind, write_frame};
use crate::limits::{
    AMQP_ASKED_BYTES_MAX, AMQP_OUT_BYTES_MAX, AMQP_PARTIAL_BYTES_MAX, HOST_NAME_LEN_MAX,
};
use crate::time::Timestamp;

pub(super) type Result<T> = core::result::Result<T, SessionError>;

/// What is awaited from the peer.
///
/// ```text
///  hub:    ExpectHeader ─▶ ExpectInit ─▶ AwaitVerdict ─▶ ExpectHeader ─▶ ExpectOpen ─▶ Open ─▶ (Closing) ─▶ Closed
///  client: ExpectHeader ─▶ ExpectMechanisms ─▶ ExpectOutcome ─▶ ExpectHeader ─▶ ExpectOpen ─▶ Open ─▶ …
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A protocol header.
    ExpectHeader,
    /// The mechanisms of the server.
    ExpectMechanisms,
    /// The choice of the client.
    ExpectInit,
    /// The verdict of the driver.
    AwaitVerdict,
    /// The verdict of the server.
    ExpectOutcome,
    /// The open.
    ExpectOpen,
    /// Everything else.
    Open,
    /// The answer to our close.
    Closing,
    /// Nothing.
    Closed,
}

/// Which side of the connection the machine is, and how far its SASL layer is.
#[derive(Debug)]
pub(super) enum Side {
    Hub { sasl_done: bool },
    Client { sasl: Option<(&'static str, Box<[u8]>)> },
}

/// The protocol machine of one AMQP connection, for either side.
///
/// The driver feeds bytes to [`handle_bytes`](Self::handle_bytes) until it consumes none and tells
/// nothing, answers events by commands, and writes what [`poll_transmit`](Self::poll_transmit)
/// gives. Commands append frames in the order in which they are called. One thread at a time;
/// nothing blocks.
#[derive(Debug)]
pub struct AmqpConnection {
    pub(super) config: Arc<AmqpConfig>,
    pub(super) side: Side,
    pub(super) phase: Phase,
    pub(super) now: Timestamp,
    pub(super) timer: Timer,
    pub(super) out: BytesMut,
    pub(super) opened: bool,
    pub(super) peer_max_frame: u32,
    pub(super) peer_channel_max: u16,
    pub(super) sessions: Vec<Option<AmqpSession>>,
    pub(super) channels: BTreeMap<u16, u16>,
    /// Channels of the peer whose session is over: what still comes there was on its way.
    ended: BTreeSet<u16>,
    pub(super) links: LinkTable,
    /// Bytes of the attaches that await the driver's answer.
    pub(super) asked_bytes: usize,
    /// Refusals of which the peer has the attach and not yet the reason, in the order of their
    /// time.
    pub(super) refused: VecDeque<Refused>,
    /// Links that are gone without the driver knowing.
    pub(super) orphans: Vec<LinkId>,
    pub(super) window_opened: bool,
    /// Where to go on in a disposition that is looked at again.
    pub(super) told_below: Option<u32>,
    /// Deliveries of ours that wait for their outcome, over all links.
    pub(super) unsettled: u32,
    /// Bytes of messages received in part, over all links.
    pub(super) partial_bytes: usize,
    /// How many of them there may be.
    pub(super) partial_bytes_max: usize,
}

impl AmqpConnection {
    /// The hub's side of a connection that has just been accepted.
    #[must_use]
    pub fn hub(config: Arc<AmqpConfig>, now: Timestamp) -> Self {
        Self::new(config, Side::Hub { sasl_done: false }, now)
    }

    /// The client's side; its first bytes are there at once.
    #[must_use]
    pub fn client(config: Arc<AmqpConfig>, sasl: ClientSasl<'_>, now: Timestamp) -> Self {
        let mut connection = Self::new(config, Side::Client { sasl: None }, now);
        connection.start_client(sasl);
        connection
    }

    fn new(config: Arc<AmqpConfig>, side: Side, now: Timestamp) -> Self {
        let timer = Timer::new(config.handshake_timeout, config.idle_timeout, now);
        Self {
            config,
            side,
            phase: Phase::ExpectHeader,
            now,
            timer,
            out: BytesMut::new(),
            opened: false,
            peer_max_frame: 512,
            peer_channel_max: u16::MAX,
            sessions: Vec::new(),
            channels: BTreeMap::new(),
            ended: BTreeSet::new(),
            links: LinkTable::default(),
            asked_bytes: 0,
            refused: VecDeque::new(),
            orphans: Vec::new(),
            window_opened: false,
            told_below: None,
            unsettled: 0,
            partial_bytes: 0,
            partial_bytes_max: AMQP_PARTIAL_BYTES_MAX,
        }
    }

    /// Takes bytes of the peer: at most one frame and one event a call.
    ///
    /// The number is what was consumed. Call again with the rest until nothing is consumed and no
    /// event comes; that means that more bytes are needed, or a `Sasl` event or very many
    /// `LinkRequested` events wait for their answers, or the output must be drained first.
    ///
    /// # Errors
    /// [`SessionError`]: write what `poll_transmit` still gives, then drop the socket.
    pub fn handle_bytes<'i>(
        &mut self,
        input: &'i [u8],
        now: Timestamp,
    ) -> Result<(usize, Option<AmqpEvent<'i>>)> {
        self.now = self.now.max(now);
        if let Some(event) = self.poll_queued() {
            return Ok((0, Some(event)));
        }
        if !self.can_read() || input.is_empty() {
            return Ok((0, None));
        }
        let step = match self.phase {
            Phase::ExpectHeader => self.on_header(input),
            Phase::Closed => return Ok((0, None)),
            _ => self.on_frame_bytes(input),
        };
        step.inspect_err(|error| self.fail(error))
    }

    /// Whether more bytes of the peer are looked at: `false` while a SASL exchange waits for its
    /// answer, or links of [`AMQP_ASKED_BYTES_MAX`] do, or too much waits to be written.
    #[must_use]
    pub fn can_read(&self) -> bool {
        self.asked_bytes < AMQP_ASKED_BYTES_MAX
            && self.phase != Phase::AwaitVerdict
            && self.out.len() < 2 * AMQP_OUT_BYTES_MAX
    }

    /// The session that a link is on; `None` once the link is gone.
    #[must_use]
    pub fn session_of(&self, link: LinkId) -> Option<SessionId> {
        self.links.link(link).map(|link| SessionId(link.session))
    }

    fn poll_queued(&mut self) -> Option<AmqpEvent<'static>> {
        if let Some(link) = self.orphans.pop() {
            return Some(AmqpEvent::LinkDetached { link, error: None });
        }
        core::mem::take(&mut self.window_opened).then_some(AmqpEvent::WindowOpened)
    }

    fn on_frame_bytes<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Option<AmqpEvent<'i>>)> {
        let Some((frame, len)) = Frame::decode(input, self.config.max_frame_size)? else {
            return Ok((0, None));
        };
        self.timer.on_received(self.now);
        match (self.phase, frame.kind) {
            (Phase::Open, FrameKind::Amqp) if frame.body.is_empty() => Ok((len, None)),
            (Phase::Open, FrameKind::Amqp) => self.on_frame(&frame, len),
            (Phase::Closing, FrameKind::Amqp) => Ok((len, self.on_frame_while_closing(&frame)?)),
            (Phase::ExpectOpen, FrameKind::Amqp) => Ok((len, Some(self.on_open(&frame)?))),
            (_, FrameKind::Sasl) => Ok((len, self.on_sasl(frame.body)?)),
            _ => Err(SessionError::UnexpectedFrame),
        }
    }

    fn on_frame<'i>(
        &mut self,
        frame: &Frame<'i>,
        len: usize,
    ) -> Result<(usize, Option<AmqpEvent<'i>>)> {
        if let Some((transfer, payload)) = Performative::decode_transfer(frame.body)? {
            let channel = self.channel_of(frame.channel)?;
            let event = channel.and_then(|channel| self.on_transfer(channel, &transfer, payload));
            return Ok((len, event));
        }
        let (performative, _) = Performative::decode(frame.body)?;
        match performative {
            Performative::Open(_) => return Err(SessionError::UnexpectedFrame),
            Performative::Close(close) => return Ok((len, Some(self.on_close(&close)))),
            Performative::Begin(begin) => return Ok((len, self.on_begin(frame.channel, &begin)?)),
            _ => {}
        }
        let Some(channel) = self.channel_of(frame.channel)? else { return Ok((len, None)) };
        let ending = self.session_mut(channel).is_none_or(|session| session.ending);
        let event = match performative {
            Performative::End(_) => {
                self.on_end(channel);
                None
            }
            _ if ending => None,
            Performative::Attach(attach) => self.on_attach(channel, &attach, frame.body),
            Performative::Flow(flow) => self.on_flow(channel, &flow),
            Performative::Disposition(disposition) => {
                let event = self.on_disposition(channel, &disposition);
                // The frame is looked at again until no delivery of its range is left to tell.
                return Ok((if event.is_some() { 0 } else { len }, event));
            }
            Performative::Detach(detach) => self.on_detach(channel, &detach),
            Performative::Transfer(_)
            | Performative::Open(_)
            | Performative::Close(_)
            | Performative::Begin(_) => None,
        };
        Ok((len, event))
    }

    /// Our channel of a session, by that of the peer; `None` once the session is over.
    fn channel_of(&self, channel: u16) -> Result<Option<u16>> {
        match self.channels.get(&channel) {
            Some(ours) => Ok(Some(*ours)),
            None if self.ended.contains(&channel) => Ok(None),
            None => Err(SessionError::Channel(channel)),
        }
    }

    fn on_open<'i>(&mut self, frame: &Frame<'i>) -> Result<AmqpEvent<'i>> {
        let (Performative::Open(open), _) = Performative::decode(frame.body)? else {
            return Err(SessionError::UnexpectedFrame);
        };
        if open.max_frame_size < 512 {
            return Err(SessionError::FrameSizeTooSmall(open.max_frame_size));
        }
        self.peer_max_frame = open.max_frame_size;
        self.peer_channel_max = open.channel_max;
        self.send_open_as(open.hostname);
        self.phase = Phase::Open;
        let idle = open.idle_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        self.timer.on_opened(idle, self.now);
        Ok(AmqpEvent::Opened { container_id: open.container_id, hostname: open.hostname })
    }

    pub(super) fn send_open(&mut self) {
        self.send_open_as(None);
    }

    /// Opens, as a hub under the name that the client dialled: it may have several.
    fn send_open_as(&mut self, dialled: Option<&str>) {
        if core::mem::replace(&mut self.opened, true) {
            return;
        }
        let idle_ms = u32::try_from(self.config.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        let open = Open {
            container_id: &self.config.container_id,
            hostname: dialled.filter(is_host_name).or(self.config.hostname.as_deref()),
            max_frame_size: self.config.max_frame_size,
            channel_max: self.config.channel_max,
            idle_timeout_ms: Some(idle_ms),
            properties: None,
        };
        write_frame(&mut self.out, FrameKind::Amqp, 0, |out| open.encode(out));
        self.timer.on_sent();
    }

    fn on_close<'i>(&mut self, close: &Close<'i>) -> AmqpEvent<'i> {
        self.write(0, |out| Close { error: None }.encode(out));
        self.phase = Phase::Closed;
        AmqpEvent::Closed(close.error)
    }

    fn on_frame_while_closing<'i>(&mut self, frame: &Frame<'i>) -> Result<Option<AmqpEvent<'i>>> {
        if frame.body.is_empty() {
            return Ok(None);
        }
        let (Performative::Close(close), _) = Performative::decode(frame.body)? else {
            return Ok(None);
        };
        self.phase = Phase::Closed;
        Ok(Some(AmqpEvent::Closed(close.error)))
    }

    fn on_begin<'i>(&mut self, channel: u16, begin: &Begin) -> Result<Option<AmqpEvent<'i>>> {
        if channel > self.config.channel_max || self.channels.contains_key(&channel) {
            return Err(SessionError::Channel(channel));
        }
        if let Some(ours) = begin.remote_channel {
            let awaited = self.session_mut(ours).is_some_and(|s| s.remote_channel.is_none());
            if !awaited {
                return Err(SessionError::Channel(channel));
            }
            self.adopt_begin(ours, channel, begin);
            return Ok(Some(AmqpEvent::SessionBegun(SessionId(ours))));
        }
        let full = self.channels.len() >= self.config.sessions_max;
        let Some(ours) = self.new_session(Some(channel)) else {
            return Err(SessionError::Channel(channel));
        };
        self.adopt_begin(ours, channel, begin);
        self.send_begin(ours, Some(channel));
        if full {
            let limit = Condition::ResourceLimitExceeded;
            self.end_session(ours, &AmqpError::new(limit, "too many sessions"));
        }
        Ok(None)
    }

    fn adopt_begin(&mut self, ours: u16, channel: u16, begin: &Begin) {
        self.channels.insert(channel, ours);
        self.ended.remove(&channel);
        if let Some(session) = self.session_mut(ours) {
            session.remote_channel = Some(channel);
            session.next_incoming_id = Some(begin.next_outgoing_id);
            session.remote_incoming_window = begin.incoming_window;
            session.handle_max = begin.handle_max;
        }
    }

    /// Begins a session (client side); links may be attached to it at once.
    ///
    /// `None` before the connection is open, or when there are too many sessions.
    pub fn begin_session(&mut self) -> Option<SessionId> {
        if self.phase != Phase::Open || self.channels.len() >= self.config.sessions_max {
            return None;
        }
        let channel = self.new_session(None)?;
        self.send_begin(channel, None);
        Some(SessionId(channel))
    }

    /// Takes the same channel as the peer if it is free, else the lowest free one.
    fn new_session(&mut self, like: Option<u16>) -> Option<u16> {
        let free = |place: usize| self.sessions.get(place).is_none_or(Option::is_none);
        let mirrored =
            like.map(usize::from).filter(|&place| free(place) && place <= self.sessions.len() + 16);
        let place = mirrored.or_else(|| (0..=self.sessions.len()).find(|&place| free(place)))?;
        let channel = u16::try_from(place).ok().filter(|&c| c <= self.peer_channel_max)?;
        if place >= self.sessions.len() {
            self.sessions.resize_with(place + 1, || None);
        }
        self.sessions[place] = Some(AmqpSession::new(self.config.session_window));
        Some(channel)
    }

    fn send_begin(&mut self, channel: u16, remote_channel: Option<u16>) {
        let Some(session) = self.session_mut(channel) else { return };
        let next_outgoing_id = session.next_outgoing_id;
        let begin = Begin {
            remote_channel,
            next_outgoing_id,
            incoming_window: self.config.session_window,
            outgoing_window: self.config.session_window,
            handle_max: self.config.handle_max,
        };
        self.write(channel, |out| begin.encode(out));
    }

    fn on_end(&mut self, channel: u16) {
        self.drop_links(channel);
        let place = self.sessions.get_mut(usize::from(channel));
        let Some(session) = place.and_then(Option::take) else { return };
        if let Some(remote) = session.remote_channel {
            self.channels.remove(&remote);
            self.ended.insert(remote);
        }
        if !session.ending {
            self.write(channel, |out| End { error: None }.encode(out));
        }
    }

    /// Ends a session and its links, with a reason if it is for one; the driver hears no more of
    /// them. Deliveries on them that were not settled are for the driver to undo.
    pub fn end(&mut self, session: SessionId, error: Option<AmqpError<'_>>) {
        let channel = session.0;
        if self.phase != Phase::Open || self.session_mut(channel).is_none_or(|s| s.ending) {
            return;
        }
        self.write(channel, |out| End { error }.encode(out));
        let orphans = self.orphans.len();
        self.drop_links(channel);
        self.orphans.truncate(orphans);
        if let Some(session) = self.session_mut(channel) {
            session.ending = true;
        }
    }

    /// Ends a session for a fault of the peer; its links are told to the driver as detached.
    pub(super) fn end_session(&mut self, channel: u16, error: &AmqpError<'_>) {
        self.write(channel, |out| End { error: Some(*error) }.encode(out));
        self.drop_links(channel);
        if let Some(session) = self.session_mut(channel) {
            session.ending = true;
        }
    }

    fn drop_links(&mut self, channel: u16) {
        let Some(session) = self.session_mut(channel) else { return };
        let links = session.take_links();
        session.remote_handles.clear();
        session.unsettled.clear();
        session.unsent = None;
        for link in links {
            if self.remove_link(link) {
                self.orphans.push(link);
            }
        }
    }

    /// Closes the connection; the `Closed` event comes with the peer's answer.
    pub fn close(&mut self, error: Option<AmqpError<'_>>) {
        if !matches!(self.phase, Phase::Open | Phase::ExpectOpen) {
            self.phase = Phase::Closed;
            return;
        }
        self.send_open();
        self.write(0, |out| Close { error }.encode(out));
        self.phase = Phase::Closing;
        self.refused.clear();
        self.timer.on_closing(self.now);
    }

    /// Whether nothing more is read or written: flush, then drop the socket.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    fn fail(&mut self, error: &SessionError) {
        if matches!(self.phase, Phase::Open | Phase::ExpectOpen) {
            self.send_open();
            let text = error.to_string();
            let told = AmqpError::new(error.condition(), &text);
            self.write(0, |out| Close { error: Some(told) }.encode(out));
        }
        self.phase = Phase::Closed;
    }

    /// Moves the bytes to be written to the end of `out`; `false` if there are none.
    pub fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        if self.out.is_empty() {
            return false;
        }
        out.extend_from_slice(&self.out);
        self.out.clear();
        true
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` once closed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.phase == Phase::Closed {
            return None;
        }
        let deadline = self.timer.deadline();
        Some(self.refused.front().map_or(deadline, |refused| refused.due.min(deadline)))
    }

    /// Whoever drives the machine has not read until `now`, for reasons of its own: the silence was
    /// not the peer's.
    pub fn excuse_silence(&mut self, now: Timestamp) {
        self.timer.on_received(now);
    }

    /// Tells the reasons of refusals, sends a heartbeat if one is due, and gives memory back when
    /// nothing else went out.
    ///
    /// # Errors
    /// [`SessionError`] once the peer has been silent for too long, as for
    /// [`handle_bytes`](Self::handle_bytes).
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<()> {
        self.now = self.now.max(now);
        self.detach_refused();
        match self.timer.on_timeout(self.now) {
            Ok(true) => {
                if self.out.is_empty() {
                    self.out = BytesMut::from(&EMPTY_FRAME[..]);
                }
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    pub(super) fn session_mut(&mut self, channel: u16) -> Option<&mut AmqpSession> {
        self.sessions.get_mut(usize::from(channel))?.as_mut()
    }

    /// Appends one AMQP frame, unless a close went before.
    pub(super) fn write(&mut self, channel: u16, body: impl FnOnce(&mut BytesMut)) {
        if matches!(self.phase, Phase::Closing | Phase::Closed) {
            return;
        }
        write_frame(&mut self.out, FrameKind::Amqp, channel, body);
        self.timer.on_sent();
    }
}

/// Whether a text can be the name of a host.
fn is_host_name(text: &&str) -> bool {
    (1..=HOST_NAME_LEN_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}
