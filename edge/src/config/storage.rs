//! `[storage]`: storage accounts that imports and exports of identities use.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::sections::auto;

/// How storage accounts are reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageAccounts {
    /// Authorities that are trusted; `None`: those of the system.
    #[serde(deserialize_with = "auto")]
    pub ca_file: Option<PathBuf>,
    /// Longest time for one request.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}
