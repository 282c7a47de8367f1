//! The configuration: what one TOML file, the environment and the command line say.
//!
//! `keys.rs` says everything about every key: default, range with unit, meaning and cost. From
//! there come the checks, the names of the variables, and the text of `ringhub config show
//! --defaults`. The command line stands over the environment, that over the file, and the file over
//! the defaults. A [`Config`] that exists is valid.
//!
//! ```toml
//! [hub]
//! host_name = "hub.example"
//! retention = "1day"
//!
//! [listen]
//! address = "0.0.0.0"
//! ```

mod allowed;
mod byte_size;
mod certificate;
mod cloud_to_device;
mod environment;
mod error;
mod file;
mod file_upload;
mod key;
mod keys;
mod origin;
mod quota;
mod quota_keys;
mod relations;
mod render;
mod sections;
mod setting;
mod settings;
mod storage;

use serde::Deserialize;

pub use allowed::Allowed;
pub use byte_size::{ByteSize, ByteSizeError};
pub use cloud_to_device::CloudToDevice;
pub use error::ConfigError;
pub(crate) use error::closest;
pub use file_upload::{FileUpload, FileUploadError, Storage};
pub use key::{Key, Section};
pub use keys::SECTIONS;
pub use origin::Origin;
pub use quota::{OwnRate, Quota};
pub use render::{defaults, effective};
pub use sections::{
    CertificateFiles, Executors, Format, Hub, Jobs, Limits, Listen, Log, Logging, Shards, Tls,
};
pub use settings::{Argument, Settings};
pub use storage::StorageAccounts;

#[cfg(test)]
mod tests;

/// The whole configuration of a hub process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The hub that clients see.
    pub hub: Hub,
    /// What is fixed when the data directory is created: later changes are refused.
    pub format: Format,
    /// Messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// Files that devices send, and who is told of them.
    pub file_upload: FileUpload,
    /// Scheduled jobs.
    pub jobs: Jobs,
    /// Where connections are accepted.
    pub listen: Listen,
    /// Threads that serve connections.
    pub shards: Shards,
    /// Threads that write the commit logs, and when they commit.
    pub executors: Executors,
    /// Files of the commit logs.
    pub log: Log,
    /// Lines that say what happens.
    pub logging: Logging,
    /// The server certificates.
    pub tls: Tls,
    /// Bounds on what peers may do.
    pub limits: Limits,
    /// Limits of each hub.
    pub quota: Quota,
    /// Storage accounts that imports and exports of identities use.
    pub storage: StorageAccounts,
}
