//! PARTITION: one pinned glommio thread per executor, owning one commit log and the partitions
//! assigned to it.
//!
//! Shards push records into rings and ask questions over channels; executors commit the records,
//! store how far each ring is on disk, and answer through the mailboxes of the shards. Nothing is
//! acknowledged, and no reader sees anything, before the sync of its commit and of all before it
//! has returned.

mod appender;
mod batch;
mod catch_up;
mod committing;
mod config;
mod counters;
mod error;
mod executor;
mod handle;
mod hubs;
mod marks;
mod noting;
mod open;
mod orders;
mod pipeline;
mod prepare;
mod purge;
mod readers;
mod request;
mod retention;
mod rewrite;
mod segment_file;
mod selection;
mod slots;
mod status;
mod table;
mod tail;
mod view;
mod walk;

pub use config::PartitionsConfig;
pub use counters::{ExecutorCounters, PartitionCounters, ReaderCounters};
pub use error::StartError;
pub use handle::{PartitionsHandle, start};
pub use hubs::{HubLog, HubPartitions, HubRefused};
pub use open::Recovery;
pub use pipeline::{PartitionRequests, ShardPipeline};
pub use request::{
    PartitionDescription, PartitionReply, PartitionRequest, ReadRefused, ReaderId, ReplyBody,
    RequestBody,
};
pub use ringhub_core::position::Ticket;
pub use ringhub_core::ring::RingFull;
pub use segment_file::IoMode;
pub use status::LogState;
pub use view::{ExecutorView, PartitionsView, RingDepth};
