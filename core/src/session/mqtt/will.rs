//! Last will of a client.

use super::error::SessionError;
use super::publish::D2cPublish;
use super::topic::Topic;
use crate::codec::mqtt::{ConnectWill, Qos};
use crate::id::Identity;

/// A will as the client sent it, owned until the session ends.
///
/// It is judged when it is due, not at CONNECT: firmware that announces its end on a topic of its
/// own, whatever the hub makes of it, is let in all the same.
///
/// Source: device-endpoints reference, "Will".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    topic: Box<str>,
    payload: Box<[u8]>,
    qos: Qos,
    retain: bool,
}

/// Why a will is no message; it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWill {
    /// The topic is not one of telemetry of the identity, or holds a wildcard.
    #[error("the will is not telemetry of this identity")]
    Topic,
    /// The will asks for QoS 2.
    #[error("a will with QoS 2")]
    Qos,
    /// A malformed bag, or more bytes than a D2C message may have.
    #[error(transparent)]
    Message(SessionError),
}

impl Will {
    pub(super) fn new(will: &ConnectWill<'_>) -> Self {
        Self {
            topic: will.topic.into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
        }
    }

    /// Where the client wanted it.
    #[must_use]
    pub const fn topic(&self) -> &str {
        &self.topic
    }

    /// The message to push into the ring.
    ///
    /// # Errors
    /// [`InvalidWill`]: drop the will and say so; nobody waits for an answer.
    pub fn publish(&self, identity: &Identity) -> Result<D2cPublish<'_>, InvalidWill> {
        // [MQTT-3.3.2-2], which the codec enforces for a PUBLISH.
        if self.topic.contains(['+', '#']) {
            return Err(InvalidWill::Topic);
        }
        let Ok(Topic::Events { bag }) = Topic::parse(&self.topic, identity) else {
            return Err(InvalidWill::Topic);
        };
        if self.qos == Qos::ExactlyOnce {
            return Err(InvalidWill::Qos);
        }
        D2cPublish::will(bag, &self.payload, self.retain).map_err(InvalidWill::Message)
    }
}
