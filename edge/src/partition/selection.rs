//! Which records of a chunk a reader gets.

use std::ops::Range;

use bytes::Bytes;
use ringhub_core::log::record::Records;
use ringhub_core::position::Offset;
use ringhub_core::reader::StartAt;

use super::walk::Resume;

/// Records for a reader, and where it goes on.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) records: Bytes,
    pub(super) next: Offset,
    /// Where that is in the segments, if the records came from there.
    pub(super) resume: Option<Resume>,
}

/// Whole records of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where they stand in the chunk.
    pub(super) range: Range<usize>,
    /// Offset after the last of them; `None` if there are none.
    pub(super) next: Option<Offset>,
    /// True if the next record had no room.
    pub(super) is_full: bool,
}

/// The records of a chunk, which was checked before, from the first that `start` admits on, as long
/// as they go into `room` bytes. The first record goes into any room if `is_first`.
pub(super) fn cut(chunk: &[u8], start: StartAt, room: usize, is_first: bool) -> Cut {
    let mut cut = Cut { range: 0..0, next: None, is_full: false };
    let mut at = 0;
    for record in Records::new(chunk) {
        let Ok(record) = record else { break };
        let len = record.bytes().len();
        let event = record.event();
        if cut.next.is_some() || start.admits(&event) {
            let begin = if cut.next.is_some() { cut.range.start } else { at };
            if at + len - begin > room && !(is_first && cut.next.is_none()) {
                cut.is_full = true;
                break;
            }
            cut.range = begin..at + len;
            cut.next = Some(Offset(event.offset.0 + len as u64));
        }
        at += len;
    }
    cut
}

/// Fewer bytes are copied, so that they do not hold on to all that was read with them.
const SHARED_BYTES_MIN: usize = 64 * 1024;

/// Records of one or more chunks, in order. Those of a single large chunk are not copied.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    shared: Bytes,
    copied: Vec<u8>,
    next: Option<Offset>,
}

impl Gathered {
    /// Takes records of `chunk`, which was checked before, from the first that `start` admits on.
    /// Once there is enough for an answer of up to `bytes_max`, returns where they end.
    pub(super) fn take(
        &mut self,
        chunk: &Bytes,
        start: StartAt,
        bytes_max: usize,
    ) -> Option<usize> {
        let room = bytes_max.saturating_sub(self.len());
        let Cut { range, next, is_full } = cut(chunk, start, room, self.next.is_none());
        let end = range.end;
        self.push(chunk.slice(range));
        self.next = next.or(self.next);
        (is_full || self.len() >= bytes_max / 2).then_some(end)
    }

    /// The records, if there are any.
    pub(super) fn finish(self, resume: Resume) -> Option<Selected> {
        let records = if self.copied.is_empty() { self.shared } else { self.copied.into() };
        self.next.map(|next| Selected { records, next, resume: Some(resume) })
    }

    fn len(&self) -> usize {
        self.shared.len() + self.copied.len()
    }

    fn push(&mut self, records: Bytes) {
        if self.len() == 0 && records.len() >= SHARED_BYTES_MIN {
            self.shared = records;
        } else {
            self.copied.extend_from_slice(&std::mem::take(&mut self.shared));
            self.copied.extend_from_slice(&records);
        }
    }
}
