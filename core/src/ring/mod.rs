//! RING: single-producer single-consumer byte ring of variable-length records, one per shard and executor.
