//! Why a log does not start.

use std::io;
use std::path::PathBuf;

use ringhub_core::log::LogError;

/// Why the partitions of a hub cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(&'static str),
    /// glommio needs locked memory for its rings.
    #[error(
        "RLIMIT_MEMLOCK is {limit} bytes, an executor needs {needed}: set LimitMEMLOCK= in the unit file, or `ulimit -l`"
    )]
    Memlock {
        /// The limit in force.
        limit: u64,
        /// What is needed.
        needed: u64,
    },
    /// A file or directory refused.
    #[error("{path}: {source}")]
    Io {
        /// What was to be used.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the log is not what it should be.
    #[error("{path}: {source}")]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LogError,
    },
    /// The log was made with other numbers of executors or partitions, or for another hub.
    #[error(
        "{path}: the log was made for hub {found_hub} with {found_executors} executors and {found_partitions} \
         partitions; these cannot change while it has data"
    )]
    Shape {
        /// The file that says so.
        path: PathBuf,
        /// Hub that it was made for.
        found_hub: u32,
        /// Executors that it was made for.
        found_executors: u16,
        /// Partitions that it was made for.
        found_partitions: u16,
    },
    /// The thread of an executor could not be started, or ended early.
    #[error("executor thread: {0}")]
    Thread(String),
}

impl StartError {
    pub(super) fn io(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.into(), source: source.into() }
    }
}
