//! Why a hub is not made, changed or deleted.

use std::io;
use std::ops::RangeInclusive;

use ringhub_core::limits::{HUBS_MAX, POLICIES_MAX};

use crate::registry::RegistryError;

/// A refusal. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No hub has this number.
    #[error("there is no such hub")]
    NotFound,
    /// The name is no host name.
    #[error(
        "{0:?} is no host name: labels of letters, digits and hyphens with dots between them are \
         due, at most 253 characters"
    )]
    Name(String),
    /// A hub has the name, or is called so as well.
    #[error("a hub is called {0} already: take another name, or delete that hub")]
    NameTaken(String),
    /// The hub is being deleted, or the one that has the name still is.
    #[error("the hub {0} is being deleted: wait until that is done")]
    BeingDeleted(String),
    /// The hub is the one of the configuration.
    #[error(
        "{0} is the hub of the configuration: it cannot be deleted, and its retention and \
         cloud-to-device settings are changed there"
    )]
    Configured(String),
    /// A number outside its range.
    #[error("{name} must be from {} to {}", range.start(), range.end())]
    Range {
        /// What is wrong.
        name: &'static str,
        /// What it may be.
        range: RangeInclusive<u64>,
    },
    /// There are as many hubs as may be.
    #[error("the process has {HUBS_MAX} hubs, as many as it may have: delete one")]
    TooManyHubs,
    /// The hub has no policy of this name.
    #[error("the hub has no policy of this name")]
    PolicyNotFound,
    /// The name or rights of a policy are wrong, or it has no keys.
    #[error(
        "a policy has a name of 1 to 64 letters, digits, hyphens, dots and underscores, and at \
         least one right, and each name comes once"
    )]
    Policy,
    /// The hub would have more policies than it may have.
    #[error("a hub has at most {POLICIES_MAX} policies")]
    TooManyPolicies,
    /// The logs or the certificate of the hub could not be made; the hub is not there.
    #[error("the logs and the certificate of the hub cannot be made: {0}")]
    Parts(#[source] io::Error),
    /// The process is still starting.
    #[error("hubs cannot be made or deleted before the process has started")]
    Starting,
    /// Too many changes wait for the disk.
    #[error("too many requests wait for the disk: try again")]
    Busy,
    /// There is no room.
    #[error("the disk is full: nothing was changed")]
    DiskFull,
    /// The registry takes no changes until a restart.
    #[error("the registry has failed: it takes no changes until the hub is restarted")]
    Failed,
    /// The registry could not be read or written.
    #[error("the registry could not be read or written")]
    Storage,
}

impl From<RegistryError> for HubError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::HubNotFound => Self::NotFound,
            RegistryError::HubExists(name) => Self::NameTaken(name),
            RegistryError::HubBeingDeleted(name) => Self::BeingDeleted(name),
            RegistryError::TooManyHubs => Self::TooManyHubs,
            RegistryError::PolicyNotFound => Self::PolicyNotFound,
            RegistryError::TooManyPolicies => Self::TooManyPolicies,
            RegistryError::Busy => Self::Busy,
            RegistryError::DiskFull => Self::DiskFull,
            RegistryError::Failed => Self::Failed,
            _ => Self::Storage,
        }
    }
}
