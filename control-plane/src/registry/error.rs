//! Why the registry refuses a change.

use ringhub_core::auth::InvalidKey;
use ringhub_core::id::{InvalidConsumerGroup, InvalidId};
use ringhub_core::quota::QuotaRefusal;
use ringhub_core::twin::TwinError;

use crate::certificate::CertificateError;
use crate::configuration::ConfigurationError;
use crate::file_upload::UploadError;
use crate::store::StoreError;

/// A refusal that the requester is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("{0}")]
    Argument(&'static str),
    #[error("{name} must be {rule}")]
    Member { name: &'static str, rule: String },
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error(transparent)]
    ConsumerGroup(#[from] InvalidConsumerGroup),
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Quota(#[from] QuotaRefusal),
    #[error("the request needs a body")]
    BodyMissing,
    #[error("the scope names no edge device")]
    DeviceScope,
    #[error("there is no such hub")]
    HubNotFound,
    #[error("a hub is called {0} already")]
    HubExists(String),
    #[error("the hub {0} is being deleted")]
    HubBeingDeleted(String),
    #[error("the process has as many hubs as it may have")]
    TooManyHubs,
    #[error("the hub has as many policies as it may have")]
    TooManyPolicies,
    #[error("the hub has no policy of this name")]
    PolicyNotFound,
    #[error("the hub has no consumer group of this name")]
    ConsumerGroupNotFound,
    #[error("the hub has no index of this name")]
    QueryIndexNotFound,
    #[error("the device is not registered")]
    DeviceNotFound,
    #[error("the module is not registered")]
    ModuleNotFound,
    #[error("a device with this id is already registered")]
    DeviceExists,
    #[error("a module with this id is already registered on the device")]
    ModuleExists,
    #[error("the identity has changed: its etag is another one")]
    ETag,
    #[error(transparent)]
    Twin(TwinError),
    #[error("the twin has changed: it is no longer the version that was named")]
    TwinChanged,
    #[error("the hub has no job of this id")]
    JobNotFound,
    #[error("a job with this id is already there")]
    JobExists,
    #[error("the job has ended")]
    JobEnded,
    #[error("as many jobs are active as may be: wait for one to end, or cancel one")]
    TooManyJobs,
    #[error("an import or export of this hub is under way: wait for its end, or cancel it")]
    TooManyRegistryJobs,
    #[error("the registry is full")]
    TooManyDevices,
    #[error("the device has as many modules as it may have")]
    TooManyModules,
    #[error("modules of the edge runtime come and go with their device only")]
    SystemModule,
    #[error("too many requests wait for the disk")]
    Busy,
    #[error("the disk is full: nothing was changed")]
    DiskFull,
    #[error("the registry has failed: it takes no changes until the hub is restarted")]
    Failed,
    #[error("the registry could not be read or written")]
    Storage,
}

impl From<CertificateError> for ChangeError {
    fn from(error: CertificateError) -> Self {
        Self::Refused(error.into())
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The rules say no; nothing was written.
    #[error(transparent)]
    Refused(#[from] RegistryError),
    /// The disk says no; the whole transaction ends.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<UploadError> for ChangeError {
    fn from(error: UploadError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ConfigurationError> for ChangeError {
    fn from(error: ConfigurationError) -> Self {
        Self::Refused(error.into())
    }
}
