//! The first two to five bytes of every packet.
//!
//! ```text
//!  byte 0                    bytes 1..=4
//! ┌───────────┬───────────┐ ┌──────────────────────────────────────┐
//! │ type 7..4 │ flags 3..0│ │ remaining length, 7 bits per byte,   │
//! │           │           │ │ least significant first, bit 7: more │
//! └───────────┴───────────┘ └──────────────────────────────────────┘
//! ```

use bytes::{BufMut, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::packet_type::PacketType;

/// Largest value of the remaining length (MQTT 3.1.1 section 2.2.3).
pub const REMAINING_LENGTH_MAX: usize = 268_435_455;

/// Type, flags and length of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// What the packet is.
    pub packet_type: PacketType,
    /// Low four bits of the first byte.
    pub flags: u8,
    /// Bytes after the fixed header.
    pub remaining: usize,
}

impl FixedHeader {
    /// Reads a fixed header and gives its size; `None` asks for more bytes.
    ///
    /// The first byte is judged as soon as it is there.
    ///
    /// # Errors
    /// [`DecodeError`] for a reserved type, flags or a fifth length byte.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some((&first, length)) = bytes.split_first() else { return Ok(None) };
        let number = first >> 4;
        let packet_type = PacketType::from_number(number).ok_or(match number {
            5..=7 => DecodeError::ExactlyOnce(number),
            _ => DecodeError::ReservedPacketType(number),
        })?;
        let flags = first & 0x0f;
        // [MQTT-2.2.2-2]
        if packet_type.prescribed_flags().is_some_and(|prescribed| prescribed != flags) {
            return Err(DecodeError::ReservedFlags { packet_type, flags });
        }
        let Some((remaining, size)) = decode_length(length)? else { return Ok(None) };
        Ok(Some((Self { packet_type, flags, remaining }, 1 + size)))
    }
}

fn decode_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(DecodeError::RemainingLength) }
}

/// Writes a fixed header and makes room for the rest of the packet.
pub(super) fn encode(
    packet_type: PacketType,
    flags: u8,
    remaining: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if remaining > REMAINING_LENGTH_MAX {
        return Err(EncodeError::PacketTooLong(remaining));
    }
    out.reserve(5 + remaining);
    out.put_u8((packet_type as u8) << 4 | flags);
    let mut rest = remaining;
    while rest > 0x7f {
        out.put_u8(low_seven_bits(rest) | 0x80);
        rest >>= 7;
    }
    out.put_u8(low_seven_bits(rest));
    Ok(())
}

const fn low_seven_bits(value: usize) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn remaining_length_uses_one_to_four_bytes() {
        // The table of MQTT 3.1.1 section 2.2.3.
        let cases: [(usize, &[u8]); 8] = [
            (0, &hex!("00")),
            (127, &hex!("7f")),
            (128, &hex!("80 01")),
            (16_383, &hex!("ff 7f")),
            (16_384, &hex!("80 80 01")),
            (2_097_151, &hex!("ff ff 7f")),
            (2_097_152, &hex!("80 80 80 01")),
            (268_435_455, &hex!("ff ff ff 7f")),
        ];
        for (value, bytes) in cases {
            assert_eq!(decode_length(bytes), Ok(Some((value, bytes.len()))));
            for cut in 0..bytes.len() {
                assert_eq!(decode_length(&bytes[..cut]), Ok(None), "{value} cut at {cut}");
            }
        }
    }

    #[test]
    fn remaining_length_is_written_as_it_is_read() {
        for value in [0, 127, 128, 16_383, 16_384, 100_000] {
            let mut out = BytesMut::new();
            encode(PacketType::Publish, 0, value, &mut out).unwrap();
            assert_eq!(decode_length(&out[1..]), Ok(Some((value, out.len() - 1))));
        }
        let too_long =
            encode(PacketType::Publish, 0, REMAINING_LENGTH_MAX + 1, &mut BytesMut::new());
        assert_eq!(too_long, Err(EncodeError::PacketTooLong(REMAINING_LENGTH_MAX + 1)));
    }

    #[test]
    fn rejects_a_fifth_length_byte() {
        assert_eq!(FixedHeader::decode(&hex!("30 ff ff ff ff")), Err(DecodeError::RemainingLength));
    }

    #[test]
    fn judges_the_first_byte_alone() {
        for first in 0..=u8::MAX {
            let decoded = FixedHeader::decode(&[first]);
            let (number, flags) = (first >> 4, first & 0x0f);
            let expected = match (number, flags) {
                (0 | 15, _) => Err(DecodeError::ReservedPacketType(number)),
                (5..=7, _) => Err(DecodeError::ExactlyOnce(number)),
                (3, _) | (8 | 10, 2) | (1 | 2 | 4 | 9 | 11..=14, 0) => Ok(None),
                _ => {
                    let packet_type = PacketType::from_number(number).unwrap();
                    Err(DecodeError::ReservedFlags { packet_type, flags })
                }
            };
            assert_eq!(decoded, expected, "{first:#04x}");
        }
    }
}
