//! Storage accounts over HTTPS, for the jobs of the control plane.
//!
//! Blocking, on the threads of jobs: no shard waits for an account.
//!
//! Source: Azure Storage documentation, "Blob service REST API".

mod client;
mod failure;
mod trust;

pub(crate) use client::StorageClient;
pub use trust::TrustError;
pub(crate) use trust::trusted_authorities;
