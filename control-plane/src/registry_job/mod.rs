//! Import and export jobs: all identities of a hub into a blob, or those of a blob into the hub.
//!
//! ```text
//!  REST ── create, cancel ──▶ writer ── wake ──▶ dispatcher ── a thread for each job that runs
//!    export   pages of the store ── lines ── blocks ──▶ container; listed as the blob at the end
//!    import   parts of the blob ── lines ── turns ──▶ writer: identities, errors, place of the turn
//! ```
//!
//! A turn of an import and the place in the blob that it ends at are one transaction, so an import
//! goes on where it was, whatever ended the process, and no line is applied twice. An export
//! changes nothing, and begins anew. Nobody waits for a storage account but the thread of the job.
//!
//! Source: control-plane reference, "Import / export jobs (v1 jobs)".

mod account_client;
mod apply;
mod blob_uri;
mod change;
mod dispatcher;
mod error_line;
mod export;
mod export_page;
mod gate;
mod import;
mod input;
mod output;
mod own_accounts;
mod record;
mod request;
mod run;
mod storage;
#[cfg(test)]
mod tests;

pub use account_client::{AccountClient, BlobExchange};
pub use blob_uri::BlobUri;
pub(crate) use blob_uri::{ContainerUri, InvalidContainer};
pub(crate) use change::{
    ImportItem, ImportTurn, ImportedIdentity, NewRegistryJob, RegistryJobChange, RegistryJobOutcome,
};
pub(crate) use dispatcher::{RegistryJobWaker, RegistryJobs};
pub(crate) use own_accounts::OwnAccounts;
pub(crate) use record::{RegistryJob, RegistryJobNumber, RegistryJobProgress, RegistryJobState};
pub(crate) use request::{RegistryJobKind, RegistryJobRequest};
pub use storage::{BlobProperties, BlobStorage, NoStorage, StorageError};
