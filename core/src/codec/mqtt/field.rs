//! Reader and writer of the fields inside a packet.

use core::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use memchr::{memchr, memchr3};

use super::error::{DecodeError, EncodeError};
use crate::codec::utf8::utf8;
use crate::id::PacketId;

/// Takes fields from the front of a packet body whose length is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Everything that has not been taken.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn u8(&mut self) -> Result<u8, DecodeError> {
        let Some((&value, rest)) = self.0.split_first() else {
            return Err(DecodeError::Truncated);
        };
        self.0 = rest;
        Ok(value)
    }

    pub(super) const fn u16(&mut self) -> Result<u16, DecodeError> {
        let Some((value, rest)) = self.0.split_first_chunk() else {
            return Err(DecodeError::Truncated);
        };
        self.0 = rest;
        Ok(u16::from_be_bytes(*value))
    }

    /// [MQTT-2.3.1-1]
    pub(super) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        NonZeroU16::new(self.u16()?).map(PacketId).ok_or(DecodeError::ZeroPacketId)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::from(self.u16()?);
        let (value, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(value)
    }

    /// [MQTT-1.5.3-1], [MQTT-1.5.3-2]
    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let text = utf8(self.binary()?).ok_or(DecodeError::Utf8)?;
        if memchr(0, text.as_bytes()).is_some() { Err(DecodeError::Nul) } else { Ok(text) }
    }

    /// Reads a topic name: at least one character, no wildcard.
    pub(super) fn topic_name(&mut self) -> Result<&'a str, DecodeError> {
        let topic = utf8(self.binary()?).ok_or(DecodeError::Utf8)?;
        if topic.is_empty() {
            return Err(DecodeError::EmptyTopic); // [MQTT-4.7.3-1]
        }
        match memchr3(0, b'+', b'#', topic.as_bytes()) {
            None => Ok(topic),
            Some(at) if topic.as_bytes()[at] == 0 => Err(DecodeError::Nul), // [MQTT-1.5.3-2]
            Some(_) => Err(DecodeError::TopicWildcard),                     // [MQTT-3.3.2-2]
        }
    }

    /// Reads a topic filter: at least one character, wildcards only where they may stand.
    pub(super) fn filter(&mut self) -> Result<&'a str, DecodeError> {
        let filter = self.text()?;
        if filter.is_empty() {
            return Err(DecodeError::EmptyTopic); // [MQTT-4.7.3-1]
        }
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            let last = levels.peek().is_none();
            let hash_misplaced = level.contains('#') && !(level == "#" && last); // [MQTT-4.7.1-2]
            let plus_misplaced = level.contains('+') && level != "+"; // [MQTT-4.7.1-3]
            if hash_misplaced || plus_misplaced {
                return Err(DecodeError::Wildcard);
            }
        }
        Ok(filter)
    }

    pub(super) const fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// Size of a field with its two-byte length.
///
/// # Errors
/// [`EncodeError::FieldTooLong`] when the length does not fit two bytes.
pub(super) fn sized(field: &[u8]) -> Result<usize, EncodeError> {
    field_len(field).map(|len| 2 + usize::from(len))
}

fn field_len(field: &[u8]) -> Result<u16, EncodeError> {
    u16::try_from(field.len()).map_err(|_| EncodeError::FieldTooLong(field.len()))
}

/// Writes a field after its two-byte length.
pub(super) fn put_sized(field: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    out.put_u16(field_len(field)?);
    out.put_slice(field);
    Ok(())
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn texts_are_utf8_without_nul() {
        assert_eq!(Fields::new(&hex!("0002 c3a4")).text(), Ok("ä"));
        assert_eq!(Fields::new(&hex!("0000")).text(), Ok(""));
        assert_eq!(Fields::new(&hex!("0001 c3")).text(), Err(DecodeError::Utf8));
        // A surrogate, U+D800, is ill-formed in UTF-8.
        assert_eq!(Fields::new(&hex!("0003 eda080")).text(), Err(DecodeError::Utf8));
        assert_eq!(Fields::new(&hex!("0003 610062")).text(), Err(DecodeError::Nul));
        assert_eq!(Fields::new(&hex!("0003 6161")).text(), Err(DecodeError::Truncated));
        assert_eq!(Fields::new(&hex!("00")).text(), Err(DecodeError::Truncated));
    }

    #[test]
    fn topic_names_have_no_wildcard() {
        let read = |topic: &str| {
            let mut bytes = BytesMut::new();
            put_sized(topic.as_bytes(), &mut bytes).unwrap();
            Fields::new(&bytes).topic_name().map(str::len)
        };
        for good in ["a", "/", "$iothub/twin/GET/?$rid=1", "ä%2B%23"] {
            assert_eq!(read(good), Ok(good.len()), "{good}");
        }
        for bad in ["+", "#", "a/+", "a/#", "a+b", "a=b#", "+/\0"] {
            assert_eq!(read(bad), Err(DecodeError::TopicWildcard), "{bad}");
        }
        assert_eq!(read("a\0+"), Err(DecodeError::Nul));
        assert_eq!(read(""), Err(DecodeError::EmptyTopic));
    }

    #[test]
    fn wildcards_fill_their_level() {
        let read = |filter: &str| {
            let mut bytes = BytesMut::new();
            put_sized(filter.as_bytes(), &mut bytes).unwrap();
            Fields::new(&bytes).filter().map(str::len)
        };
        for good in ["#", "a/#", "+", "+/a/+", "/", "a//b", "$iothub/twin/res/#"] {
            assert_eq!(read(good), Ok(good.len()), "{good}");
        }
        for bad in ["a#", "#/a", "a/b#", "a+", "a/+b/c", "##"] {
            assert_eq!(read(bad), Err(DecodeError::Wildcard), "{bad}");
        }
        assert_eq!(read(""), Err(DecodeError::EmptyTopic));
    }

    #[test]
    fn refuses_fields_that_do_not_fit() {
        let long = vec![b'a'; 65_536];
        assert_eq!(sized(&long), Err(EncodeError::FieldTooLong(65_536)));
        assert_eq!(sized(&long[1..]), Ok(65_537));
    }
}
