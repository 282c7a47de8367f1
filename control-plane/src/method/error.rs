//! Why a call has no answer.

use std::time::Duration;

use ringhub_core::method::{Failure, Refusal};

use crate::registry::RegistryError;

/// Why a call has no answer of its device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MethodError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("The payload is larger than 128 KB.")]
    TooLarge,
    #[error("The device is disabled.")]
    Disabled,
    #[error("Too many method calls are under way.")]
    Throttled,
    #[error("Too many method calls wait for this device.")]
    TargetFull,
    #[error("Timed out waiting for device to connect.")]
    NotOnline(Duration),
    #[error("The device has disconnected before it answered.")]
    ConnectionClosed,
    #[error("Timed out waiting for the response from device.")]
    TimedOut,
    #[error("The device answered with something that is not JSON or larger than 128 KB.")]
    BadAnswer,
}

impl MethodError {
    /// Whether the device has not heard of the call and may be called again.
    pub(crate) fn is_unsent(&self) -> bool {
        matches!(self, Self::NotOnline(_) | Self::Throttled | Self::TargetFull)
    }
}

impl From<Refusal> for MethodError {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Full => Self::Throttled,
            Refusal::TargetFull => Self::TargetFull,
        }
    }
}

impl From<Failure> for MethodError {
    fn from(why: Failure) -> Self {
        match why {
            Failure::NotOnline(waited) => Self::NotOnline(waited),
            Failure::ConnectionClosed => Self::ConnectionClosed,
            Failure::Behind => Self::TargetFull,
            Failure::TimedOut => Self::TimedOut,
            Failure::HubDeleted => RegistryError::HubNotFound.into(),
        }
    }
}
