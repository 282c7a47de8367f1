//! Refusals of messages and verdicts as AMQP conditions.
//!
//! Source: service-endpoints reference, "Outcome to the sender".

use ringhub_control_plane::c2d::C2dRefusal;
use ringhub_core::c2d::Unacceptable;
use ringhub_core::codec::amqp::performative::Condition;
use ringhub_core::quota::QuotaRefusal;

use crate::reader::Refusal;

/// Why a message was not queued, or a verdict not taken.
pub(crate) fn refusal_of_c2d(refusal: C2dRefusal) -> Refusal {
    let condition = match refusal {
        C2dRefusal::DeviceNotFound | C2dRefusal::ModuleNotFound => Condition::NotFound,
        C2dRefusal::QueueFull | C2dRefusal::OutOfMemory => Condition::ResourceLimitExceeded,
        C2dRefusal::LockLost => Condition::MessageLockLost,
        C2dRefusal::Busy | C2dRefusal::DiskFull | C2dRefusal::Failed => Condition::ServerBusy,
        C2dRefusal::Storage => Condition::InternalError,
        C2dRefusal::Quota(QuotaRefusal::Throttled { .. }) => Condition::DeviceContainerThrottled,
        C2dRefusal::Quota(QuotaRefusal::DailyQuota) => Condition::QuotaExceeded,
        C2dRefusal::Quota(QuotaRefusal::Tier) => Condition::NotAllowed,
    };
    Refusal::new(condition, refusal.to_string())
}

/// Why a message cannot be queued at all.
pub(crate) fn refusal_of_message(why: &Unacceptable) -> Refusal {
    let condition = match why {
        Unacceptable::Malformed(_) => Condition::DecodeError,
        Unacceptable::TooLarge => Condition::MessageSizeExceeded,
        Unacceptable::To
        | Unacceptable::Ack
        | Unacceptable::Expiry
        | Unacceptable::MessageId
        | Unacceptable::NotText
        | Unacceptable::Property
        | Unacceptable::Body => Condition::ArgumentError,
    };
    Refusal::new(condition, why.to_string())
}
