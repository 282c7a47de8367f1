//! Answers to devices.

use crate::api::ApiError;
use crate::registry::{Outcome, RegistryError};

use super::TwinOutcome;

/// The answer to an operation of a device on its own twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwinReply {
    /// 200 with the twin, 204 with a version, or an error.
    pub status: u16,
    /// Version of the reported properties after a successful patch.
    pub version: Option<u64>,
    /// The twin, or what is wrong, as JSON.
    pub body: Vec<u8>,
}

/// Takes the answer; called once, on a thread of the control plane or, when too much waits, at once
/// on the caller's. Must not block.
pub type TwinReplyDone = Box<dyn FnOnce(TwinReply) + Send>;

impl TwinReply {
    /// The answer to a connection that has too many requests under way.
    #[must_use]
    pub fn throttled() -> Self {
        Self::refusal(&ApiError::TwinRequests)
    }

    fn refusal(error: &ApiError) -> Self {
        let (status, body) = error.device_error();
        Self { status, version: None, body }
    }
}

impl From<Result<Outcome, RegistryError>> for TwinReply {
    fn from(outcome: Result<Outcome, RegistryError>) -> Self {
        match outcome {
            Ok(Outcome::Twin(TwinOutcome::Document(body))) => {
                Self { status: 200, version: None, body }
            }
            Ok(Outcome::Twin(TwinOutcome::Reported(version))) => {
                Self { status: 204, version: Some(version), body: Vec::new() }
            }
            Ok(_) => Self::refusal(&RegistryError::Storage.into()),
            Err(error) => Self::refusal(&error.into()),
        }
    }
}
