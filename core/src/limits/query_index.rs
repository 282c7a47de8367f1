//! Bounds of indexes for queries.

/// Most indexes of a hub. One more: refused as a bad argument.
pub const QUERY_INDEXES_MAX: usize = 16;

/// Longest path of an index, in bytes. Longer: refused as a bad argument.
pub const QUERY_INDEX_PATH_BYTES_MAX: usize = 512;

/// Longest name of an index, in bytes. Longer: refused as a bad argument.
pub const QUERY_INDEX_NAME_BYTES_MAX: usize = 64;

/// Twins that one transaction of the building of an index notes, and keys that one transaction
/// forgets when it was deleted: what others wait for at most.
pub const QUERY_INDEX_TURN_TWINS: usize = 256;

/// Values that an index is asked for by one query. More: the query does not use it.
pub const QUERY_INDEX_VALUES_MAX: usize = 64;

/// Ids of devices that a look into an index gives at a time.
pub const QUERY_INDEX_LOOK_DEVICES: usize = 256;
