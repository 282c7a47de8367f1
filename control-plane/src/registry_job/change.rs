//! Changes of jobs as requests and the threads of jobs ask for them, and what they lead to.

use bytes::Bytes;
use ringhub_core::id::{DeviceId, HubId};

use super::{
    RegistryJob, RegistryJobNumber, RegistryJobProgress, RegistryJobRequest, RegistryJobState,
};
use crate::api::ItemName;
use crate::configuration::ConfigurationDraft;
use crate::registry::{BulkChange, ItemOutcome, RegistryError};

/// A job as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewRegistryJob {
    pub(crate) hub: HubId,
    pub(crate) id: String,
    pub(crate) request: RegistryJobRequest,
}

/// One step of a job. A job that has ended refuses all of them.
#[derive(Clone, Debug)]
pub(crate) enum RegistryJobChange {
    Create(Box<NewRegistryJob>),
    /// Ends the job if it has not; by its id.
    Cancel(HubId, String),
    /// It begins to run, or begins anew after a restart.
    Start(RegistryJobNumber),
    /// How far an export is.
    Advance(RegistryJobNumber, u8),
    /// An import reads the blob that has this tag.
    Open(RegistryJobNumber, String),
    Import(RegistryJobNumber, Box<ImportTurn>),
    End(RegistryJobNumber, RegistryJobState, Option<String>),
    /// Removes the jobs whose time is over, and errors that nobody needs.
    Forget,
}

impl RegistryJobChange {
    /// The hub that has to be there for it; steps find out by themselves.
    pub(crate) fn hub(&self) -> Option<HubId> {
        match self {
            Self::Create(new) => Some(new.hub),
            Self::Cancel(hub, _) => Some(*hub),
            _ => None,
        }
    }

    /// How many identities it touches.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Import(_, turn) => turn.items.len().max(1),
            _ => 1,
        }
    }
}

/// Lines of a file that are applied in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct ImportTurn {
    /// Place in the blob where they begin: that is how far the import must be.
    pub(crate) from: u64,
    /// Place behind the last of them.
    pub(crate) to: u64,
    /// How far the job is with them.
    pub(crate) percent: u8,
    pub(crate) items: Vec<ImportItem>,
}

/// One line of a file.
#[derive(Clone, Debug)]
pub(crate) enum ImportItem {
    /// It names nothing; what the errors say of it.
    Unreadable(String),
    Identity(Box<ImportedIdentity>),
    Configuration(Box<ConfigurationDraft>),
}

/// A line about a device or module.
#[derive(Clone, Debug)]
pub(crate) struct ImportedIdentity {
    pub(crate) name: ItemName,
    pub(crate) change: Result<BulkChange, RegistryError>,
    /// The edge device above it: its scope here is another one than where it was exported.
    pub(crate) parent: Option<DeviceId>,
    /// What a device that is new has reported elsewhere, as JSON.
    pub(crate) reported: Option<Bytes>,
}

/// What a step answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RegistryJobOutcome {
    /// The job as it is now.
    Job(Box<RegistryJob>),
    /// How far it is now, and what became of the items of a turn.
    Moved {
        progress: RegistryJobProgress,
        items: Vec<ItemOutcome>,
    },
    Done,
}
