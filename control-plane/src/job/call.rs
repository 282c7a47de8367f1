//! What becomes of the method call to one device of a job.

use super::RowError;
use crate::method::{MethodAnswer, MethodError};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// The device has answered; its status and payload as JSON.
    Answered(String),
    /// It will not be called again.
    Failed(RowError),
    /// The device has not heard of the call, and may be called later.
    NotSent,
}

impl From<Result<MethodAnswer, MethodError>> for CallEnd {
    fn from(outcome: Result<MethodAnswer, MethodError>) -> Self {
        match outcome {
            Ok(answer) => Self::Answered(answer.to_json()),
            Err(error) if error.is_unsent() => Self::NotSent,
            Err(error) => Self::Failed(error.into()),
        }
    }
}
