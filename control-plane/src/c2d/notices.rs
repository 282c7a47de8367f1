//! The notices of both kinds.

use ringhub_core::c2d::{BatchRecord, FeedbackRecord, FileNotification, LockToken, Verdict};
use ringhub_core::id::ConnectionId;
use ringhub_core::time::UnixMillis;

use super::feedback_json::feedback_json;
use super::file_notification_json::file_notification_json;
use super::hub_queues::C2dQueues;
use super::notice_queue::NoticesDue;
use super::{C2dChange, C2dRefusal, Notice, NoticeKind};

/// Calls one method of the queue of a kind.
macro_rules! of_kind {
    ($self:expr, $kind:expr, $queue:ident => $call:expr) => {
        match $kind {
            NoticeKind::Feedback => {
                let $queue = &$self.feedback;
                $call
            }
            NoticeKind::File => {
                let $queue = &$self.files;
                $call
            }
        }
    };
}

impl C2dQueues {
    /// Takes a durable record. Returns whom to tell.
    pub(crate) fn push_feedback(
        &self,
        record: FeedbackRecord,
        now: UnixMillis,
    ) -> Vec<ConnectionId> {
        self.feedback.push(record, now)
    }

    /// Takes a durable notification. Returns whom to tell.
    pub(crate) fn push_file(&self, file: FileNotification, now: UnixMillis) -> Vec<ConnectionId> {
        self.files.push(file, now)
    }

    /// Hands the next notice out. Without one, `holder` is told when there is.
    pub(crate) fn lock_notice(
        &self,
        kind: NoticeKind,
        holder: Option<ConnectionId>,
        now: UnixMillis,
    ) -> Option<Notice> {
        let (token, delivery_count, newest, body) = match kind {
            NoticeKind::Feedback => {
                let batch = self.feedback.lock_next(holder, now)?;
                let newest = batch.records.last().map(BatchRecord::time);
                (batch.token, batch.delivery_count, newest, feedback_json(&batch.records))
            }
            NoticeKind::File => {
                let batch = self.files.lock_next(holder, now)?;
                let file = batch.records.last();
                let body = file.map(file_notification_json).unwrap_or_default();
                (batch.token, batch.delivery_count, file.map(BatchRecord::time), body)
            }
        };
        let enqueued = newest.unwrap_or(UnixMillis::EPOCH);
        Some(Notice { kind, token, delivery_count, enqueued, body })
    }

    /// Takes a verdict on a notice; `None` when there is nothing to make durable.
    pub(crate) fn settle_notice(
        &self,
        kind: NoticeKind,
        token: LockToken,
        verdict: Verdict,
        now: UnixMillis,
    ) -> Result<Option<C2dChange>, C2dRefusal> {
        let ids = of_kind!(self, kind, queue => queue.settle(token, verdict, now))?;
        Ok(ids.map(|ids| C2dChange::ForgetNotices(self.hub(), kind, ids)))
    }

    /// The link of a notice is gone.
    pub(crate) fn unlock_notice(&self, kind: NoticeKind, token: LockToken) {
        of_kind!(self, kind, queue => queue.unlock(token));
    }

    /// Connections that wait for notices, if there are some.
    pub(crate) fn take_waiting_if_ready(&self, kind: NoticeKind) -> Vec<ConnectionId> {
        of_kind!(self, kind, queue => queue.take_waiting_if_ready())
    }

    /// Records are gone from the store.
    pub(crate) fn remove_notices(&self, kind: NoticeKind, ids: &[u64]) {
        of_kind!(self, kind, queue => queue.remove(ids));
    }

    /// A connection has no link for such notices any more.
    pub(crate) fn stop_waiting(&self, kind: NoticeKind, connection: ConnectionId) {
        of_kind!(self, kind, queue => queue.stop_waiting(connection));
    }

    /// The next time at which notices of either kind want to be looked at.
    pub(super) fn notices_deadline(&self) -> Option<UnixMillis> {
        self.feedback.deadline().into_iter().chain(self.files.deadline()).min()
    }

    /// What time has done to the notices of a kind.
    pub(super) fn notices_due(&self, kind: NoticeKind, now: UnixMillis) -> NoticesDue {
        of_kind!(self, kind, queue => queue.take_due(now))
    }
}
