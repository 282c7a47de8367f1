//! File upload: a device asks for an address, sends the file to a storage account, and says that it
//! is there; back ends that want to know are told.
//!
//! ```text
//! device ─ start ─▶ writer: row of the upload ─▶ signed address
//!        ─ bytes ─▶ storage account, the hub's own or another
//!        ─ finish ─▶ row? ─▶ blob? ─▶ writer: row gone, notification there ─▶ back end
//! ```
//!
//! Source: device-endpoints reference, "File upload"; control-plane reference, "File upload
//! settings, notifications and feedback".

mod address;
mod apply;
mod change;
mod client;
mod correlation;
mod error;
mod front;
mod request;
mod settings;

pub(crate) use apply::UploadApplier;
pub(crate) use change::{OpenUpload, UploadChange};
pub use client::{BlobFound, BlobProperties, ContainerReady, StorageClient, StorageUnavailable};
pub(crate) use error::UploadError;
pub(crate) use front::Uploads;
pub use settings::{FileUpload, UploadStorage};
