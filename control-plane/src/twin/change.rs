//! Changes of twins as requests ask for them, and what they lead to.

use bytes::Bytes;
use ringhub_core::id::{HubId, Identity};
use ringhub_core::twin::{DesiredChange, ServiceChange, Twin};

use crate::directory::{GenerationId, Grant};
use crate::registry::{Device, Existing, Module};

/// A device or module that uses its own twin.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) hub: HubId,
    pub(crate) identity: Identity,
    /// Tells it from an identity of the same name that came later.
    pub(crate) generation: GenerationId,
}

impl From<&Grant> for Reader {
    fn from(grant: &Grant) -> Self {
        let Grant { hub, generation, .. } = *grant;
        Self { hub, identity: grant.identity.clone(), generation }
    }
}

/// One operation on a twin that takes its turn with all others.
#[derive(Clone, Debug)]
pub(crate) enum TwinChange {
    /// A back end changes tags or desired properties.
    Service { hub: HubId, identity: Identity, change: ServiceChange, when: Existing },
    /// A device changes its reported properties, perhaps only those of a version.
    Report { sender: Reader, patch: Bytes, version: Option<u64> },
    /// A device reads its twin. Changes nothing, but must not be overtaken by the notification of a
    /// change that it does not contain.
    Read(Reader),
}

impl TwinChange {
    /// The hub of the twin.
    pub(crate) const fn hub(&self) -> HubId {
        match self {
            Self::Service { hub, .. } => *hub,
            Self::Report { sender: reader, .. } | Self::Read(reader) => reader.hub,
        }
    }
}

/// The identity whose twin it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TwinOwner {
    Device(Box<Device>),
    Module(Box<Module>),
}

impl TwinOwner {
    pub(crate) fn generation(&self) -> GenerationId {
        match self {
            Self::Device(device) => device.generation,
            Self::Module(module) => module.generation,
        }
    }
}

/// A twin that a back end has changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Changed {
    pub(crate) hub: HubId,
    pub(crate) identity: Identity,
    pub(crate) owner: TwinOwner,
    pub(crate) twin: Twin,
    /// What the device hears of it.
    pub(crate) desired: Option<DesiredChange>,
    /// The JSON of what configurations have done with the identity before.
    pub(crate) configurations: Option<String>,
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TwinOutcome {
    Changed(Box<Changed>),
    /// New version of the reported properties.
    Reported(u64),
    /// Both sections, as devices read them.
    Document(Vec<u8>),
}
