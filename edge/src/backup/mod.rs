//! BACKUP: a copy of a data directory that is in use, and its way back.
//!
//! ```text
//! backup.json     what is in the backup, with length and SHA-256 of every file; written last
//! FORMAT          as in the data directory: version of the layout, partitions, executors
//! tls/            development CA and server certificate, where there is one
//! registry/       the registry database as it stood at one instant: identities, keys, policies,
//!                 twins, messages to devices
//! hub/…/log/…     the commit logs, each up to a commit that was whole, with their indexes
//! ```
//!
//! A backup has the layout of a data directory, holds every key of the hub and is for its owner
//! alone. It works on files and needs no hub: see [`create`] for why it is right beside one that
//! writes.

mod create;
mod error;
mod file;
mod log;
mod manifest;
mod restore;
mod segment;
mod verify;

pub use create::{Progress, create};
pub use error::BackupError;
pub use manifest::{FileRecord, MANIFEST_FILE, Manifest};
pub use restore::restore;
pub use verify::{Verified, verify};
