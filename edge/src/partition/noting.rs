//! What an executor notes about its log. Once per batch and commit, never per event.

use std::time::Duration;

use super::appender::Durable;
use super::batch::Batch;
use super::executor::Executor;
use super::open::place_of;

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
            let place = place_of(chunk.partition, &self.config);
            counters.partitions[place].note_chunk(chunk);
            self.note_range(place);
        }
    }

    /// Notes what the log holds, after segments have come or gone.
    pub(super) fn note_log(&self) {
        let segments = {
            let appender = self.appender.borrow();
            appender.sealed.len() + usize::from(appender.active.is_some())
        };
        self.counters.segments.set(segments as u64);
        (0..self.counters.partitions.len()).for_each(|place| self.note_range(place));
    }

    fn note_range(&self, place: usize) {
        let appender = self.appender.borrow();
        let partition = &self.counters.partitions[place];
        partition.note_range(appender.oldest(place), appender.committed(place));
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
