//! What threads measure of themselves, without a lock and without a clock.
//!
//! Every number has one writer, the thread that owns what is counted, and any number of readers. A
//! reader may see one number newer than another; each of them only ever grows or is set whole.

mod counter;
mod histogram;

pub use counter::Counter;
pub use histogram::{BUCKETS, Histogram, Snapshot, bucket_end};
