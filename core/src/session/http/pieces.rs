//! Bodies in pieces: requests and answers that are larger than memory is for.
//!
//! ```text
//! Head ─ accept_body ─▶ Streaming ─ credit, poll_body ─▶ last byte ─▶ AwaitingAnswer ─ respond
//!   └─── respond: refused, and the connection closes
//! answer: begin_answer ─▶ Answering ─ push_answer … ─▶ the next request
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::exchange::{Event, HttpExchange, State};
use super::request::Request;
use crate::codec::http::{BodyLength, CONTINUE, ResponseHead, encode_response_head};
use crate::time::{Timestamp, UnixMillis};

/// What is missing of a body that comes in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) missing: u64,
    /// Bytes that the hub has room for.
    pub(super) credit: usize,
    /// Whether the client waits for a word before it sends the body.
    expects_continue: bool,
}

impl HttpExchange {
    pub(super) fn offer_body(
        &mut self,
        request: Request,
        length: BodyLength,
        expects_continue: bool,
    ) {
        let missing = match length {
            BodyLength::Known(length) => length,
            BodyLength::Chunked => u64::MAX,
        };
        self.event = Some(Event::Head(request, length));
        self.state = State::AwaitingAdmission(Unread { missing, credit: 0, expects_continue });
        self.piece.clear();
        self.deadline = None;
    }

    /// Takes the body of the request whose head was an event, `credit` bytes of it for now.
    ///
    /// Only for a body of known length; nothing happens when no request is offered.
    pub fn accept_body(&mut self, credit: usize, now: Timestamp) {
        let State::AwaitingAdmission(unread) = self.state else { return };
        if unread.missing == 0 {
            self.state = State::AwaitingAnswer;
            return;
        }
        if unread.expects_continue {
            self.outbound.put_slice(CONTINUE);
        }
        self.state = State::Streaming(Unread { credit, ..unread });
        self.deadline = Some(now + self.limits.body_timeout);
    }

    /// The hub has room for `bytes` more of the body.
    pub fn grant_credit(&mut self, bytes: usize, now: Timestamp) {
        let State::Streaming(unread) = &mut self.state else { return };
        unread.credit += bytes;
        if self.deadline.is_none() {
            self.deadline = Some(now + self.limits.body_timeout);
        }
    }

    /// Takes what the credit covers. The client has the time for a body anew with every piece, and
    /// all the time that the hub makes it wait.
    pub(super) fn on_piece(&mut self, input: &[u8], now: Timestamp) -> usize {
        let State::Streaming(unread) = &mut self.state else { return 0 };
        let missing = usize::try_from(unread.missing).unwrap_or(usize::MAX);
        let taken = input.len().min(unread.credit).min(missing);
        if taken == 0 {
            return 0;
        }
        self.piece.put_slice(&input[..taken]);
        unread.credit -= taken;
        unread.missing -= taken as u64;
        self.deadline = (unread.credit > 0).then(|| now + self.limits.body_timeout);
        if unread.missing == 0 {
            self.state = State::AwaitingAnswer;
            self.deadline = None;
        }
        taken
    }

    /// The next piece of the body: at least `bytes_min`, or what is left at its end or at that of
    /// the credit.
    pub fn poll_body(&mut self, bytes_min: usize) -> Option<Bytes> {
        let is_more_to_come = matches!(&self.state, State::Streaming(unread) if unread.credit > 0);
        if self.piece.is_empty() || is_more_to_come && self.piece.len() < bytes_min {
            return None;
        }
        Some(core::mem::take(&mut self.piece).freeze())
    }

    /// True when a body that comes in pieces has not come as a whole.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        matches!(self.state, State::AwaitingAdmission(_) | State::Streaming(_))
    }

    /// Begins an answer of `length` bytes, which [`push_answer`](Self::push_answer) gives; none
    /// follow for a request that wants the head alone. False, and nothing is written, when no
    /// answer is awaited.
    pub fn begin_answer(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        length: u64,
        (now, wall): (Timestamp, UnixMillis),
    ) -> bool {
        if !matches!(self.state, State::AwaitingAnswer) {
            return false;
        }
        let head = ResponseHead { status, headers, date: wall, persistence: self.persistence };
        encode_response_head(&head, length, &mut self.outbound);
        if self.body_omitted || length == 0 {
            self.end_answer(now);
        } else {
            self.state = State::Answering { missing: length };
        }
        true
    }

    /// Adds to the body of the answer; what is beyond its length is left out.
    pub fn push_answer(&mut self, bytes: &[u8], now: Timestamp) {
        let State::Answering { missing } = &mut self.state else { return };
        let taken = bytes.len().min(usize::try_from(*missing).unwrap_or(usize::MAX));
        self.outbound.put_slice(&bytes[..taken]);
        *missing -= taken as u64;
        if *missing == 0 {
            self.end_answer(now);
        }
    }

    /// True while an answer lacks bytes and none wait to be sent.
    #[must_use]
    pub fn wants_answer(&self) -> bool {
        matches!(self.state, State::Answering { .. }) && self.outbound.is_empty()
    }

    /// True while an answer lacks bytes.
    #[must_use]
    pub const fn is_answering(&self) -> bool {
        matches!(self.state, State::Answering { .. })
    }

    /// Ends the connection, whose answer cannot be completed; the client sees that it is short.
    pub fn break_off(&mut self) {
        self.outbound = BytesMut::new();
        self.state = State::Closing;
        self.deadline = None;
    }
}
