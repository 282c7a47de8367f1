//! Telemetry on its way from the session to the ring.

use super::error::SessionError;
use super::property_bag::PropertyBag;
use crate::codec::mqtt::{Delivery, Publish};
use crate::id::PacketId;
use crate::limits::D2C_MESSAGE_BYTES_MAX;

/// What the driver hands back once the message is in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the PUBACK leaves only after `handle_accepted` has got the receipt"]
pub struct Receipt {
    pub(super) id: Option<PacketId>,
    pub(super) bytes: u32,
}

impl Receipt {
    /// Whether the client waits for a PUBACK.
    #[must_use]
    pub const fn awaits_puback(&self) -> bool {
        self.id.is_some()
    }
}

/// A telemetry message that follows every rule, borrowed from the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct D2cPublish<'p> {
    /// Properties of the sender.
    pub bag: PropertyBag<'p>,
    /// Body, any bytes.
    pub payload: &'p [u8],
    /// For [`MqttSession::handle_accepted`](super::MqttSession::handle_accepted).
    pub receipt: Receipt,
    dup: bool,
    retain: bool,
    will: bool,
}

impl<'p> D2cPublish<'p> {
    pub(super) fn new(publish: &Publish<'p>, bag: &'p str) -> Result<Self, SessionError> {
        let (id, dup) = match publish.delivery {
            Delivery::AtMostOnce => (None, false),
            Delivery::AtLeastOnce { id, dup } => (Some(id), dup),
            Delivery::ExactlyOnce { .. } => return Err(SessionError::PublishQos),
        };
        let bag = PropertyBag::parse(bag)?;
        check_size(bag, publish.payload)?;
        let bytes = u32::try_from(publish.topic.len() + publish.payload.len()).unwrap_or(u32::MAX);
        let receipt = Receipt { id, bytes };
        let retain = publish.retain;
        Ok(Self { bag, payload: publish.payload, receipt, dup, retain, will: false })
    }

    /// A last will; nobody waits for its acknowledgement.
    pub(super) fn will(
        bag: &'p str,
        payload: &'p [u8],
        retain: bool,
    ) -> Result<Self, SessionError> {
        let bag = PropertyBag::parse(bag)?;
        check_size(bag, payload)?;
        let receipt = Receipt { id: None, bytes: 0 };
        Ok(Self { bag, payload, receipt, dup: false, retain, will: true })
    }

    /// Application properties that the hub adds because of how the message came.
    pub fn added_properties(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str)> + Clone + use<> {
        let added = [
            self.dup.then_some(("mqtt-dup", "true")),
            self.retain.then_some(("mqtt-retain", "true")),
            self.will.then_some(("iothub-MessageType", "Will")),
        ];
        added.into_iter().flatten()
    }
}

/// Counts body, names and values; the decoded bag is only measured when the encoded one might not
/// fit.
fn check_size(bag: PropertyBag<'_>, payload: &[u8]) -> Result<(), SessionError> {
    if payload.len() + bag.encoded_len() <= D2C_MESSAGE_BYTES_MAX {
        return Ok(());
    }
    match payload.len() + bag.decoded_len() {
        0..=D2C_MESSAGE_BYTES_MAX => Ok(()),
        bytes => Err(SessionError::MessageTooLarge(bytes)),
    }
}
