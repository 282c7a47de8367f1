//! What clients of Azure Storage speak: names of containers and blobs, signatures, lists of blocks.
//!
//! ```text
//! https://<host>/<account>/<container>/<blob>?sv=…&sr=b&sp=rw&se=…&sig=…     a signed address of a blob
//! ```
//!
//! Pure: keys, queries, headers and the wall clock are arguments.
//!
//! Source: Azure Storage REST API, "Blob service"; "Create a service SAS"; "Authorize with Shared
//! Key".

mod account;
mod account_sas;
mod block_list;
mod name;
mod query;
mod refusal;
mod rights;
mod service_sas;
mod shared_key;
mod signature;
mod time_text;
mod xml;

pub use account::{InvalidAccount, StorageAccount};
pub use account_sas::{AccountSas, signed_account_query};
pub use block_list::{BlockChoice, InvalidBlockList, parse_block_list, waiting_block_list};
pub use name::{BlobName, ContainerName, InvalidName};
pub use query::StorageQuery;
pub use refusal::SignatureRefused;
pub use rights::{BlobRights, BlobTarget};
pub use service_sas::{ServiceSas, signed_blob_query, signed_container_query};
pub use shared_key::{SharedKeyRequest, check_shared_key};
pub use time_text::storage_time;
pub use xml::Escaped;
