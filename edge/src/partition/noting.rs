//! What an executor notes about its log. Once per batch and commit, never per event.

use std::time::Duration;

use super::appender::Durable;
use super::batch::Batch;
use super::executor::Executor;

impl Executor {
    /// Notes how long the publications lay in the rings whose records the batch has now.
    pub(super) fn note_gathered(&self, batch: &Batch) {
        let now = self.config.clock.now();
        for (marks, upto) in self.marks.iter().zip(&batch.upto) {
            if let Some(upto) = upto {
                marks
                    .take(*upto, now, |nanos, messages| self.counters.ring.record(nanos, messages));
            }
        }
    }

    /// Notes a commit that is durable. What readers may know has moved on already.
    pub(super) fn note_durable(&self, durable: &Durable) {
        let (counters, head) = (&self.counters, &durable.head);
        let messages = head.chunks.iter().map(|chunk| u64::from(chunk.record_count)).sum();
        counters.commits.add(1);
        counters.messages.add(messages);
        counters.bytes.add(head.len as u64);
        counters.commit_bytes.record(head.len as u64, 1);
        counters.commit_time.record(nanos(durable.times.built.elapsed()), 1);
        counters.log.record(nanos(durable.times.gathered.elapsed()), messages);
        for chunk in &head.chunks {
            if let Some(slot) = self.hubs.borrow().slot(chunk.place) {
                slot.counters.note_chunk(chunk);
                slot.note_range();
            }
        }
    }

    /// Notes how many segments the log has, after some have come or gone.
    pub(super) fn note_log(&self) {
        let segments = {
            let appender = self.appender.borrow();
            appender.sealed.len() + usize::from(appender.active.is_some())
        };
        self.counters.segments.set(segments as u64);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
