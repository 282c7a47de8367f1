//! Directory, identity registry and store of ringhub, behind the REST API.
//!
//! The crate opens no socket: shards hand requests over and are called back. The directory is
//! memory only and is looked into from shard threads; everything that touches the disk runs on the
//! control plane's own threads.
//!
//! ```text
//!  shard: parse, authorise ── Context ──▶ worker ── Change ──▶ writer: apply, commit
//!      ──▶ directory ──▶ Response
//!  shard: parse, authorise ── method call ──▶ shard of the device ──▶ Response
//!  shard ── authenticate, reserve, release ──▶ directory (no thread in between)
//! ```

pub mod api;
mod background;
pub mod blob;
pub mod c2d;
mod certificate;
mod clock;
mod configuration;
mod control;
mod credentials;
pub mod directory;
pub mod file_upload;
mod hub;
pub mod identity_file;
mod intake;
mod job;
mod method;
mod presence;
mod provider;
pub mod query;
mod query_index;
mod quota;
mod registry;
pub mod registry_job;
mod shards;
mod store;
pub mod twin;

pub use control::{ControlPlane, ControlPlaneConfig, SubscriptionsDone};
pub use hub::{HubError, HubParts, HubUpdate, NewHub, NewPolicy};
pub use method::Methods;
pub use provider::{AdminToken, ProviderSettings};
pub use registry::KeyChoice;
pub use shards::Shards;
pub use store::{
    HubSettings, OpenError, REGISTRY_FILE, RegistryContents, StoreCounters, StoreState,
    back_up_registry, check_registry,
};

#[cfg(test)]
mod tests;
