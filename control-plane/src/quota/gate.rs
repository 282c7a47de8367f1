//! Lets operations through now, later, or not at all.

use std::sync::Arc;
use std::time::Instant;

use ringhub_core::id::HubId;
use ringhub_core::quota::{HubQuota, Moment, QuotaRefusal, Verdict};
use ringhub_core::time::Timestamp;

use super::thread::{News, Waiting};
use super::{AnswerCost, Cost};
use crate::clock;
use crate::directory::{Directory, Hub};

/// The way to the quotas of all hubs. Cloning is cheap, and nothing here blocks.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    directory: Arc<Directory>,
    /// Where operations wait for their time; `None` if no hub of the process has limits.
    room: Option<flume::Sender<News>>,
    /// When the clock of the rates began.
    origin: Instant,
}

impl Gate {
    pub(super) fn new(directory: Arc<Directory>, room: Option<flume::Sender<News>>) -> Self {
        Self { directory, room, origin: Instant::now() }
    }

    /// Whether no hub has limits, so that nobody needs to ask.
    pub(crate) fn is_open(&self) -> bool {
        self.room.is_none()
    }

    /// Lets an operation of a hub go on with what is `held`: now on this thread, or at its time on
    /// that of the quotas. `cost` is what it uses; `None` is nothing.
    pub(crate) fn enter<T: Send + 'static>(
        &self,
        hub: HubId,
        cost: impl FnOnce(&T, &HubQuota) -> Option<Cost>,
        held: T,
        go_on: impl FnOnce(T) + Send + 'static,
        refuse: impl FnOnce(T, QuotaRefusal),
    ) {
        let Some((room, hub)) = self.limited(hub) else { return go_on(held) };
        let Some(quota) = hub.quota() else { return go_on(held) };
        let Some(Cost { class, units, messages }) = cost(&held, quota) else {
            return go_on(held);
        };
        let at = self.moment();
        let until = match quota.operate(class, units, messages, at) {
            Verdict::Pass => return go_on(held),
            Verdict::Refused(why) => return refuse(held, why),
            Verdict::Delayed(until) => until,
        };
        if !quota.begin_waiting() {
            quota.refund(messages, at.today);
            return refuse(held, QuotaRefusal::NO_PLACE);
        }
        let go_on = move || {
            if let Some(quota) = hub.quota() {
                quota.end_waiting();
            }
            go_on(held);
        };
        let until = self.origin + until.since(Timestamp::ZERO);
        // At the end of the process nobody waits for an answer any more.
        let _ = room.send(News::Wait(Waiting { until, go_on: Box::new(go_on) }));
    }

    /// Charges the day for an answer of `bytes`, as far as it has messages left.
    pub(crate) fn charge_answer(&self, hub: HubId, cost: AnswerCost, bytes: usize) {
        self.charge_by(hub, |quota| {
            let messages = u64::from(quota.messages_of(bytes));
            match cost {
                AnswerCost::Nothing => 0,
                AnswerCost::Rest => messages - 1,
                AnswerCost::Whole => messages,
            }
        });
    }

    /// Charges the day for what happens whether it has messages left or not.
    pub(crate) fn charge(&self, hub: HubId, messages: u64) {
        self.charge_by(hub, |_| messages);
    }

    fn charge_by(&self, hub: HubId, messages: impl FnOnce(&HubQuota) -> u64) {
        if let Some((_, hub)) = self.limited(hub)
            && let Some(quota) = hub.quota()
        {
            quota.charge_later(messages(quota), self.moment().today);
        }
    }

    fn limited(&self, hub: HubId) -> Option<(&flume::Sender<News>, Arc<Hub>)> {
        let room = self.room.as_ref()?;
        Some((room, self.directory.hub(hub)?))
    }

    fn moment(&self) -> Moment {
        Moment::new(Timestamp::ZERO + self.origin.elapsed(), clock::now())
    }
}
