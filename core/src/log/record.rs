//! One event, from the shard that encoded it to the reader that gets it.
//!
//! ```text
//! ┌──────────────────────┬──────────────────────────┬──────────────────────┬─────────────────┐
//! │ RecordHeader, 48     │ annotation pairs         │ sections             │ zeros to 8      │
//! └──────────────────────┴──────────────────────────┴──────────────────────┴─────────────────┘
//! ```
//!
//! Annotations are AMQP map elements without the map around them, so that a reader adds offset,
//! sequence number and enqueued time without touching the rest. Sections go out as they stand.

use bytes::BufMut;
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::LastEvent;
use crate::id::{HubId, HubPartition, PartitionId};
use crate::limits::RECORD_BYTES_MAX;
use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::time::UnixMillis;

/// Lengths of records are multiples of this.
pub const RECORD_ALIGN: usize = 8;

/// Length of [`RecordHeader`].
pub const RECORD_HEADER_BYTES: usize = size_of::<RecordHeader>();

/// Head of a record. The last three positions are zero until the executor stamps them.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RecordHeader {
    record_len: U32,
    annotations_len: U32,
    sections_len: U32,
    annotation_count: U16,
    partition: U16,
    offset: U64,
    sequence_number: U64,
    enqueued_time_ms: I64,
    hub: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<RecordHeader>() == 48);

/// What a shard knows of an event.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Hub that the device belongs to.
    pub hub: HubId,
    /// Partition that the device belongs to.
    pub partition: PartitionId,
    /// AMQP map elements in `annotations`: two per pair.
    pub annotation_count: u16,
    /// Encoded keys and values for the message annotations.
    pub annotations: &'a [u8],
    /// Encoded sections after the message annotations.
    pub sections: &'a [u8],
}

/// The record would be longer than [`RECORD_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {0} bytes is too large")]
pub struct RecordTooLarge(pub usize);

/// Appends `record` to `out`, unstamped, and returns its length.
///
/// # Errors
/// [`RecordTooLarge`]: nothing was written.
pub fn encode_record(
    record: &NewRecord<'_>,
    out: &mut impl BufMut,
) -> Result<usize, RecordTooLarge> {
    let NewRecord { hub, partition, annotation_count, annotations, sections } = *record;
    let (annotations_len, sections_len) = (annotations.len(), sections.len());
    let content = Content { hub, partition, annotation_count, annotations_len, sections_len };
    out.put_slice(content.header()?.as_bytes());
    out.put_slice(annotations);
    out.put_slice(sections);
    out.put_bytes(0, content.padding_len());
    Ok(content.record_len())
}

/// What stands behind the header of a record that is written in place.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Hub that the device belongs to.
    pub hub: HubId,
    /// Partition that the device belongs to.
    pub partition: PartitionId,
    /// AMQP map elements in the annotations: two per pair.
    pub annotation_count: u16,
    /// Bytes of the annotations.
    pub annotations_len: usize,
    /// Bytes of the sections, which follow the annotations.
    pub sections_len: usize,
}

impl Content {
    /// The header to write before it, unstamped.
    ///
    /// # Errors
    /// [`RecordTooLarge`]: no such record can be.
    pub fn header(&self) -> Result<RecordHeader, RecordTooLarge> {
        let len = self.record_len();
        let small = |len: usize| u32::try_from(len).ok().filter(|_| len <= RECORD_BYTES_MAX);
        let lengths = (small(len), small(self.annotations_len), small(self.sections_len));
        let (Some(record_len), Some(annotations_len), Some(sections_len)) = lengths else {
            return Err(RecordTooLarge(len));
        };
        Ok(RecordHeader {
            record_len: record_len.into(),
            annotations_len: annotations_len.into(),
            sections_len: sections_len.into(),
            annotation_count: self.annotation_count.into(),
            partition: self.partition.0.into(),
            offset: U64::ZERO,
            sequence_number: U64::ZERO,
            enqueued_time_ms: I64::ZERO,
            hub: self.hub.0.into(),
            reserved: U32::ZERO,
        })
    }

    /// Zeros to write behind it.
    #[must_use]
    pub fn padding_len(&self) -> usize {
        self.record_len() - self.used_len()
    }

    fn record_len(&self) -> usize {
        self.used_len().next_multiple_of(RECORD_ALIGN)
    }

    fn used_len(&self) -> usize {
        RECORD_HEADER_BYTES + self.annotations_len + self.sections_len
    }
}

/// Writes the positions of an event into its record.
///
/// # Errors
/// [`DamagedRecord`]: `record` has no room for a header.
pub fn stamp(record: &mut [u8], event: LastEvent) -> Result<(), DamagedRecord> {
    let (header, _) = RecordHeader::mut_from_prefix(record).map_err(|_| DamagedRecord { at: 0 })?;
    header.offset = event.offset.0.into();
    header.sequence_number = event.sequence_number.0.into();
    header.enqueued_time_ms = event.enqueued_time.0.as_millis().into();
    Ok(())
}

/// The lengths in a record contradict each other or lead outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record at byte {at} is damaged")]
pub struct DamagedRecord {
    /// Where the record begins.
    pub at: usize,
}

/// A record whose lengths were checked.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    header: &'a RecordHeader,
    bytes: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Takes the record at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// [`DamagedRecord`] when lengths do not fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DamagedRecord> {
        Self::checked(bytes).ok_or(DamagedRecord { at: 0 })
    }

    fn checked(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = RecordHeader::ref_from_prefix(bytes).ok()?;
        let len = usize::try_from(header.record_len.get()).ok()?;
        let annotations = usize::try_from(header.annotations_len.get()).ok()?;
        let sections = usize::try_from(header.sections_len.get()).ok()?;
        let used = RECORD_HEADER_BYTES.checked_add(annotations)?.checked_add(sections)?;
        let padded = used.checked_next_multiple_of(RECORD_ALIGN)?;
        (padded == len).then_some(())?;
        Some(Self { header, bytes: bytes.get(..len)? })
    }

    /// The whole record, header and padding included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Hub of the device.
    #[must_use]
    pub fn hub(&self) -> HubId {
        HubId(self.header.hub.get())
    }

    /// Partition of the device.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        PartitionId(self.header.partition.get())
    }

    /// Hub and partition of the device.
    #[must_use]
    pub fn place(&self) -> HubPartition {
        HubPartition { hub: self.hub(), partition: self.partition() }
    }

    /// Position in the partition.
    #[must_use]
    pub fn offset(&self) -> Offset {
        Offset(self.header.offset.get())
    }

    /// Number in the partition.
    #[must_use]
    pub fn sequence_number(&self) -> SequenceNumber {
        SequenceNumber(self.header.sequence_number.get())
    }

    /// When the event was appended.
    #[must_use]
    pub fn enqueued_time(&self) -> EnqueuedTime {
        EnqueuedTime(UnixMillis::from_millis(self.header.enqueued_time_ms.get()))
    }

    /// The three stamps together.
    #[must_use]
    pub fn event(&self) -> LastEvent {
        LastEvent {
            sequence_number: self.sequence_number(),
            offset: self.offset(),
            enqueued_time: self.enqueued_time(),
        }
    }

    /// AMQP map elements in [`annotations`](Self::annotations).
    #[must_use]
    pub fn annotation_count(&self) -> u16 {
        self.header.annotation_count.get()
    }

    /// Encoded keys and values for the message annotations.
    #[must_use]
    pub fn annotations(&self) -> &'a [u8] {
        &self.bytes[RECORD_HEADER_BYTES..self.sections_start()]
    }

    /// Encoded sections after the message annotations.
    #[must_use]
    pub fn sections(&self) -> &'a [u8] {
        let start = self.sections_start();
        &self.bytes[start..start + self.header.sections_len.get() as usize]
    }

    fn sections_start(&self) -> usize {
        RECORD_HEADER_BYTES + self.header.annotations_len.get() as usize
    }
}

/// Iterates over records that stand back to back; ends after the first damaged one.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// Iterates over `bytes`, which hold nothing but records.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, DamagedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let at = self.at;
        let record = RecordView::checked(rest);
        self.at = record.map_or(self.bytes.len(), |record| at + record.bytes.len());
        Some(record.ok_or(DamagedRecord { at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        let record = NewRecord {
            hub: HubId(7),
            partition: PartitionId(3),
            annotation_count: 2,
            annotations: b"\xa3\x01k\xa1\x01v",
            sections: b"\x00\x53\x75\xa0\x01x",
        };
        assert_eq!(encode_record(&record, &mut out), Ok(64));
        out
    }

    #[test]
    fn lays_a_record_out_as_documented() {
        let mut bytes = sample();
        let event = LastEvent {
            sequence_number: SequenceNumber(2),
            offset: Offset(0x100),
            enqueued_time: EnqueuedTime(UnixMillis::from_millis(1_700_000_000_000)),
        };
        stamp(&mut bytes, event).expect("a record");
        let expected = hex!(
            "40000000 06000000 06000000 0200 0300" // lengths, elements, partition
            "0001000000000000 0200000000000000 0068e5cf8b010000" // offset, number, time
            "07000000 00000000" // hub, reserved
            "a3016ba10176" "005375a00178" "00000000" // annotations, sections, padding
        );
        assert_eq!(bytes, expected);
        let view = RecordView::parse(&bytes).expect("valid");
        assert_eq!((view.annotations(), view.sections()), (&expected[48..54], &expected[54..60]));
        assert_eq!((view.event(), view.hub(), view.annotation_count()), (event, HubId(7), 2));
    }

    #[test]
    fn iterates_and_stops_at_damage() {
        let one = sample();
        let two = [one.clone(), one.clone()].concat();
        assert_eq!(Records::new(&two).filter(Result::is_ok).count(), 2);
        for position in 64..76 {
            let mut damaged = two.clone();
            damaged[position] ^= 0x55;
            let mut records = Records::new(&damaged);
            assert!(records.next().is_some_and(|r| r.is_ok()), "{position}");
            assert_eq!(records.next().and_then(Result::err), Some(DamagedRecord { at: 64 }));
            assert!(records.next().is_none());
        }
        assert!(Records::new(&one[..40]).next().is_some_and(|r| r.is_err()));
        assert!(Records::new(&[0; 64]).next().is_some_and(|r| r.is_err()), "length zero");
    }

    #[test]
    fn refuses_a_record_above_the_limit() {
        let record = NewRecord {
            hub: HubId(0),
            partition: PartitionId(0),
            annotation_count: 0,
            annotations: &[],
            sections: &vec![0; RECORD_BYTES_MAX - RECORD_HEADER_BYTES + 1],
        };
        let mut out = Vec::new();
        assert_eq!(encode_record(&record, &mut out), Err(RecordTooLarge(RECORD_BYTES_MAX + 8)));
        assert!(out.is_empty());
    }
}
