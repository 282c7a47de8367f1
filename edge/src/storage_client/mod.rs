//! Storage accounts over HTTPS, for the jobs of the control plane.
//!
//! Blocking, on the threads of jobs: no shard waits for an account, not even where the account is
//! the hub itself.
//!
//! Source: Azure Storage documentation, "Blob service REST API".

mod block_list;
mod client;
mod failure;
mod trust;

pub(crate) use client::StorageClient;
pub use trust::TrustError;
