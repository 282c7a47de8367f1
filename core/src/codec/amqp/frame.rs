//! Frames and protocol headers.
//!
//! ```text
//!  0        4      5      6         8            4 x doff
//!  | size   | doff | type | channel | extended   | body ...      size counts everything
//!
//!  "AMQP" | protocol id | 1 | 0 | 0                              protocol header, 8 bytes
//! ```
//!
//! Source: AMQP 1.0 part 2, sections 2.2 and 2.3.

use bytes::{BufMut, BytesMut};

use super::error::DecodeError;
use crate::limits::AMQP_FRAME_HEADER_BYTES;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A performative and perhaps a payload, or nothing: a heartbeat.
    Amqp,
    /// A step of the SASL exchange.
    Sasl,
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body holds.
    pub kind: FrameKind,
    /// Channel of the sender; without meaning in SASL frames.
    pub channel: u16,
    /// The bytes after header and extended header.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads one frame; `None` asks for more bytes, the number is what was consumed.
    ///
    /// The size is checked as soon as the first four bytes are there.
    ///
    /// # Errors
    /// [`DecodeError`] for a size, data offset or type out of bounds.
    pub fn decode(input: &'a [u8], max_size: u32) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(&size) = input.first_chunk::<4>() else { return Ok(None) };
        let size = u32::from_be_bytes(size);
        if size < AMQP_FRAME_HEADER_BYTES || size > max_size {
            return Err(DecodeError::FrameSize(size));
        }
        let len = usize::try_from(size).map_err(|_| DecodeError::FrameSize(size))?;
        let Some(frame) = input.get(..len) else { return Ok(None) };
        let doff = frame[4];
        let body = match frame.get(usize::from(doff) * 4..) {
            Some(body) if doff >= 2 => body,
            _ => return Err(DecodeError::DataOffset(doff)),
        };
        let kind = match frame[5] {
            0 => FrameKind::Amqp,
            1 => FrameKind::Sasl,
            other => return Err(DecodeError::FrameType(other)),
        };
        let channel = u16::from_be_bytes([frame[6], frame[7]]);
        Ok(Some((Self { kind, channel, body }, len)))
    }
}

/// Appends one frame, whose body `body` appends.
pub fn write_frame(
    out: &mut BytesMut,
    kind: FrameKind,
    channel: u16,
    body: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    out.put_u32(0);
    out.put_u8(2);
    out.put_u8(u8::from(kind == FrameKind::Sasl));
    out.put_u16(channel);
    body(out);
    let size = u32::try_from(out.len() - start).expect("frames are far below 4 GiB");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// The frame that only says "still here".
pub const EMPTY_FRAME: [u8; 8] = [0, 0, 0, 8, 2, 0, 0, 0];

/// The eight bytes that begin each layer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolHeader {
    /// AMQP itself.
    Amqp,
    /// The SASL layer before it.
    Sasl,
}

impl ProtocolHeader {
    /// Length of every header.
    pub const LEN: usize = 8;

    /// The bytes on the wire.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8; Self::LEN] {
        match self {
            Self::Amqp => b"AMQP\x00\x01\x00\x00",
            Self::Sasl => b"AMQP\x03\x01\x00\x00",
        }
    }

    /// Reads a header; `Err` as soon as the bytes can no longer become one that is supported.
    ///
    /// # Errors
    /// [`UnsupportedHeader`] for any other beginning.
    pub fn decode(input: &[u8]) -> Result<Option<Self>, UnsupportedHeader> {
        let len = input.len().min(Self::LEN);
        let mut known = [Self::Amqp, Self::Sasl].into_iter();
        match known.find(|header| header.as_bytes()[..len] == input[..len]) {
            None => Err(UnsupportedHeader),
            Some(_) if len < Self::LEN => Ok(None),
            Some(header) => Ok(Some(header)),
        }
    }
}

/// The peer speaks something else than AMQP 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first bytes are no AMQP 1.0 header")]
pub struct UnsupportedHeader;

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn reads_a_frame_and_skips_the_extended_header() {
        let bytes = hex!("00000010 03 00 0102 deadbeef 00531840 ff");
        let (frame, used) = Frame::decode(&bytes, 512).unwrap().unwrap();
        assert_eq!(used, 16);
        assert_eq!((frame.kind, frame.channel), (FrameKind::Amqp, 0x0102));
        assert_eq!(frame.body, hex!("00531840"));
        for len in 0..16 {
            assert_eq!(Frame::decode(&bytes[..len], 512), Ok(None), "{len}");
        }
    }

    #[test]
    fn refuses_headers_out_of_bounds() {
        for (bytes, error) in [
            (hex!("00000007 02000000"), DecodeError::FrameSize(7)),
            (hex!("00000201 02000000"), DecodeError::FrameSize(513)),
            (hex!("ffffffff 02000000"), DecodeError::FrameSize(u32::MAX)),
            (hex!("00000008 01000000"), DecodeError::DataOffset(1)),
            (hex!("00000008 03000000"), DecodeError::DataOffset(3)),
            (hex!("00000008 02020000"), DecodeError::FrameType(2)),
        ] {
            assert_eq!(Frame::decode(&bytes, 512), Err(error));
        }
        assert_eq!(Frame::decode(&hex!("00000201"), 512), Err(DecodeError::FrameSize(513)));
    }

    #[test]
    fn headers_are_known_by_their_first_wrong_byte() {
        assert_eq!(ProtocolHeader::decode(b"AMQP\0\x01\0\0"), Ok(Some(ProtocolHeader::Amqp)));
        assert_eq!(ProtocolHeader::decode(b"AMQP\x03\x01\0\0x"), Ok(Some(ProtocolHeader::Sasl)));
        assert_eq!(ProtocolHeader::decode(b"AMQP\x03"), Ok(None));
        for wrong in [&b"AMQP\x02\x01\0\0"[..], b"GET ", b"AMQP\0\x01\0\x01", b"AMQP\0\0\x09\x01"] {
            assert_eq!(ProtocolHeader::decode(wrong), Err(UnsupportedHeader));
        }
    }

    #[test]
    fn an_empty_frame_is_eight_bytes() {
        let mut out = BytesMut::new();
        write_frame(&mut out, FrameKind::Amqp, 0, |_| ());
        assert_eq!(out[..], EMPTY_FRAME);
    }
}
