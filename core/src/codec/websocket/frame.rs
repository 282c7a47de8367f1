//! The header of a frame, and the mask.

use bytes::{BufMut, BytesMut};

use super::WebSocketError;
use crate::limits::WEBSOCKET_FRAME_BYTES_MAX;

/// Longest header: two bytes, a length of eight, a mask of four.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// Largest payload of a control frame.
pub(super) const CONTROL_BYTES_MAX: u64 = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The message goes on.
    Continuation,
    /// A text message begins.
    Text,
    /// A binary message begins.
    Binary,
    /// The sender ends the connection.
    Close,
    /// The receiver is to answer with a pong of the same payload.
    Ping,
    /// Answer to a ping, or unasked.
    Pong,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Result<Self, WebSocketError> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            _ => Err(WebSocketError::ReservedOpcode),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Close, ping and pong may stand between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Everything of a frame but its payload.
///
/// Source: RFC 6455 section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// True for the last frame of a message.
    pub last: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// Masking key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Length of the payload.
    pub payload_length: u64,
}

impl FrameHeader {
    /// Decodes a header from the front of `input`; `None` asks for more bytes.
    ///
    /// # Errors
    /// [`WebSocketError`] for reserved bits and opcodes, lengths not in their shortest form,
    /// control frames that are fragmented or too long, and frames beyond the bound.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, WebSocketError> {
        let [first, second, ..] = *input else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(WebSocketError::ReservedBit);
        }
        let opcode = Opcode::from_bits(first & 0x0F)?;
        let last = first & 0x80 != 0;
        let short = second & 0x7F;
        if opcode.is_control() && (!last || u64::from(short) > CONTROL_BYTES_MAX) {
            return Err(WebSocketError::BadControlFrame);
        }
        let Some((payload_length, length_bytes)) = decode_length(short, &input[2..])? else {
            return Ok(None);
        };
        if payload_length > WEBSOCKET_FRAME_BYTES_MAX {
            return Err(WebSocketError::FrameTooLarge);
        }
        let mask_at = 2 + length_bytes;
        if second & 0x80 == 0 {
            return Ok(Some((Self { last, opcode, mask: None, payload_length }, mask_at)));
        }
        let Some(mask) = input[mask_at..].first_chunk::<4>() else { return Ok(None) };
        Ok(Some((Self { last, opcode, mask: Some(*mask), payload_length }, mask_at + 4)))
    }

    /// Appends the header to `out`, with the length in its shortest form.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(self.last) << 7 | self.opcode.bits());
        let masked = u8::from(self.mask.is_some()) << 7;
        match (u8::try_from(self.payload_length), u16::try_from(self.payload_length)) {
            (Ok(short @ 0..=125), _) => out.put_u8(masked | short),
            (_, Ok(medium)) => {
                out.put_u8(masked | 126);
                out.put_u16(medium);
            }
            (_, Err(_)) => {
                out.put_u8(masked | 127);
                out.put_u64(self.payload_length);
            }
        }
        if let Some(mask) = self.mask {
            out.put_slice(&mask);
        }
    }
}

/// Payload length and the bytes it took after the second byte of the header.
fn decode_length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, WebSocketError> {
    match short {
        126 => match rest.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes)) {
            Some(0..=125) => Err(WebSocketError::BadLength),
            Some(length) => Ok(Some((u64::from(length), 2))),
            None => Ok(None),
        },
        127 => match rest.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)) {
            Some(length) if length <= u64::from(u16::MAX) || length >> 63 != 0 => {
                Err(WebSocketError::BadLength)
            }
            Some(length) => Ok(Some((length, 8))),
            None => Ok(None),
        },
        length => Ok(Some((u64::from(length), 0))),
    }
}

/// Masks or unmasks `payload` in place; `position` is the index of its first byte in the payload of
/// the frame.
///
/// Works on eight bytes at a time: an XOR of a byte each is the dearest thing in this codec.
///
/// Source: RFC 6455 section 5.3.
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4], position: u64) {
    let mut key = u32::from_ne_bytes(mask);
    let turn = u32::try_from(position % 4).unwrap_or_default() * 8;
    key =
        if cfg!(target_endian = "little") { key.rotate_right(turn) } else { key.rotate_left(turn) };
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}
