//! Work that waits in the store.

use ringhub_core::id::Identity;

use super::ConfigurationId;

/// Number of a row of what is due; rises always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueNumber(pub(crate) i64);

/// An identity that is to be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) number: DueNumber,
    pub(crate) identity: Identity,
    /// How often it was evaluated in a row because of what configurations wrote.
    pub(crate) rounds: u8,
}

/// Number of a scan; rises always, so that one that began anew is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanNumber(pub(crate) i64);

/// The search for identities that a configuration takes, or has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) number: ScanNumber,
    pub(crate) id: ConfigurationId,
    /// Looks at modules instead of devices.
    pub(crate) of_modules: bool,
    /// Device and module that were looked at last; empty before the first.
    pub(crate) last: (String, String),
}

/// What one step of a scan has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanStep {
    pub(crate) number: ScanNumber,
    pub(crate) found: Vec<Identity>,
    /// Where it goes on; `None` when all was seen.
    pub(crate) last: Option<(String, String)>,
}
