//! A call as back end, hub and device see it.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;

use crate::id::{HubId, Identity};

/// Names a call on the wire: the request id of its topic, in hexadecimal.
///
/// It is no secret: an answer counts only on the connection that the call was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(super) u64);

impl CallId {
    /// Reads what a device repeats; `None` for what the hub never wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_ours = text.bytes().all(is_digit) && (text == "0" || !text.starts_with('0'));
        if is_ours { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Hub of the identity.
    pub hub: HubId,
    /// Device or module.
    pub identity: Identity,
}

/// What the device is told. Cloning copies no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Name that follows the rules of [`check_method_name`](super::check_method_name).
    pub name: Arc<str>,
    /// JSON text, or empty when the caller gives none.
    pub payload: Bytes,
}

impl Invocation {
    /// Bytes that the call keeps in memory.
    pub(super) fn len(&self) -> usize {
        self.name.len() + self.payload.len()
    }
}

/// A call on its way to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodCall {
    /// Comes back with the answer.
    pub id: CallId,
    /// What the device is told.
    pub invocation: Invocation,
}

/// How long a back end waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the device to connect and to subscribe; zero is not at all.
    pub connect: Duration,
    /// For the answer, from the moment that the call was sent.
    pub response: Duration,
}

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many calls or too many bytes wait in the whole process.
    Full,
    /// Too many calls wait for this device or module.
    TargetFull,
}

/// Why a connection did not take a call; the device has not heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It has ended, or has not subscribed to methods.
    NotListening,
    /// Too much waits for the device already.
    Behind,
}

/// Why a call ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listened for so long.
    NotOnline(Duration),
    /// The connection that the call was sent to has ended.
    ConnectionClosed,
    /// Too much waits for the device already.
    Behind,
    /// No answer came in time.
    TimedOut,
    /// The hub of the device is gone.
    HubDeleted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_hub_writes_is_an_id() {
        for number in [0, 1, 0x2a, u64::MAX] {
            assert_eq!(CallId::parse(&CallId(number).to_string()), Some(CallId(number)));
        }
        for text in ["", "-1", "+1", "01", "2A", "g", " 1", "10000000000000000"] {
            assert_eq!(CallId::parse(text), None, "{text}");
        }
    }
}
