//! Changes of indexes.

use super::{IndexNumber, QueryIndexDraft};
use crate::query::IndexKey;

/// One write that has to do with the indexes of a hub.
#[derive(Clone, Debug)]
pub(crate) enum IndexChange {
    /// Makes one; one of this name and path that is there stays as it is.
    Put(Box<QueryIndexDraft>),
    /// Deletes the one of this name.
    Delete(String),
    /// What its building has found.
    Built(BuildStep),
    /// Takes away some keys of one that was deleted, and at last itself.
    Forget(IndexNumber),
}

impl IndexChange {
    /// How many identities it touches, about.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Built(step) => step.keys.len().max(1),
            _ => 1,
        }
    }
}

/// What one step of the building of an index has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BuildStep {
    pub(crate) number: IndexNumber,
    /// Twins that were looked at.
    pub(crate) twins: u64,
    /// Device, module, or nothing for the device itself, and key.
    pub(crate) keys: Vec<(String, String, IndexKey)>,
    /// Where it goes on; `None` when all was seen.
    pub(crate) last: Option<(String, String)>,
}
