//! The machine of one HTTP connection.

use core::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::pieces::Unread;
use super::request::Request;
use super::upgrade::{Upgrade, UpgradeError, decode_upgrade, is_upgrade};
use crate::codec::http::{
    BodyLength, CONTINUE, ChunkedDecoder, DecodeError, Persistence, RequestHead, ResponseHead,
    Version, decode_head, encode_response,
};
use crate::limits::HTTP_BODY_BYTES_MAX;
use crate::time::{Timestamp, UnixMillis};

/// Bounds of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Largest request body in bytes; larger: 413 and close.
    pub body_bytes_max: usize,
    /// Time from the first byte of a request to the end of its head; longer: 408 and close.
    pub head_timeout: Duration,
    /// Time from the end of the head to the end of the body; longer: 408 and close.
    pub body_timeout: Duration,
    /// Time without any request before the connection closes silently.
    pub idle_timeout: Duration,
}

impl Default for HttpLimits {
    /// 1 MiB, 10 s, 60 s, 120 s: .NET and Node keep pooled connections for up to two minutes.
    fn default() -> Self {
        Self {
            body_bytes_max: HTTP_BODY_BYTES_MAX,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

/// A fact for the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request is complete: give it to the router, then call [`HttpExchange::respond`] once.
    Request(Request),
    /// The head of a request whose body the hub takes in pieces:
    /// [`HttpExchange::accept_body`] or [`HttpExchange::respond`] follows.
    Head(Request, BodyLength),
    /// A WebSocket is asked for: call [`HttpExchange::accept_upgrade`], or
    /// [`HttpExchange::respond`] to refuse.
    Upgrade(Upgrade),
    /// A request was refused by the machine itself, which has answered; for logs and metrics.
    Refused(ExchangeError),
}

/// Why the machine refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The bytes break the syntax or a bound.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The handshake of a WebSocket is not in order.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// The body is larger than [`HttpLimits::body_bytes_max`].
    #[error("body too large")]
    BodyTooLarge,
    /// `Expect` with something other than `100-continue`.
    #[error("unknown expectation")]
    UnknownExpectation,
    /// Head or body did not come in time.
    #[error("request did not arrive in time")]
    TimedOut,
}

impl ExchangeError {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Decode(error) => error.status(),
            Self::Upgrade(UpgradeError::UnsupportedVersion) => StatusCode::UPGRADE_REQUIRED,
            Self::Upgrade(UpgradeError::Malformed | UpgradeError::UnknownSubprotocol) => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnknownExpectation => StatusCode::EXPECTATION_FAILED,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// Name of the error as clients of the REST API look for it.
    ///
    /// Source: control-plane reference, "Full error-code table".
    const fn name(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "GenericRequestEntityTooLarge",
            Self::Decode(_) | Self::Upgrade(_) | Self::UnknownExpectation | Self::TimedOut => {
                "GenericBadRequest"
            }
        }
    }

    /// Body of the answer, in the shape that clients of the REST API read.
    ///
    /// Source: control-plane reference, "Error body", shape A.
    fn body(self) -> String {
        // No text of an error has a character that JSON escapes.
        format!(r#"{{"Message":"ErrorCode:{};{self}","ExceptionMessage":""}}"#, self.name())
    }
}

/// What is awaited next.
#[derive(Debug)]
pub(super) enum State {
    ExpectHead,
    ExpectBody(Box<Incoming>),
    AwaitingAdmission(Unread),
    Streaming(Unread),
    AwaitingAnswer,
    /// The head of an answer is written, and so much of its body is not.
    Answering {
        missing: u64,
    },
    AwaitingUpgrade(Box<Upgrade>),
    Upgraded,
    Closing,
}

/// A request whose body is on its way.
#[derive(Debug)]
pub(super) struct Incoming {
    request: Request,
    body: BytesMut,
    rest: Rest,
}

/// What is missing of a body.
#[derive(Debug)]
enum Rest {
    Bytes(usize),
    Chunks(ChunkedDecoder),
}

/// Exchanges of one HTTP/1.1 connection, hub side.
///
/// The driver hands in what it has decrypted and keeps what is not consumed; everything else
/// (heads, bodies, order of answers, time limits, who closes) is decided here. Runs on the owning
/// shard.
#[derive(Debug)]
pub struct HttpExchange {
    pub(super) limits: HttpLimits,
    pub(super) state: State,
    pub(super) persistence: Persistence,
    pub(super) body_omitted: bool,
    pub(super) deadline: Option<Timestamp>,
    head_started: bool,
    pub(super) event: Option<Event>,
    pub(super) outbound: BytesMut,
    /// Requests whose bodies come in pieces.
    is_streamed: fn(&RequestHead<'_>) -> bool,
    /// What has come of such a body.
    pub(super) piece: BytesMut,
}

impl HttpExchange {
    /// Starts with a connection on which nothing has been read.
    #[must_use]
    pub fn new(limits: HttpLimits, now: Timestamp) -> Self {
        Self {
            limits,
            state: State::ExpectHead,
            persistence: Persistence::Close,
            body_omitted: false,
            deadline: Some(now + limits.idle_timeout),
            head_started: false,
            event: None,
            outbound: BytesMut::new(),
            is_streamed: |_| false,
            piece: BytesMut::new(),
        }
    }

    /// Hands out the bodies of the requests that `is_streamed` in pieces, whatever their length.
    #[must_use]
    pub fn streaming(mut self, is_streamed: fn(&RequestHead<'_>) -> bool) -> Self {
        self.is_streamed = is_streamed;
        self
    }

    /// Takes bytes that the peer sent and returns how many are used up.
    ///
    /// The rest must be handed in again, at the front, when more has come or after the answer was
    /// given: a head is consumed only as a whole, and nothing is consumed while an answer is
    /// awaited or after the upgrade (those bytes belong to the WebSocket). After a refusal
    /// everything is consumed and thrown away. `wall` dates an answer that the machine gives
    /// itself.
    pub fn handle_bytes(&mut self, input: &[u8], now: Timestamp, wall: UnixMillis) -> usize {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let step = match self.state {
                State::ExpectHead => self.on_head(rest, now),
                State::ExpectBody(_) => self.on_body(rest),
                State::Streaming(_) => Ok(self.on_piece(rest, now)),
                State::AwaitingAdmission(_)
                | State::AwaitingAnswer
                | State::Answering { .. }
                | State::AwaitingUpgrade(_)
                | State::Upgraded => Ok(0),
                State::Closing => return input.len(),
            };
            match step {
                Ok(0) => return consumed,
                Ok(bytes) => consumed += bytes,
                Err(error) => self.refuse(error, wall),
            }
        }
    }

    /// Ends a wait that took too long: idle connections close silently, half requests are answered
    /// 408.
    pub fn handle_timeout(&mut self, now: Timestamp, wall: UnixMillis) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if matches!(self.state, State::ExpectHead) && !self.head_started {
            self.close();
        } else {
            self.refuse(ExchangeError::TimedOut, wall);
        }
    }

    /// Answers the request or handshake that is awaiting it; the next request is read after this.
    ///
    /// `Date`, `Content-Length` and `Connection` are written by the machine. Returns false, and
    /// writes nothing, when no answer is awaited: the connection was refused or closed in the
    /// meantime. An answer before the end of a body that comes in pieces closes the connection.
    pub fn respond(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        (now, wall): (Timestamp, UnixMillis),
    ) -> bool {
        match self.state {
            State::AwaitingAnswer | State::AwaitingUpgrade(_) => {}
            State::AwaitingAdmission(_) | State::Streaming(_) => {
                self.persistence = Persistence::Close;
            }
            _ => return false,
        }
        let head = ResponseHead { status, headers, date: wall, persistence: self.persistence };
        encode_response(&head, body, self.body_omitted, &mut self.outbound);
        self.end_answer(now);
        true
    }

    /// An answer is written as a whole.
    pub(super) fn end_answer(&mut self, now: Timestamp) {
        match self.persistence {
            Persistence::Close => self.close(),
            Persistence::KeepAlive | Persistence::KeepAliveStated => self.expect_head(now),
        }
    }

    /// Answers the handshake with 101; the connection belongs to a WebSocket from here on.
    ///
    /// Returns what was accepted, or `None` when no handshake is awaiting an answer.
    pub fn accept_upgrade(&mut self) -> Option<Upgrade> {
        let State::AwaitingUpgrade(upgrade) = &self.state else { return None };
        let upgrade = (**upgrade).clone();
        self.outbound.put_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
        self.outbound.put_slice(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ");
        self.outbound.put_slice(upgrade.accept_key.as_str().as_bytes());
        self.outbound.put_slice(b"\r\nSec-WebSocket-Protocol: ");
        self.outbound.put_slice(upgrade.subprotocol.as_bytes());
        self.outbound.put_slice(b"\r\n\r\n");
        self.state = State::Upgraded;
        self.deadline = None;
        Some(upgrade)
    }

    /// Refuses the next request: after the answer under way the connection closes, at once when
    /// there is none.
    pub fn shut_down(&mut self) {
        match self.state {
            State::ExpectHead => self.close(),
            State::ExpectBody(_)
            | State::AwaitingAdmission(_)
            | State::Streaming(_)
            | State::AwaitingAnswer
            | State::Answering { .. }
            | State::AwaitingUpgrade(_) => {
                self.persistence = Persistence::Close;
            }
            State::Upgraded | State::Closing => {}
        }
    }

    /// Next fact for the hub.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    /// Appends what is to be sent to `out`; false when there is nothing.
    pub fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        if self.outbound.is_empty() {
            return false;
        }
        out.unsplit(self.outbound.split());
        true
    }

    /// Next time at which [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// True when the driver closes the connection once everything is sent.
    ///
    /// After a refusal it shuts down its sending side first and reads on for a moment: closing with
    /// unread input makes the kernel send a reset, which can destroy the answer on its way.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }

    /// True after [`accept_upgrade`](Self::accept_upgrade).
    #[must_use]
    pub const fn is_upgraded(&self) -> bool {
        matches!(self.state, State::Upgraded)
    }

    /// True when input would be taken: reading the socket is pointless otherwise.
    #[must_use]
    pub const fn wants_input(&self) -> bool {
        match &self.state {
            State::ExpectHead | State::ExpectBody(_) | State::Closing => true,
            State::Streaming(unread) => unread.credit > 0,
            _ => false,
        }
    }

    fn on_head(&mut self, input: &[u8], now: Timestamp) -> Result<usize, ExchangeError> {
        // RFC 9112 section 2.2: empty lines before a request are ignored.
        if input.starts_with(b"\r\n") {
            return Ok(2);
        }
        if !input.is_empty() && !self.head_started {
            self.head_started = true;
            self.deadline = Some(now + self.limits.head_timeout);
        }
        let Some((head, length)) = decode_head(input)? else { return Ok(0) };
        self.persistence = head.persistence();
        self.body_omitted = head.method == "HEAD";
        if is_upgrade(&head) {
            self.on_upgrade(decode_upgrade(&head)?);
        } else {
            self.on_request(&head, length < input.len(), now)?;
        }
        Ok(length)
    }

    fn on_upgrade(&mut self, upgrade: Upgrade) {
        self.event = Some(Event::Upgrade(upgrade.clone()));
        self.state = State::AwaitingUpgrade(Box::new(upgrade));
        // A client that was refused its WebSocket has nothing else to ask for.
        self.persistence = Persistence::Close;
        self.deadline = None;
    }

    fn on_request(
        &mut self,
        head: &RequestHead<'_>,
        body_has_begun: bool,
        now: Timestamp,
    ) -> Result<(), ExchangeError> {
        let length = head.body_length()?;
        if (self.is_streamed)(head) {
            let expects_continue = expects_continue(head)? && !body_has_begun;
            self.offer_body(Request::new(head), length, expects_continue);
            return Ok(());
        }
        let rest = match length {
            BodyLength::Known(length) => Rest::Bytes(self.bounded(length)?),
            BodyLength::Chunked => Rest::Chunks(ChunkedDecoder::new()),
        };
        let request = Request::new(head);
        if let Rest::Bytes(0) = rest {
            self.complete(request, Bytes::new());
            return Ok(());
        }
        if expects_continue(head)? && !body_has_begun {
            self.outbound.put_slice(CONTINUE);
        }
        self.state = State::ExpectBody(Box::new(Incoming { request, body: BytesMut::new(), rest }));
        self.deadline = Some(now + self.limits.body_timeout);
        Ok(())
    }

    fn bounded(&self, length: u64) -> Result<usize, ExchangeError> {
        match usize::try_from(length) {
            Ok(length) if length <= self.limits.body_bytes_max => Ok(length),
            _ => Err(ExchangeError::BodyTooLarge),
        }
    }

    fn on_body(&mut self, input: &[u8]) -> Result<usize, ExchangeError> {
        let State::ExpectBody(incoming) = &mut self.state else { return Ok(0) };
        let (consumed, finished) = incoming.take(input, self.limits.body_bytes_max)?;
        if finished
            && let State::ExpectBody(incoming) =
                core::mem::replace(&mut self.state, State::AwaitingAnswer)
        {
            self.complete(incoming.request, incoming.body.freeze());
        }
        Ok(consumed)
    }

    fn complete(&mut self, mut request: Request, body: Bytes) {
        request.body = body;
        self.event = Some(Event::Request(request));
        self.state = State::AwaitingAnswer;
        self.deadline = None;
    }

    fn expect_head(&mut self, now: Timestamp) {
        self.state = State::ExpectHead;
        self.head_started = false;
        self.deadline = Some(now + self.limits.idle_timeout);
    }

    fn close(&mut self) {
        self.state = State::Closing;
        self.deadline = None;
    }

    fn refuse(&mut self, error: ExchangeError, wall: UnixMillis) {
        let mut headers = HeaderMap::new();
        if error == ExchangeError::Upgrade(UpgradeError::UnsupportedVersion) {
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, json);
        let code = HeaderName::from_static("iothub-errorcode");
        headers.insert(code, HeaderValue::from_static(error.name()));
        let persistence = Persistence::Close;
        let head =
            ResponseHead { status: error.status(), headers: &headers, date: wall, persistence };
        encode_response(&head, error.body().as_bytes(), false, &mut self.outbound);
        self.event = Some(Event::Refused(error));
        self.close();
    }
}

impl Incoming {
    /// Takes the next piece of the body: bytes used up, and whether it was the last.
    fn take(&mut self, input: &[u8], bytes_max: usize) -> Result<(usize, bool), ExchangeError> {
        match &mut self.rest {
            Rest::Bytes(missing) => {
                let taken = (*missing).min(input.len());
                self.body.put_slice(&input[..taken]);
                *missing -= taken;
                Ok((taken, *missing == 0))
            }
            Rest::Chunks(decoder) => {
                let step = decoder.decode(input)?;
                if self.body.len() + step.data.len() > bytes_max {
                    return Err(ExchangeError::BodyTooLarge);
                }
                self.body.put_slice(step.data);
                Ok((step.consumed, step.finished))
            }
        }
    }
}

/// RFC 9110 section 10.1.1: the expectation counts in HTTP/1.1 only.
fn expects_continue(head: &RequestHead<'_>) -> Result<bool, ExchangeError> {
    match head.values("expect").next() {
        Some(_) if head.version == Version::Http10 => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("100-continue") => Ok(true),
        Some(_) => Err(ExchangeError::UnknownExpectation),
        None => Ok(false),
    }
}
