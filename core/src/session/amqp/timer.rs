//! Deadlines of a connection.

use core::time::Duration;

use super::error::SessionError;
use crate::time::Timestamp;

/// Heartbeat when the peer names no idle timeout.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(60);
/// Shortest period between looks at the output, whatever the peer names.
const HEARTBEAT_MIN: Duration = Duration::from_millis(250);
/// Time that a peer has to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the peer's silence means at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    Open,
    Traffic,
    Close,
}

/// The two deadlines: something must come in, something must go out.
#[derive(Debug)]
pub(super) struct Timer {
    awaiting: Awaiting,
    silence: Duration,
    incoming: Timestamp,
    /// A quarter of the peer's idle timeout: a look at whether anything went out since the last
    /// look.
    period: Duration,
    outgoing: Option<Timestamp>,
    sent: bool,
}

impl Timer {
    pub(super) fn new(handshake: Duration, idle: Duration, now: Timestamp) -> Self {
        Self {
            awaiting: Awaiting::Open,
            silence: idle.saturating_mul(2),
            incoming: now + handshake,
            period: HEARTBEAT_DEFAULT,
            outgoing: None,
            sent: false,
        }
    }

    /// The peer has opened and wants to hear something every `idle`.
    pub(super) fn on_opened(&mut self, idle: Option<Duration>, now: Timestamp) {
        self.awaiting = Awaiting::Traffic;
        self.incoming = now + self.silence;
        let idle = idle.filter(|idle| !idle.is_zero());
        self.period = idle.map_or(HEARTBEAT_DEFAULT / 2, |idle| (idle / 4).max(HEARTBEAT_MIN));
        self.outgoing = Some(now + self.period);
    }

    pub(super) fn on_received(&mut self, now: Timestamp) {
        if self.awaiting == Awaiting::Traffic {
            self.incoming = now + self.silence;
        }
    }

    pub(super) const fn on_sent(&mut self) {
        self.sent = true;
    }

    pub(super) fn on_closing(&mut self, now: Timestamp) {
        self.awaiting = Awaiting::Close;
        self.incoming = now + CLOSE_TIMEOUT;
        self.outgoing = None;
    }

    pub(super) fn deadline(&self) -> Timestamp {
        self.outgoing.map_or(self.incoming, |outgoing| outgoing.min(self.incoming))
    }

    /// Whether a heartbeat is due.
    pub(super) fn on_timeout(&mut self, now: Timestamp) -> Result<bool, SessionError> {
        if now >= self.incoming {
            return Err(match self.awaiting {
                Awaiting::Open => SessionError::HandshakeTimeout,
                Awaiting::Traffic => SessionError::IdleTimeout,
                Awaiting::Close => SessionError::CloseTimeout,
            });
        }
        if self.outgoing.is_none_or(|outgoing| now < outgoing) {
            return Ok(false);
        }
        self.outgoing = Some(now + self.period);
        let silent = !self.sent;
        self.sent = silent;
        Ok(silent)
    }
}
