//! SHARD: one pinned thread, one monoio runtime, its own listeners and connections.

pub mod mailbox;
