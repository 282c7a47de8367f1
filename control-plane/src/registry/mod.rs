//! The identity registry: what devices and modules are and how they may change. Knows neither HTTP
//! nor SQL.

mod apply;
mod change;
mod credentials;
mod error;
mod mint;
mod presence;
mod record;
mod rotate;

pub(crate) use apply::{Applier, EDGE_MODULES};
pub use change::KeyChoice;
pub(crate) use change::{
    BulkChange, Change, DeviceDraft, Effect, Existing, ItemOutcome, Missing, ModelRecord,
    ModuleDraft, Outcome, Precondition,
};
pub(crate) use credentials::{AuthenticationKind, AuthenticationText, CredentialsDraft};
pub(crate) use error::{ChangeError, RegistryError};
pub(crate) use mint::{Mint, NoEntropy};
pub(crate) use record::{Device, ETag, Module};
