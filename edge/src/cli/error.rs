//! Why a command failed, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use crate::backup::BackupError;
use crate::client::ClientError;
use crate::config::ConfigError;

/// The first three are those of the Azure CLI.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 no such device, module or twin,
4 no hub answers, 5 the login is refused, 130 interrupted";

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The hub could not be talked to, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no backup, or it is of no use.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Arguments that contradict each other or do not fit what is there.
    #[error("{0}")]
    Argument(String),
    /// Some of many items failed; each was told already.
    #[error("{0}")]
    Items(String),
    /// The hub does not answer, or says that it is not well.
    #[error("unhealthy: {0}")]
    Unhealthy(String),
    /// The machine cannot run the hub that was asked for; what is wrong was told already.
    #[error("{0}")]
    Machine(String),
    /// The user stopped the command before its end.
    #[error("{0}")]
    Interrupted(String),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// Whether whoever read the output has gone, which is no failure: `… | head`.
    #[must_use]
    pub fn is_end_of_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Argument(_) => 2,
            Self::Client(ClientError::ConnectionString(_) | ClientError::OtherHub { .. }) => 2,
            Self::Client(ClientError::Refused(refusal)) if refusal.is_not_found() => 3,
            Self::Client(ClientError::Refused(refusal)) if refusal.is_unauthorized() => 5,
            Self::Client(ClientError::Unreachable { .. } | ClientError::NoHub(_)) => 4,
            Self::Client(ClientError::LoginRefused { .. }) => 5,
            Self::Interrupted(_) => 130,
            _ => 1,
        })
    }
}
