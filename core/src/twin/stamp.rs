//! When each node of a section last changed, and how that is stored.
//!
//! The stamps of a tree are stored as numbers in the order of a walk through it, parents first and
//! names in order, each relative to the one before. Their places are those of the stored
//! properties, so no name is stored twice.

use crate::time::UnixMillis;

/// The last change of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When.
    pub(super) updated: UnixMillis,
    /// Version of the section after the change; zero where versions are not told.
    pub(super) version: u64,
}

/// A stored twin has no meaning: its file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored twin is damaged")]
pub struct DamagedTwin;

/// Bytes of the stamps of most sections.
const CAPACITY: usize = 128;

/// Writes stamps in the order of the walk.
#[derive(Debug)]
pub(super) struct StampWriter {
    bytes: Vec<u8>,
    last: Stamp,
}

impl StampWriter {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(CAPACITY), last: Stamp::default() }
    }

    pub(super) fn push(&mut self, stamp: Stamp) {
        if stamp == self.last {
            return self.bytes.extend_from_slice(&[0, 0]);
        }
        let millis = stamp.updated.as_millis().wrapping_sub(self.last.updated.as_millis());
        self.push_number(millis);
        self.push_number(stamp.version.wrapping_sub(self.last.version).cast_signed());
        self.last = stamp;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Seven bits per byte, small magnitudes first.
    fn push_number(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
}

/// Reads stamps in the order of the walk.
#[derive(Debug)]
pub(super) struct StampReader<'b> {
    bytes: &'b [u8],
    last: Stamp,
}

impl<'b> StampReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, last: Stamp::default() }
    }

    pub(super) fn next(&mut self) -> Result<Stamp, DamagedTwin> {
        let millis = self.last.updated.as_millis().wrapping_add(self.number()?);
        let version = self.last.version.wrapping_add(self.number()?.cast_unsigned());
        self.last = Stamp { updated: UnixMillis::from_millis(millis), version };
        Ok(self.last)
    }

    /// True when every stamp was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn number(&mut self) -> Result<i64, DamagedTwin> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.bytes.split_first().ok_or(DamagedTwin)?;
            self.bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(DamagedTwin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_survive_and_damage_is_seen() {
        let stamps = [(0, 0), (i64::MAX, u64::MAX), (i64::MIN, 1), (-1, 0), (1_700_000_000_000, 7)]
            .map(|(millis, version)| Stamp { updated: UnixMillis::from_millis(millis), version });
        let mut writer = StampWriter::new();
        stamps.into_iter().for_each(|stamp| writer.push(stamp));
        let bytes = writer.finish();
        let mut reader = StampReader::new(&bytes);
        for stamp in stamps {
            assert_eq!(reader.next(), Ok(stamp));
        }
        assert!(reader.is_empty());
        assert_eq!(reader.next(), Err(DamagedTwin));
        assert_eq!(StampReader::new(&[0xff; 20]).next(), Err(DamagedTwin));
    }

    #[test]
    fn equal_stamps_take_two_bytes() {
        let stamp = Stamp { updated: UnixMillis::from_millis(1_700_000_000_000), version: 3 };
        let mut writer = StampWriter::new();
        (0..10).for_each(|_| writer.push(stamp));
        assert_eq!(writer.finish().len(), 7 + 9 * 2);
    }
}
