//! What clients are told when they do not get what they want.
//!
//! Clients decide by condition and sometimes by words of the text.
//!
//! Source: service-endpoints reference, "CBS", "Epoch (exclusive) receivers", "`$management` node".

use std::borrow::Cow;
use std::fmt::Display;

use ringhub_control_plane::directory::AuthFailure;
use ringhub_core::auth::TokenRefused;
use ringhub_core::codec::amqp::performative::{AmqpError, Condition};
use ringhub_core::codec::amqp::section::MessageId;
use ringhub_core::quota::QuotaRefusal;
use ringhub_core::session::amqp::RequestReply;

use crate::partition::ReadRefused;

/// A condition and the text that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) condition: Condition,
    pub(crate) text: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(condition: Condition, text: impl Into<Cow<'static, str>>) -> Self {
        Self { condition, text: text.into() }
    }

    /// As it stands in detach and close.
    pub(crate) fn error(&self) -> AmqpError<'_> {
        AmqpError::new(self.condition, &self.text)
    }

    /// As an answer of `$cbs` or `$management`.
    pub(crate) fn reply<'a>(&'a self, correlation_id: Option<MessageId<'a>>) -> RequestReply<'a> {
        RequestReply {
            correlation_id,
            status: self.status(),
            description: &self.text,
            condition: Some(self.condition),
        }
    }

    fn status(&self) -> i32 {
        match self.condition {
            Condition::ArgumentError | Condition::ArgumentOutOfRange => 400,
            Condition::UnauthorizedAccess => 401,
            Condition::ResourceLimitExceeded => 403,
            Condition::NotFound => 404,
            Condition::Stolen => 410,
            Condition::NotImplemented => 501,
            Condition::ServerBusy => 503,
            _ => 500,
        }
    }

    /// A claim is missing; `right` is `Listen` or `Send`.
    pub(crate) fn unauthorized(right: &str, host: &str, path: &str) -> Self {
        let text = format!(
            "Unauthorized access. '{right}' claim(s) are required to perform this operation. \
             Resource: 'sb://{host}/{path}'."
        );
        Self::new(Condition::UnauthorizedAccess, text)
    }

    /// The token of a link or connection has run out.
    pub(crate) fn expired() -> Self {
        let text = "ExpiredToken: The token is expired and was not renewed.";
        Self::new(Condition::UnauthorizedAccess, text)
    }

    /// There is no such entity, consumer group or node.
    pub(crate) fn not_found(host: &str, path: impl Display) -> Self {
        let text = format!("The messaging entity 'sb://{host}/{path}' could not be found.");
        Self::new(Condition::NotFound, text)
    }

    /// The entity has no such partition.
    pub(crate) fn no_partition(partition_count: u16) -> Self {
        let last = partition_count.saturating_sub(1);
        let text = format!(
            "The specified partition is invalid for an EventHub partition sender or receiver. \
             It should be between 0 and {last}."
        );
        Self::new(Condition::ArgumentOutOfRange, text)
    }

    /// A node of a hub that this one does not have yet.
    pub(crate) fn not_offered(node: &str) -> Self {
        let text = format!("This hub does not offer {node} over AMQP yet.");
        Self::new(Condition::NotImplemented, text)
    }

    /// A hub takes nothing more of a device for the moment.
    ///
    /// Source: device-endpoints reference, "How it feels on the wire".
    pub(crate) fn of_quota(refusal: QuotaRefusal) -> Self {
        let (condition, number) = match refusal {
            QuotaRefusal::Throttled { .. } => (Condition::DeviceContainerThrottled, 429_001),
            QuotaRefusal::DailyQuota => (Condition::ResourceLimitExceeded, 403_002),
            QuotaRefusal::Tier => (Condition::NotAllowed, 403_010),
        };
        Self::new(condition, format!("{refusal} ({number})."))
    }

    /// The log is gone.
    pub(crate) fn internal(what: impl Display) -> Self {
        Self::new(Condition::InternalError, format!("The service has failed: {what}."))
    }

    /// A token proves nothing.
    pub(crate) fn of_token(failure: AuthFailure) -> Self {
        let text = match failure {
            AuthFailure::Refused(TokenRefused::Expired) => {
                "ExpiredToken: The token is expired.".into()
            }
            // Which policies there are is nobody's business.
            AuthFailure::Refused(TokenRefused::Signature) | AuthFailure::UnknownPolicy => {
                "InvalidSignature: The token has an invalid signature.".into()
            }
            AuthFailure::Scope => "InvalidAudience: The token does not cover the audience.".into(),
            AuthFailure::Malformed(error) => Cow::from(format!("MalformedToken: {error}.")),
            AuthFailure::UnknownDevice => {
                return Self::new(Condition::NotFound, "The device is not registered (404001).");
            }
            AuthFailure::UnknownModule => {
                return Self::new(Condition::NotFound, "The module is not registered (404010).");
            }
            AuthFailure::Disabled => "The device is disabled (403012).".into(),
            other => Cow::from(format!("InvalidToken: {other}.")),
        };
        Self::new(Condition::UnauthorizedAccess, text)
    }

    /// A reader may not be opened, or cannot go on.
    pub(crate) fn of_read(refused: &ReadRefused, epoch: Option<i64>) -> Self {
        let (condition, text) = match refused {
            ReadRefused::LowerEpoch { holder } => (
                Condition::Stolen,
                format!(
                    "A receiver with a higher epoch '{holder}' already exists. A new receiver \
                     with epoch '{}' cannot be created.",
                    epoch.unwrap_or_default()
                ),
            ),
            ReadRefused::EpochHeld { holder } => (
                Condition::Stolen,
                format!(
                    "At least one receiver for the endpoint is created with epoch of '{holder}', \
                     and so non-epoch receiver is not allowed. Either reconnect with a higher \
                     epoch, or make sure all epoch receivers are closed or disconnected."
                ),
            ),
            ReadRefused::TooManyReaders(readers) => (
                Condition::ResourceLimitExceeded,
                format!(
                    "Exceeded the maximum number of allowed receivers per partition in a consumer \
                     group which is {readers}."
                ),
            ),
            ReadRefused::OffsetBeyondEnd { supplied, last } => (
                Condition::ArgumentError,
                format!(
                    "The supplied offset '{}' is invalid. The last offset in the system is '{}'.",
                    supplied.0,
                    or_none(last.map(|last| last.0))
                ),
            ),
            ReadRefused::SequenceNumberBeyondEnd { supplied, last } => (
                Condition::ArgumentError,
                format!(
                    "The supplied sequence number '{}' is invalid. The last sequence number in \
                     the system is '{}'.",
                    supplied.0,
                    or_none(last.map(|last| last.0))
                ),
            ),
            ReadRefused::UnknownPartition
            | ReadRefused::UnknownReader
            | ReadRefused::Damaged(_) => return Self::internal(refused),
        };
        Self::new(condition, text)
    }

    /// Another reader took the place of one. Names are those that the clients gave.
    pub(crate) fn stolen(by: Option<&str>, epoch: i64, from: Option<&str>, held: i64) -> Self {
        let (by, from) = (by.unwrap_or("nil"), from.unwrap_or("nil"));
        let text = format!(
            "New receiver '{by}' with higher epoch of '{epoch}' is created hence current receiver \
             '{from}' with epoch '{held}' is getting disconnected. If you are recreating the \
             receiver, make sure a higher epoch is used."
        );
        Self::new(Condition::Stolen, text)
    }
}

/// Positions in an empty partition are told as -1.
fn or_none(position: Option<u64>) -> Cow<'static, str> {
    position.map_or(Cow::Borrowed("-1"), |position| position.to_string().into())
}

#[cfg(test)]
mod tests {
    use ringhub_core::auth::InvalidToken;
    use ringhub_core::position::{Offset, SequenceNumber};

    use super::*;

    #[test]
    fn tokens_are_refused_in_the_words_that_clients_look_for() {
        for (failure, begins) in [
            (AuthFailure::Refused(TokenRefused::Expired), "ExpiredToken: "),
            (
                AuthFailure::Refused(TokenRefused::Signature),
                "InvalidSignature: The token has an invalid signature",
            ),
            (AuthFailure::UnknownPolicy, "InvalidSignature: "),
            (AuthFailure::Scope, "InvalidAudience: "),
            (AuthFailure::Malformed(InvalidToken::Scheme), "MalformedToken: "),
            (AuthFailure::PolicyNeeded, "InvalidToken: "),
        ] {
            let refusal = Refusal::of_token(failure);
            assert!(refusal.text.starts_with(begins), "{}", refusal.text);
            assert_eq!(refusal.status(), 401);
        }
    }

    #[test]
    fn readers_are_refused_as_the_reference_has_it() {
        let (offset, number) = (Offset(9), SequenceNumber(8));
        for (refused, condition, words) in [
            (ReadRefused::LowerEpoch { holder: 3 }, Condition::Stolen, "higher epoch '3'"),
            (
                ReadRefused::EpochHeld { holder: 3 },
                Condition::Stolen,
                "created with epoch of '3', and so non-epoch receiver is not allowed. Either \
                 reconnect with a higher epoch, ",
            ),
            (
                ReadRefused::TooManyReaders(5),
                Condition::ResourceLimitExceeded,
                "Exceeded the maximum number of allowed receivers per partition in a consumer \
                 group which is 5.",
            ),
            (
                ReadRefused::OffsetBeyondEnd { supplied: offset, last: None },
                Condition::ArgumentError,
                "The supplied offset '9' is invalid. The last offset in the system is '-1'",
            ),
            (
                ReadRefused::SequenceNumberBeyondEnd {
                    supplied: number,
                    last: Some(SequenceNumber(2)),
                },
                Condition::ArgumentError,
                "sequence number '8' is invalid. The last sequence number in the system is '2'",
            ),
        ] {
            let refusal = Refusal::of_read(&refused, Some(1));
            assert_eq!(refusal.condition, condition);
            assert!(refusal.text.contains(words), "{}", refusal.text);
        }
    }

    #[test]
    fn a_stolen_reader_learns_both_names_and_epochs() {
        let refusal = Refusal::stolen(Some("b"), 2, None, 1);
        let words = "New receiver 'b' with higher epoch of '2' is created hence current receiver \
                     'nil' with epoch '1' is getting disconnected.";
        assert!(refusal.text.starts_with(words), "{}", refusal.text);
        assert_eq!(refusal.condition, Condition::Stolen);
    }
}
