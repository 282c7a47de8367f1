//! Bounds of hubs and their partitions in the commit logs.

/// Hubs of a process. One more is refused when it is to be created.
pub const HUBS_MAX: usize = 10_000;

/// Partitions of all hubs in one commit log: each that ever had an event has its position in the
/// header of every segment. A hub that would bring more is refused when it is to be created.
pub const LOG_PARTITIONS_MAX: usize = 64 * 1024;

/// Partitions with events in one commit, and so chunks of a commit. A commit takes no further
/// record at the bound; the rest goes into the next.
pub const COMMIT_CHUNKS_MAX: usize = 1024;
