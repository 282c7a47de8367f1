//! The bytes and indices that both sides share.

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU64;

/// Records start at multiples of this, and their length takes this much.
pub(super) const WORD: usize = 8;

/// Stands where a length would when the next record is at the start of the buffer.
pub(super) const WRAP: u64 = u64::MAX;

/// Keeps two indices out of one another's cache lines; adjacent-line prefetch pairs lines of 64
/// bytes.
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// What both sides share.
///
/// Invariant: the bytes of positions `released..published` belong to the consumer, which only reads
/// them; all others belong to the producer. `published - released` is at most the capacity.
/// `published` rises only by the producer, `released` only by the consumer, each with a release
/// store that the other side acquires.
pub(super) struct Shared {
    bytes: Box<[UnsafeCell<u8>]>,
    pub(super) published: Padded<AtomicU64>,
    pub(super) released: Padded<AtomicU64>,
}

// SAFETY: the buffer is reached through `write` and `read` only, whose callers, the one producer
// and the one consumer, keep to the ranges of the invariant above; the indices that move the ranges
// are atomics with release and acquire.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            published: Padded(AtomicU64::new(0)),
            released: Padded(AtomicU64::new(0)),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Place of `position` in the buffer.
    pub(super) fn index(&self, position: u64) -> usize {
        // The remainder by a capacity that is a usize fits one.
        (position & (self.bytes.len() as u64 - 1)) as usize
    }

    /// Copies `data` to the buffer at `index`.
    ///
    /// # Safety
    /// The caller is the producer, and the range is the producer's by the invariant of [`Shared`].
    pub(super) unsafe fn write(&self, index: usize, data: &[u8]) {
        let target = &self.bytes[index..index + data.len()];
        // SAFETY: `target` is in bounds by the slicing above; the caller vouches that the consumer
        // does not look at it. The pointer stems from `UnsafeCell`s, so writing through a shared
        // reference is allowed.
        unsafe {
            let target = UnsafeCell::raw_get(target.as_ptr());
            core::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len());
        }
    }

    /// The `len` bytes at `index`.
    ///
    /// # Safety
    /// The caller is the consumer, the range is the consumer's by the invariant of [`Shared`], and
    /// it stays so for the life of the slice.
    pub(super) unsafe fn read(&self, index: usize, len: usize) -> &[u8] {
        let source = &self.bytes[index..index + len];
        // SAFETY: in bounds by the slicing above and initialised since `new`; the caller vouches
        // that the producer does not write it while the slice lives.
        unsafe { core::slice::from_raw_parts(UnsafeCell::raw_get(source.as_ptr()), len) }
    }
}
