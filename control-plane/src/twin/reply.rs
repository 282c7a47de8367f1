//! Answers to devices.

use crate::registry::{Outcome, RegistryError};

use super::TwinOutcome;

/// The answer to an operation of a device on its own twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwinReply {
    /// The twin, as JSON.
    Twin(Vec<u8>),
    /// A report was merged; the reported properties have this version now.
    Reported(u64),
    /// Nothing was changed.
    Refused(TwinRefusal),
}

/// Why an operation of a device on its twin was refused;
/// [`device_error`](Self::device_error) tells the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct TwinRefusal(#[from] pub(crate) TwinRefusalReason);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TwinRefusalReason {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("Too many twin requests of this connection wait")]
    TooManyWait,
}

/// Takes the answer; called once, on a thread of the control plane or, when too much waits, at once
/// on the caller's. Must not block.
pub type TwinReplyDone = Box<dyn FnOnce(TwinReply) + Send>;

impl TwinReply {
    /// The answer to a connection that has too many requests under way.
    #[must_use]
    pub fn throttled() -> Self {
        Self::Refused(TwinRefusal(TwinRefusalReason::TooManyWait))
    }
}

impl From<Result<Outcome, RegistryError>> for TwinReply {
    fn from(outcome: Result<Outcome, RegistryError>) -> Self {
        let refused = |error| Self::Refused(TwinRefusal(TwinRefusalReason::Registry(error)));
        match outcome {
            Ok(Outcome::Twin(TwinOutcome::Document(twin))) => Self::Twin(twin),
            Ok(Outcome::Twin(TwinOutcome::Reported(version))) => Self::Reported(version),
            Ok(_) => refused(RegistryError::Storage),
            Err(error) => refused(error),
        }
    }
}
