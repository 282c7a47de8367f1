//! BLOB: the storage account that every hub has of its own, so that uploads need nothing else.
//!
//! ```text
//! shard: path, signature ─ job ─▶ thread of the store: file ─ sync ─▶ index: commit ─ news ─▶ shard: answer
//!        pieces of a body ──────▶ at most two wait, then the connection is not read
//!
//! blobs/key        secret that the keys of the accounts are made of
//! blobs/blobs.db   containers, blobs and the blocks of each, as rows
//! blobs/files/00/… one file per block, named by a number: no name of a client is ever a path
//! ```
//!
//! A blob is the row that names it: its files are on the disk before the row is, and a file without
//! a row is removed by the next start. So a blob is there whole or not at all.
//!
//! Source: Azure Storage REST API, "Blob service".

mod access;
mod answer;
mod conditions;
mod counters;
mod direct;
mod error;
mod files;
mod headers;
mod incoming;
mod index;
mod key;
mod list;
mod list_xml;
mod news;
mod operation;
mod outgoing;
mod quota;
mod service;
mod sweep;
mod task;
mod thread;
mod transfer;

pub use counters::BlobCounters;
pub use error::StorageError;
pub use news::{BlobNews, BlobSink};
pub use operation::{ACCOUNT, is_blob_path, is_streamed};
pub use service::{BlobRequest, BlobService};
pub use transfer::Transfer;

#[cfg(test)]
mod tests;
