//! The machine of one WebSocket connection, both roles.

use bytes::{BufMut, BytesMut};

use super::frame::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX};
use super::{FrameHeader, Opcode, WebSocketError, apply_mask};

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The hub: expects masked frames, sends unmasked ones.
    Server,
    /// A client of ours: the other way round.
    Client {
        /// Seed of the masking keys. They protect proxies from chosen payloads of scripts in
        /// browsers; our clients run no such scripts and speak TLS, so that a seed per connection
        /// is enough.
        masking_seed: u64,
    },
}

/// The status of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// Text where only binary is understood.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// The peer broke a rule of the hub.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A frame beyond the bound.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);

    /// RFC 6455 section 7.4: codes that may stand in a close frame.
    const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// How far the close handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    AwaitingClose,
    Closed,
}

/// The frame whose payload is on its way.
#[derive(Clone, Copy, Debug)]
struct Incoming {
    header: FrameHeader,
    seen: u64,
}

/// One WebSocket connection that carries a byte stream.
///
/// Holds no payload besides the last control frame; pings are answered, the last one only when
/// several come before the answer was sent (RFC 6455 section 5.5.3), so that a peer cannot make us
/// queue.
#[derive(Debug)]
pub struct WebSocket {
    role: Role,
    closing: Closing,
    in_message: bool,
    header: Partial<HEADER_BYTES_MAX>,
    incoming: Option<Incoming>,
    control: Partial<{ CONTROL_BYTES_MAX as usize }>,
    pong: Option<Partial<{ CONTROL_BYTES_MAX as usize }>>,
    close: Option<CloseCode>,
}

/// Bytes of something that has not fully arrived.
#[derive(Clone, Copy, Debug)]
struct Partial<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Partial<N> {
    const EMPTY: Self = Self { bytes: [0; N], length: 0 };

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Appends as much of `piece` as fits.
    fn extend(&mut self, piece: &[u8]) {
        let end = (self.length + piece.len()).min(N);
        self.bytes[self.length..end].copy_from_slice(&piece[..end - self.length]);
        self.length = end;
    }
}

impl WebSocket {
    /// Starts after the handshake.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            closing: Closing::Open,
            in_message: false,
            header: Partial::EMPTY,
            incoming: None,
            control: Partial::EMPTY,
            pong: None,
            close: None,
        }
    }

    /// Takes everything that the peer sent: afterwards `bytes[..n]`, with `n` the returned number,
    /// is application data, unmasked and without frame headers.
    ///
    /// Nothing of `bytes` has to be handed in again: a header or control frame in two parts is kept
    /// here. After a close frame, or after [`close`](Self::close), what comes is thrown away.
    ///
    /// # Errors
    /// [`WebSocketError`]: the close frame is queued; send it and drop the connection. Data before
    /// the fault in the same `bytes` is lost.
    pub fn handle_bytes(&mut self, bytes: &mut [u8]) -> Result<usize, WebSocketError> {
        let (mut read, mut written) = (0, 0);
        while read < bytes.len() && self.closing != Closing::Closed {
            let step = match self.incoming {
                None => self.on_header(&bytes[read..]).map(|taken| (taken, false)),
                Some(incoming) => self.on_payload(incoming, &mut bytes[read..]),
            };
            let (taken, is_data) = step.inspect_err(|error| self.fail(*error))?;
            if is_data {
                bytes.copy_within(read..read + taken, written);
                written += taken;
            }
            read += taken;
        }
        Ok(written)
    }

    /// Appends `payload` to `out` as one binary message.
    ///
    /// Nothing is sent after a close frame.
    pub fn send(&mut self, payload: &[u8], out: &mut BytesMut) {
        if self.closing == Closing::Open {
            self.put_frame(Opcode::Binary, payload, out);
        }
    }

    /// Queues a close frame; the connection ends when the peer has answered with its own, or when
    /// the driver loses patience.
    pub fn close(&mut self, code: CloseCode) {
        if self.closing == Closing::Open {
            self.closing = Closing::AwaitingClose;
            self.close = Some(code);
        }
    }

    /// Appends a pending pong and a pending close frame to `out`; false when there is neither.
    pub fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        let before = out.len();
        if let Some(pong) = self.pong.take() {
            self.put_frame(Opcode::Pong, pong.as_slice(), out);
        }
        if let Some(code) = self.close.take() {
            self.put_frame(Opcode::Close, &code.0.to_be_bytes(), out);
        }
        out.len() > before
    }

    /// True when the driver closes the connection once everything is sent: both sides have said so,
    /// or the peer broke a rule.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }

    fn fail(&mut self, error: WebSocketError) {
        if self.closing == Closing::Open {
            self.close = Some(error.close_code());
        }
        self.closing = Closing::Closed;
        self.pong = None;
    }

    /// Completes the header with bytes of `input`; returns how many it took.
    fn on_header(&mut self, input: &[u8]) -> Result<usize, WebSocketError> {
        let had = self.header.length;
        self.header.extend(input);
        match FrameHeader::decode(self.header.as_slice())? {
            None => Ok(self.header.length - had),
            Some((header, length)) => {
                self.header = Partial::EMPTY;
                self.on_frame(header)?;
                Ok(length - had)
            }
        }
    }

    fn on_frame(&mut self, header: FrameHeader) -> Result<(), WebSocketError> {
        if header.mask.is_some() != (self.role == Role::Server) {
            return Err(WebSocketError::WrongMasking);
        }
        match (header.opcode, self.in_message) {
            (Opcode::Text, _) => return Err(WebSocketError::Text),
            (Opcode::Continuation, false) | (Opcode::Binary, true) => {
                return Err(WebSocketError::BadFragmentation);
            }
            (Opcode::Continuation, true) | (Opcode::Binary, false) => {
                self.in_message = !header.last;
            }
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {}
        }
        if header.payload_length > 0 {
            self.incoming = Some(Incoming { header, seen: 0 });
            Ok(())
        } else {
            self.on_frame_end(header)
        }
    }

    /// Unmasks what is there of the payload: how much that is, and whether it is application data.
    fn on_payload(
        &mut self,
        incoming: Incoming,
        input: &mut [u8],
    ) -> Result<(usize, bool), WebSocketError> {
        let Incoming { header, seen } = incoming;
        let missing = header.payload_length - seen;
        let taken = usize::try_from(missing).unwrap_or(usize::MAX).min(input.len());
        let piece = &mut input[..taken];
        if let Some(mask) = header.mask {
            apply_mask(piece, mask, seen);
        }
        if header.opcode.is_control() {
            self.control.extend(piece);
        }
        let seen = seen + taken as u64;
        if seen == header.payload_length {
            self.incoming = None;
            self.on_frame_end(header)?;
        } else {
            self.incoming = Some(Incoming { header, seen });
        }
        Ok((taken, !header.opcode.is_control() && self.closing == Closing::Open))
    }

    fn on_frame_end(&mut self, header: FrameHeader) -> Result<(), WebSocketError> {
        if !header.opcode.is_control() {
            return Ok(());
        }
        let payload = core::mem::replace(&mut self.control, Partial::EMPTY);
        match header.opcode {
            Opcode::Ping if self.closing == Closing::Open => self.pong = Some(payload),
            Opcode::Close => self.on_close(payload.as_slice())?,
            Opcode::Ping | Opcode::Pong | Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        Ok(())
    }

    /// RFC 6455 section 5.5.1: the answer repeats the code of the peer.
    fn on_close(&mut self, payload: &[u8]) -> Result<(), WebSocketError> {
        let code = match *payload {
            [] => CloseCode::NORMAL,
            [high, low, ..] => CloseCode(u16::from_be_bytes([high, low])),
            [_] => return Err(WebSocketError::BadClose),
        };
        let reason = payload.get(2..).unwrap_or_default();
        if !code.may_be_sent() || core::str::from_utf8(reason).is_err() {
            return Err(WebSocketError::BadClose);
        }
        if self.closing == Closing::Open {
            self.close = Some(code);
        }
        self.closing = Closing::Closed;
        Ok(())
    }

    fn put_frame(&mut self, opcode: Opcode, payload: &[u8], out: &mut BytesMut) {
        let mask = self.next_mask();
        let header = FrameHeader { last: true, opcode, mask, payload_length: payload.len() as u64 };
        out.reserve(HEADER_BYTES_MAX + payload.len());
        header.encode(out);
        let start = out.len();
        out.put_slice(payload);
        if let Some(mask) = mask {
            apply_mask(&mut out[start..], mask, 0);
        }
    }

    /// SplitMix64 over the seed; the hub sends no masks.
    const fn next_mask(&mut self) -> Option<[u8; 4]> {
        let Role::Client { masking_seed } = &mut self.role else { return None };
        *masking_seed = masking_seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *masking_seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let [a, b, c, d, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
        Some([a, b, c, d])
    }
}
