//! METRICS: what the threads have counted, as a page of Prometheus's text format.
//!
//! ```text
//!  shard: GET /metrics ─▶ token? ─▶ inspector thread: reads everybody's counters ─▶ page ─▶ mail to the shard
//! ```
//!
//! The threads of the data path write numbers of their own and are not asked for them: the
//! inspector reads them where they stand, so a page costs a shard the check of a token, and the
//! sending of its bytes.

mod blobs;
mod certificates;
mod executors;
mod hubs;
mod inspector;
mod page;
mod process;
mod quotas;
mod registry;
mod shards;
mod stages;

pub use inspector::{Inspector, InspectorThread, Requests, Sources, inspector};
pub use page::{Family, Kind, Page};
