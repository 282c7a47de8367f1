//! Deadlines of one session.

use core::time::Duration;

use crate::limits::{MQTT_CONNECT_TIMEOUT, MQTT_KEEP_ALIVE_MAX};
use crate::time::Timestamp;

/// Silence and token expiry; before CONNECT is accepted, the silence is counted from the start.
#[derive(Debug)]
pub(super) struct Timers {
    heard: Timestamp,
    silence_max_ms: u32,
    token_deadline: Option<Timestamp>,
}

impl Timers {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { heard: now, silence_max_ms: millis(MQTT_CONNECT_TIMEOUT), token_deadline: None }
    }

    /// Starts the deadlines of an accepted client: 1.5 times its keep-alive, capped; 0 s gets the
    /// cap (G37).
    pub(super) fn accept(
        &mut self,
        keep_alive_secs: u16,
        token_deadline: Option<Timestamp>,
        now: Timestamp,
    ) {
        let asked = Duration::from_millis(u64::from(keep_alive_secs) * 1500);
        let silence = if keep_alive_secs == 0 { MQTT_KEEP_ALIVE_MAX } else { asked };
        self.silence_max_ms = millis(silence.min(MQTT_KEEP_ALIVE_MAX));
        self.token_deadline = token_deadline;
        self.heard = now;
    }

    pub(super) const fn heard(&mut self, now: Timestamp) {
        self.heard = now;
    }

    pub(super) fn silence_deadline(&self) -> Timestamp {
        self.heard + Duration::from_millis(u64::from(self.silence_max_ms))
    }

    pub(super) fn token_expired(&self, now: Timestamp) -> bool {
        self.token_deadline.is_some_and(|deadline| now >= deadline)
    }

    pub(super) fn next(&self) -> Timestamp {
        let silence = self.silence_deadline();
        self.token_deadline.map_or(silence, |deadline| deadline.min(silence))
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
