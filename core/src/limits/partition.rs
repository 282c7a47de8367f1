//! Bounds of hubs and their partitions in the commit logs.

/// Hubs of a process. One more is refused when it is to be created.
pub const HUBS_MAX: usize = 10_000;

/// Hubs with numbers of their own on the page of numbers. The others are counted there.
pub const METRICS_HUBS_MAX: usize = 1000;

/// Partitions of all hubs in one commit log: each that ever had an event has its position in the
/// header of every segment. A hub that would bring more is refused when it is to be created.
pub const LOG_PARTITIONS_MAX: usize = 65_535;

/// Partitions with events in one commit, and so chunks of a commit. A commit takes no further
/// record at the bound; the rest goes into the next.
pub const COMMIT_CHUNKS_MAX: usize = 1024;
