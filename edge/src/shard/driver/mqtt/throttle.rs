//! A client that has to wait because its hub may do no more.

use ringhub_core::limits::QUOTA_CLOSE_DELAY;
use ringhub_core::quota::{QuotaRefusal, Verdict};
use ringhub_core::session::mqtt::{CloseReason, D2cPublish};
use ringhub_core::time::Timestamp;
use tracing::{debug, info};

use super::{Context, MqttDriver, Next};
use crate::shard::Close;

/// What a client waits for, or has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Throttle {
    /// Its CONNACK, until this time.
    Connect(Timestamp),
    /// A message that is charged as so many is paid for, and may be taken at this time; until then
    /// nothing is read.
    Publish(Timestamp, u32),
    /// That message has its time, and found no room yet.
    Paid(u32),
    /// The end of its connection: nothing is read any more.
    Close(Timestamp, QuotaRefusal),
}

impl MqttDriver {
    /// Whether bytes of the client are to stay in the socket.
    pub(super) fn is_throttled(&self) -> bool {
        matches!(
            self.throttle.as_deref(),
            Some(Throttle::Connect(_) | Throttle::Publish(..) | Throttle::Close(..))
        )
    }

    /// When a wait is over.
    pub(super) fn throttle_timeout(&self) -> Option<Timestamp> {
        match self.throttle.as_deref()? {
            Throttle::Connect(at) | Throttle::Publish(at, _) | Throttle::Close(at, _) => Some(*at),
            Throttle::Paid(_) => None,
        }
    }

    /// Pays for a message that was read, once. `Some` is what becomes of it instead.
    #[inline]
    pub(super) fn pay(&mut self, publish: &D2cPublish<'_>, cx: &Context<'_>) -> Option<Next> {
        if self.throttle.is_some() {
            return None;
        }
        let seat = self.seat.as_ref()?;
        let messages = seat.messages_of(publish.payload.len());
        let verdict = seat.pay(messages, cx);
        if verdict == Verdict::Pass { None } else { self.wait(verdict, messages, cx) }
    }

    /// MQTT has no word for a refusal: what is not taken is not acknowledged, and the connection
    /// ends, but not at once, or the client would do nothing but come back.
    #[cold]
    fn wait(&mut self, verdict: Verdict, messages: u32, cx: &Context<'_>) -> Option<Next> {
        self.throttle = Some(Box::new(match verdict {
            Verdict::Pass => return None,
            Verdict::Delayed(until) => Throttle::Publish(until, messages),
            Verdict::Refused(reason) => {
                let (hub, connection) = (self.hub_name(cx), cx.connection);
                debug!(hub, %connection, %reason, "telemetry refused: the connection will end");
                Throttle::Close(cx.now + QUOTA_CLOSE_DELAY, reason)
            }
        }));
        Some(Next::Keep)
    }

    /// The message that was paid for was not taken, and may be handed in again.
    pub(super) fn keep_paid(&mut self, bytes: usize) {
        let messages = self.seat.as_ref().map_or(0, |seat| seat.messages_of(bytes));
        self.throttle = (messages > 0).then(|| Box::new(Throttle::Paid(messages)));
    }

    /// Goes on where a wait is over.
    pub(super) fn end_wait(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        if self.throttle_timeout().is_none_or(|at| at > cx.now) {
            return Ok(());
        }
        let Some(throttle) = self.throttle.take() else { return Ok(()) };
        match *throttle {
            Throttle::Connect(_) => self.accept_if_alone(cx),
            Throttle::Publish(_, paid) => {
                self.throttle = Some(Box::new(Throttle::Paid(paid)));
                self.session.handle_resumed(cx.now);
            }
            Throttle::Paid(_) => {}
            Throttle::Close(_, reason) => {
                let (hub, connection) = (self.hub_name(cx), cx.connection);
                let identity = self.session.identity().map(ToString::to_string);
                info!(hub, identity, %connection, %reason, "connection ended for a quota");
                return Err(self.end(CloseReason::QuotaExceeded));
            }
        }
        Ok(())
    }

    /// The connection ends: a message that was paid for is not taken any more.
    pub(super) fn give_back(&mut self, cx: &Context<'_>) {
        let paid = match self.throttle.take().as_deref() {
            Some(Throttle::Publish(_, paid) | Throttle::Paid(paid)) => *paid,
            _ => return,
        };
        if let Some(seat) = &self.seat {
            seat.give_back(paid, cx);
        }
    }
}
