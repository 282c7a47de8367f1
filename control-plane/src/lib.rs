//! Directory, identity registry and store of ringhub, behind the REST API.
//!
//! The crate opens no socket: shards hand requests over and are called back. The directory is memory only and is
//! looked into from shard threads; everything that touches the disk runs on the control plane's own threads.

pub mod api;
pub mod directory;
