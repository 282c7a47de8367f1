//! Changes as requests ask for them, and what they lead to.

use std::sync::Arc;

use ringhub_core::auth::Authority;
use ringhub_core::id::{ConsumerGroup, DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::HUB_REMOVAL_ROWS;
use ringhub_core::quota::Usage;

use super::{CredentialsDraft, Device, ETag, Module, RegistryError};
use crate::c2d::{C2dChange, C2dEffect};
use crate::certificate::{CertificateChange, HubCertificate};
use crate::configuration::{Configuration, ConfigurationChange, ConfigurationOutcome};
use crate::directory::{GenerationId, Hub, HubProperties, Policy, PresenceRecord, Status};
use crate::file_upload::{OpenUpload, UploadChange};
use crate::hub::{HubChange, HubRow, MadeGroup};
use crate::job::{JobChange, JobOutcome};
use crate::query_index::{IndexChange, QueryIndex};
use crate::registry_job::{RegistryJobChange, RegistryJobOutcome};
use crate::twin::{Changed, TwinChange, TwinOutcome};

/// The model that an identity announces, if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelRecord {
    pub(crate) hub: HubId,
    pub(crate) identity: Identity,
    pub(crate) generation: GenerationId,
    pub(crate) model: Option<Box<str>>,
}

/// What to do when the identity does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// What to do when the identity exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Overwrite,
    /// Overwrite if this is its etag, as text without quotes.
    Match(String),
}

/// When a change may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Precondition {
    pub(crate) missing: Missing,
    pub(crate) existing: Existing,
}

impl Existing {
    /// Decides about an identity that exists; `refusal` is for [`Existing::Refuse`].
    pub(crate) fn check(&self, etag: ETag, refusal: RegistryError) -> Result<(), RegistryError> {
        match self {
            Self::Refuse => Err(refusal),
            Self::Overwrite => Ok(()),
            Self::Match(text) if *text == etag.text() => Ok(()),
            Self::Match(_) => Err(RegistryError::ETag),
        }
    }
}

/// A device as a request describes it. `None` keeps what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceDraft {
    pub(crate) id: DeviceId,
    pub(crate) status: Status,
    pub(crate) status_reason: Option<String>,
    pub(crate) credentials: Option<CredentialsDraft>,
    pub(crate) iot_edge: Option<bool>,
    /// Empty for a device that shall have no parent, whatever `parent_scope` says.
    pub(crate) device_scope: Option<String>,
    pub(crate) parent_scope: Option<String>,
}

/// A module as a request describes it. `None` credentials keep what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModuleDraft {
    pub(crate) device: DeviceId,
    pub(crate) id: ModuleId,
    pub(crate) managed_by: Option<String>,
    pub(crate) credentials: Option<CredentialsDraft>,
}

/// One write to the registry of a hub. Reports of devices are most of them, and each is moved
/// several times, so that what is larger has a box.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    PutDevice(HubId, Box<DeviceDraft>, Precondition),
    DeleteDevice(HubId, DeviceId, Existing),
    PutModule(HubId, Box<ModuleDraft>, Precondition),
    DeleteModule(HubId, DeviceId, ModuleId, Existing),
    SetSubscriptions(HubId, Identity, u32),
    SetModel(ModelRecord),
    /// What the directory has observed.
    Presence(Vec<PresenceRecord>),
    /// What hubs have used of their day.
    QuotaUsage(Vec<(HubId, Usage)>),
    C2d(C2dChange),
    Upload(UploadChange),
    Twin(TwinChange),
    CreateHub(Box<HubRow>),
    Hub(HubId, HubChange),
    Job(JobChange),
    RegistryJob(RegistryJobChange),
    Certificate(HubId, CertificateChange),
    Configuration(HubId, ConfigurationChange),
    QueryIndex(HubId, IndexChange),
    /// New keys for an identity that has keys.
    RotateKeys(HubId, Identity, KeyChoice),
    /// Several changes in one transaction; those refused leave the others standing.
    Bulk(Vec<Result<BulkChange, RegistryError>>),
}

/// One item of a bulk change.
#[derive(Clone, Debug)]
pub(crate) struct BulkChange {
    pub(crate) change: Change,
    /// What is done to the twin once the identity is as it should be.
    pub(crate) twin: Option<TwinChange>,
}

/// Which keys of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChoice {
    /// The primary one.
    Primary,
    /// The secondary one.
    Secondary,
    /// Both.
    Both,
}

impl Change {
    /// How many identities it touches.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bulk(items) => items.len(),
            Self::Presence(records) => records.len(),
            Self::QuotaUsage(records) => records.len(),
            Self::C2d(change) => change.len(),
            Self::Job(change) => change.len(),
            Self::RegistryJob(change) => change.len(),
            Self::Configuration(_, change) => change.len(),
            Self::QueryIndex(_, change) => change.len(),
            Self::Hub(_, HubChange::RemoveRows) => HUB_REMOVAL_ROWS,
            _ => 1,
        }
    }

    /// The hub that has to be there for it; steps of jobs find out by themselves.
    pub(crate) fn hub(&self) -> Option<HubId> {
        match self {
            Self::Hub(_, HubChange::RemoveRows | HubChange::Forget | HubChange::TakeBack) => None,
            Self::PutDevice(hub, ..)
            | Self::DeleteDevice(hub, ..)
            | Self::PutModule(hub, ..)
            | Self::DeleteModule(hub, ..)
            | Self::SetSubscriptions(hub, ..)
            | Self::SetModel(ModelRecord { hub, .. })
            | Self::Hub(hub, _)
            | Self::Certificate(hub, _)
            | Self::Configuration(hub, _)
            | Self::QueryIndex(hub, _)
            | Self::RotateKeys(hub, ..) => Some(*hub),
            Self::C2d(change) => Some(change.hub()),
            Self::Upload(change) => Some(change.hub()),
            Self::Twin(change) => Some(change.hub()),
            Self::Job(change) => change.hub(),
            Self::RegistryJob(change) => change.hub(),
            Self::Presence(_) | Self::QuotaUsage(_) | Self::CreateHub(_) | Self::Bulk(_) => None,
        }
    }

    /// What only reads, and takes its turn with what writes.
    pub(crate) fn as_read(&self) -> Option<&TwinChange> {
        match self {
            Self::Twin(change @ TwinChange::Read(_)) => Some(change),
            _ => None,
        }
    }
}

/// What a change answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Device(Box<Device>),
    Module(Box<Module>),
    Done,
    /// Messages that were purged.
    Purged(usize),
    Upload(Box<OpenUpload>),
    Twin(TwinOutcome),
    Job(JobOutcome),
    RegistryJob(RegistryJobOutcome),
    Policy(Policy),
    ConsumerGroup(MadeGroup),
    HubMade(Arc<Hub>),
    /// Rows of a hub that is being deleted; none when there are no more.
    Removed(usize),
    Certificate {
        certificate: Box<HubCertificate>,
        is_new: bool,
    },
    CertificateDeleted {
        was_there: bool,
    },
    Configuration(ConfigurationOutcome),
    /// What became of each item of a bulk change, in the order of the items.
    Bulk(Vec<ItemOutcome>),
}

/// What became of one item of a bulk change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ItemOutcome {
    pub(crate) identity: Result<Outcome, RegistryError>,
    /// What became of the twin; `None` when nothing was asked of it, or the identity was refused.
    pub(crate) twin: Option<Result<TwinOutcome, RegistryError>>,
}

impl Outcome {
    /// The twins that back ends and configurations have changed, in the order of the changes.
    pub(crate) fn changed_twins(&self) -> Vec<&Changed> {
        match self {
            Self::Twin(TwinOutcome::Changed(changed)) => vec![changed],
            Self::Configuration(ConfigurationOutcome::Changed(changed)) => changed.iter().collect(),
            Self::Bulk(items) => items.iter().filter_map(ItemOutcome::changed_twin).collect(),
            Self::Job(JobOutcome::Moved { changed, .. }) => changed.iter().collect(),
            Self::RegistryJob(RegistryJobOutcome::Moved { items, .. }) => {
                items.iter().filter_map(ItemOutcome::changed_twin).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl ItemOutcome {
    fn changed_twin(&self) -> Option<&Changed> {
        match (&self.identity, &self.twin) {
            (Ok(Outcome::Twin(TwinOutcome::Changed(changed))), _)
            | (_, Some(Ok(TwinOutcome::Changed(changed)))) => Some(changed),
            _ => None,
        }
    }
}

/// What the directory must learn once a change is committed.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    DevicePut(HubId, Box<Device>),
    DeviceDeleted(HubId, DeviceId),
    ModulePut(HubId, Box<Module>),
    ModuleDeleted(HubId, DeviceId, ModuleId),
    SubscriptionsSet(HubId, Identity, u32),
    ModelSet(ModelRecord),
    C2d(C2dEffect),
    PoliciesSet(HubId, Vec<Policy>),
    HubPropertiesSet(HubId, Box<HubProperties>),
    /// The authorities that count.
    AuthoritiesSet(HubId, Vec<Authority>),
    ConsumerGroupsSet(HubId, Vec<ConsumerGroup>),
    ConfigurationsSet(HubId, Vec<Configuration>),
    QueryIndexesSet(HubId, Vec<QueryIndex>),
    /// An identity is to be evaluated, or an index to be built.
    EvaluationDue,
}
