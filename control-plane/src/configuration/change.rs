//! Changes of configurations and by configurations, and what they answer.

use ringhub_core::id::DeviceId;

use super::{Configuration, ConfigurationDraft, ConfigurationId, Content, ScanStep};
use crate::registry::{Existing, Precondition};
use crate::twin::Changed;

/// One write that has to do with the configurations of a hub.
#[derive(Clone, Debug)]
pub(crate) enum ConfigurationChange {
    Put(Box<ConfigurationDraft>, Precondition),
    Delete(ConfigurationId, Existing),
    /// Writes content to one edge device, once.
    ApplyContent(DeviceId, Box<Content>),
    /// What a scan has found is due.
    Scanned(ScanStep),
    /// Evaluates some of the identities that are due.
    Evaluate,
}

impl ConfigurationChange {
    /// How many identities it touches, about.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Scanned(step) => step.found.len().max(1),
            _ => 1,
        }
    }
}

/// What such a write answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConfigurationOutcome {
    Put {
        configuration: Box<Configuration>,
        is_new: bool,
    },
    Deleted,
    Scanned,
    /// Twins that configurations have changed.
    Changed(Vec<Changed>),
}
