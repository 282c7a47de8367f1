//! Errors as peers tell each other, and the names of their conditions.

use bytes::BytesMut;

use super::{Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    Map, write_descriptor, write_list, write_option, write_str, write_symbol,
};

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// An error condition that the hub sends or understands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[$doc])* $name,)*
        }

        impl Condition {
            /// Every condition.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The symbol on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

conditions! {
    /// Something went wrong inside.
    InternalError = "amqp:internal-error",
    /// The node does not exist.
    NotFound = "amqp:not-found",
    /// No permission for the node.
    UnauthorizedAccess = "amqp:unauthorized-access",
    /// Bytes that are no valid encoding.
    DecodeError = "amqp:decode-error",
    /// A bound of the peer is reached.
    ResourceLimitExceeded = "amqp:resource-limit-exceeded",
    /// Permitted in general, not here.
    NotAllowed = "amqp:not-allowed",
    /// A field with an unusable value.
    InvalidField = "amqp:invalid-field",
    /// Not built.
    NotImplemented = "amqp:not-implemented",
    /// Somebody else holds it.
    ResourceLocked = "amqp:resource-locked",
    /// A precondition does not hold.
    PreconditionFailed = "amqp:precondition-failed",
    /// The node has been deleted.
    ResourceDeleted = "amqp:resource-deleted",
    /// Something that the state of the peer does not permit.
    IllegalState = "amqp:illegal-state",
    /// The connection is closed by an operator or by a rule of the peer.
    ConnectionForced = "amqp:connection:forced",
    /// Frames that are not well formed.
    FramingError = "amqp:connection:framing-error",
    /// The container is elsewhere.
    ConnectionRedirect = "amqp:connection:redirect",
    /// More transfer frames than the window allows.
    WindowViolation = "amqp:session:window-violation",
    /// A frame for a link that had been detached because of an error.
    ErrantLink = "amqp:session:errant-link",
    /// A handle that is taken already.
    HandleInUse = "amqp:session:handle-in-use",
    /// A handle that belongs to no link.
    UnattachedHandle = "amqp:session:unattached-handle",
    /// The link is detached by an operator or by a rule of the peer.
    DetachForced = "amqp:link:detach-forced",
    /// More deliveries than there was credit for.
    TransferLimitExceeded = "amqp:link:transfer-limit-exceeded",
    /// A message larger than the link allows.
    MessageSizeExceeded = "amqp:link:message-size-exceeded",
    /// The node is elsewhere.
    LinkRedirect = "amqp:link:redirect",
    /// Another link has taken the place.
    Stolen = "amqp:link:stolen",
    /// An argument with an unusable value.
    ArgumentError = "com.microsoft:argument-error",
    /// An argument out of its range.
    ArgumentOutOfRange = "com.microsoft:argument-out-of-range",
    /// The operation took too long.
    Timeout = "com.microsoft:timeout",
    /// Too many requests for the moment.
    ServerBusy = "com.microsoft:server-busy",
    /// The process stops.
    ContainerClose = "com.microsoft:container-close",
    /// The node has been changed.
    EntityUpdated = "com.microsoft:entity-updated",
    /// The operation has been given up.
    OperationCancelled = "com.microsoft:operation-cancelled",
    /// Credentials that prove nothing.
    AuthFailed = "com.microsoft:auth-failed",
    /// Two links for one purpose are being made at once.
    LinkCreationConflict = "com.microsoft:link-creation-conflict",
    /// The device is not connected or not known.
    DeviceNotFound = "com.microsoft:device-not-found",
    /// The hub does not take so much in a second.
    DeviceContainerThrottled = "com.microsoft:device-container-throttled",
    /// The hub does not take so much in a day.
    QuotaExceeded = "com.microsoft:quota-exceeded",
    /// The lock token is no longer valid.
    MessageLockLost = "com.microsoft:message-lock-lost",
}

impl Condition {
    /// The condition of a symbol, if it is one that the hub knows.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|condition| condition.name() == name)
    }
}

/// An error as it stands in detach, end, close and rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmqpError<'a> {
    /// Symbol of the condition; peers may send ones that [`Condition`] does not list.
    pub condition: &'a str,
    /// Text for people.
    pub description: Option<&'a str>,
    /// More about it, by symbol.
    pub info: Option<Map<'a>>,
}

impl<'a> AmqpError<'a> {
    /// An error with a condition and a text.
    #[must_use]
    pub const fn new(condition: Condition, description: &'a str) -> Self {
        Self { condition: condition.name(), description: Some(description), info: None }
    }

    /// The condition, if it is one that the hub knows.
    #[must_use]
    pub fn known_condition(&self) -> Option<Condition> {
        Condition::from_name(self.condition)
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Option<Self>, DecodeError> {
        let Some((descriptor, mut fields)) = fields.composite()? else { return Ok(None) };
        if descriptor != u64::from(code::ERROR) {
            return Err(DecodeError::UnknownDescriptor(descriptor));
        }
        Ok(Some(Self {
            condition: fields.symbol()?.ok_or(DecodeError::MissingField("condition"))?,
            description: fields.text()?,
            info: fields.map()?,
        }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::ERROR);
        write_list(out, 3, |out| {
            write_symbol(out, self.condition);
            write_option(out, self.description, write_str);
            write_option(out, self.info, |out, info| info.encode(out));
        });
    }
}
