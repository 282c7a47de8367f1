//! Bounds of hubs as a resource.

use core::time::Duration;

/// Shared access policies of a hub. More: refused as a bad argument.
pub const POLICIES_MAX: usize = 100;

/// Longest text in bytes that the resource provider keeps of a hub: that of all its properties and
/// tags. Longer: refused as a bad argument.
pub const HUB_RESOURCE_BYTES_MAX: usize = 256 * 1024;

/// Least time for which the events of a hub are kept.
pub const RETENTION_MIN: Duration = Duration::from_hours(1);

/// Longest time for which the events of a hub are kept.
///
/// Source: control-plane reference, "Hub resource".
pub const RETENTION_MAX: Duration = Duration::from_hours(168);

/// Rows that one step of the removal of a hub takes: a step takes the writer some milliseconds.
pub const HUB_REMOVAL_ROWS: usize = 512;

/// Connections that a shard tells in one turn that a hub was deleted: each may have much to end.
/// The others are told in the next turns.
pub const HUB_DELETION_CONNECTIONS_PER_TURN: usize = 256;
