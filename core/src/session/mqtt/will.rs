//! Last will of a client.

use super::d2c::D2cPublish;
use super::error::SessionError;
use super::topic::Topic;
use crate::codec::mqtt::{ConnectWill, Qos};
use crate::id::Identity;

/// A checked will, owned until the session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    bag: Box<str>,
    payload: Box<[u8]>,
    retain: bool,
}

impl Will {
    /// Checks a will at CONNECT, before anything is copied.
    pub(super) fn new(will: &ConnectWill<'_>, identity: &Identity) -> Result<Self, SessionError> {
        if will.qos == Qos::ExactlyOnce {
            return Err(SessionError::WillQos);
        }
        let Ok(Topic::Events { bag }) = Topic::parse(will.topic, identity) else {
            return Err(SessionError::WillTopic);
        };
        D2cPublish::will(bag, will.payload, will.retain).map_err(|_| SessionError::WillMessage)?;
        Ok(Self { bag: bag.into(), payload: will.payload.into(), retain: will.retain })
    }

    /// The message to push into the ring.
    #[must_use]
    pub fn publish(&self) -> D2cPublish<'_> {
        D2cPublish::will(&self.bag, &self.payload, self.retain).expect("was checked at CONNECT")
    }
}
