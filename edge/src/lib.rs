//! The ringhub process: listeners, TLS, shards, partition executors and readers.
//!
//! Every thread is either a shard (one monoio runtime with its connections) or an executor (one
//! glommio runtime with one commit log), never both.

pub mod backup;
pub mod cli;
pub mod client;
pub mod config;
pub mod hub;
mod hub_parts;
pub mod listener;
pub mod logging;
pub mod machine;
pub mod metrics;
pub mod notify;
pub mod partition;
pub mod picture;
mod reader;
pub mod reload;
mod service;
pub mod shard;
pub mod shutdown;
pub mod startup;
mod storage;
pub mod storage_client;
pub mod tls;
pub mod topology;
pub mod tuning;
