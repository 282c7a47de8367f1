//! LOG: the format of the commit log and its recovery, without IO.
//!
//! ```text
//! segment file   ┌────────────────┬──────────┬──────────┬─────┬──────────┬─ ─ ─ ─ ─ ─
//!                │ segment header │ commit n │ commit   │ ... │ commit m │ zeros
//!                └────────────────┴──────────┴──────────┴─────┴──────────┴─ ─ ─ ─ ─ ─
//! commit         ┌───────────────┬─────────────┬─────────────────┬─────────────────┬─────────┐
//!                │ commit header │ chunk table │ chunk: partition│ chunk: partition│ padding │
//!                └───────────────┴─────────────┴─────────────────┴─────────────────┴─────────┘
//! chunk          records of one partition, back to back, with a checksum of its own
//! ```
//!
//! One log serves all partitions of one executor, of whatever hub, so that one write and one sync
//! commit for all of them. Every commit names the log, its segment, its number and the checksum of
//! the commit before it; what an earlier use of the file left behind never passes for a commit. All
//! numbers are little endian.

pub mod commit;
pub mod index;
pub mod record;
pub mod recovery;
pub mod retention;
pub mod rewrite;
pub mod segment;

mod error;
mod state;
mod states;

pub use error::LogError;
pub use state::{LastEvent, PartitionState};
pub use states::States;

/// Name of one commit log: chosen at random when the log is made, and part of every commit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId(pub [u8; 16]);

/// Number of a segment within its log, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNumber(pub u64);

/// Number of a commit within its log, from 0, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber(pub u64);

/// Byte position in a segment file; never to be mixed up with an
/// [`Offset`](crate::position::Offset).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePosition(pub u64);

/// Checksum of a commit header, and the link of the next commit to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain(pub u64);

/// Unit of writing: positions and lengths of commits are multiples of it. Direct IO to devices with
/// larger sectors takes the device's.
pub const BLOCK_BYTES: usize = 4096;

/// CRC-64/NVME, which common processors compute at memory speed.
fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}
