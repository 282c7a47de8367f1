//! One link that reads a partition: batches of records in, transfers out.
//!
//! ```text
//!  credit ─▶ Read ─▶ batch of records ─▶ transfers    while one goes out, the next is asked for
//! ```

use bytes::{Bytes, BytesMut};
use ringhub_core::id::ConnectionId;
use ringhub_core::limits::READER_BATCH_BYTES_MAX;
use ringhub_core::log::record::RecordView;
use ringhub_core::session::amqp::event_head::{EventHead, LastEnqueued, RuntimeMetrics};
use ringhub_core::session::amqp::{AmqpConnection, LinkId, Outgoing, SendBlocked};
use ringhub_core::time::{Timestamp, UnixMillis};

use super::{PartitionPlace, Refusal};
use crate::partition::{
    PartitionDescription, PartitionRequest, PartitionRequests, ReaderId, RequestBody,
};
use crate::shard::DeliveryRecorder;

/// A reader that has just been opened, and the link it is for.
#[derive(Debug)]
pub(crate) struct OpenedLink {
    /// The accepted link.
    pub(crate) link: LinkId,
    /// Its connection.
    pub(crate) connection: ConnectionId,
    /// Names the link in requests and answers.
    pub(crate) token: u64,
    /// What it reads.
    pub(crate) place: PartitionPlace,
    /// Its owner level.
    pub(crate) epoch: Option<i64>,
    /// Name that the client gave it.
    pub(crate) name: Option<String>,
    /// Whether events carry what is known of the end of the partition.
    pub(crate) with_metrics: bool,
    /// The executor of the partition.
    pub(crate) requests: PartitionRequests,
    /// Where deliveries are noted.
    pub(crate) recorder: DeliveryRecorder,
}

/// Whether the client wants its credit used up now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    No,
    /// The executor is asked to tell when it has nothing more; what it has comes before its answer.
    Asking,
    /// Credit that is left after the records at hand is given up.
    Finishing,
}

/// An open reader with its link.
#[derive(Debug)]
pub(crate) struct PartitionLink {
    opened: OpenedLink,
    reader: ReaderId,
    batch: Option<Batch>,
    following: Option<Batch>,
    is_reading: bool,
    drain: Drain,
}

/// Records on their way to the client.
#[derive(Debug)]
struct Batch {
    records: Bytes,
    /// Bytes of `records` that are sent.
    sent: usize,
    sent_messages: u64,
    answered: Timestamp,
    metrics: Option<RuntimeMetrics>,
}

impl PartitionLink {
    /// Joins a reader to its link.
    pub(crate) fn new(opened: OpenedLink, reader: ReaderId) -> Self {
        Self { opened, reader, batch: None, following: None, is_reading: false, drain: Drain::No }
    }

    /// The link.
    pub(crate) fn link(&self) -> LinkId {
        self.opened.link
    }

    /// The number that its mail carries.
    pub(crate) fn token(&self) -> u64 {
        self.opened.token
    }

    /// The connection of its client.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.opened.connection
    }

    /// What it reads.
    pub(crate) fn place(&self) -> &PartitionPlace {
        &self.opened.place
    }

    /// What the client is told when a reader with `epoch`, called `by`, took the place of this one.
    pub(crate) fn stolen(&self, by: Option<&str>, epoch: i64) -> Refusal {
        let held = self.opened.epoch.unwrap_or(-1);
        Refusal::stolen(by, epoch, self.opened.name.as_deref(), held)
    }

    /// What the client is told when the executor refuses to go on.
    pub(crate) fn refused(&self, refused: &crate::partition::ReadRefused) -> Refusal {
        Refusal::of_read(refused, self.opened.epoch)
    }

    /// Takes the answer to a read.
    pub(crate) fn handle_records(
        &mut self,
        records: Bytes,
        partition: &PartitionDescription,
        (answered, now): (Timestamp, UnixMillis),
    ) {
        self.is_reading = false;
        let metrics = self.opened.with_metrics.then(|| runtime_metrics(partition, now)).flatten();
        let batch = Some(Batch { records, sent: 0, sent_messages: 0, answered, metrics });
        if self.batch.is_none() {
            self.batch = batch;
        } else {
            self.following = batch;
        }
    }

    /// The executor has nothing more: what it had has come before.
    pub(crate) fn handle_at_end(&mut self) {
        if self.drain == Drain::Asking {
            self.drain = Drain::Finishing;
        }
    }

    /// The client has given credit, and perhaps wants it used up.
    pub(crate) fn handle_credit(&mut self, drain: bool) {
        if !drain {
            self.drain = Drain::No;
        } else if self.drain == Drain::No {
            self.drain = Drain::Asking;
            self.ask_for_records();
            self.ask(RequestBody::AwaitEnd { reader: self.reader });
        }
    }

    /// Sends what credit, window and `budget` allow, and asks for more. `head` is scratch.
    ///
    /// # Errors
    /// The reason to detach the link.
    pub(crate) fn pump(
        &mut self,
        connection: &mut AmqpConnection,
        head: &mut BytesMut,
        budget: &mut usize,
    ) -> Result<(), Refusal> {
        let link = self.opened.link;
        while *budget > 0 && connection.can_send(link).is_ok() {
            self.ask_for_records();
            let Some(batch) = &mut self.batch else { break };
            batch.send(connection, link, head, budget)?;
            if batch.is_sent() {
                let bytes = batch.records.len() as u64;
                self.opened.recorder.delivered(batch.answered, batch.sent_messages, bytes);
                self.batch = self.following.take();
            }
        }
        let nothing_left = self.drain == Drain::Finishing && self.batch.is_none();
        let used_up = connection.can_send(link) == Err(SendBlocked::Credit);
        if self.drain != Drain::No && (nothing_left || used_up) {
            self.drain = Drain::No;
            connection.drain_done(link);
        }
        Ok(())
    }

    /// Asks unless an answer is due, or there would be no place for it.
    fn ask_for_records(&mut self) {
        if !self.is_reading && self.following.is_none() {
            self.is_reading = true;
            let bytes_max = READER_BATCH_BYTES_MAX;
            self.ask(RequestBody::Read { reader: self.reader, bytes_max });
        }
    }

    /// Ends the reader; the link is for the caller.
    pub(crate) fn close(self) {
        self.ask(RequestBody::Close { reader: self.reader });
    }

    fn ask(&self, body: RequestBody) {
        let OpenedLink { connection, token, .. } = self.opened;
        let ReaderId { hub, partition, .. } = self.reader;
        let request = PartitionRequest { hub, partition, connection, token, body };
        self.opened.requests.request(request);
    }
}

impl Batch {
    fn is_sent(&self) -> bool {
        self.sent >= self.records.len()
    }

    /// Turns records into transfers until something blocks or all are sent.
    fn send(
        &mut self,
        connection: &mut AmqpConnection,
        link: LinkId,
        head: &mut BytesMut,
        budget: &mut usize,
    ) -> Result<(), Refusal> {
        while *budget > 0 && !self.is_sent() && connection.can_send(link).is_ok() {
            let record =
                RecordView::parse(&self.records[self.sent..]).map_err(Refusal::internal)?;
            head.clear();
            if let Some(metrics) = &self.metrics {
                metrics.encode(head);
            }
            event_head(&record).encode(head);
            match connection.send(link, &[head, record.sections()], Outgoing::SETTLED) {
                Ok(_) => {}
                Err(SendBlocked::Size) => return Err(too_large()),
                Err(_) => return Ok(()),
            }
            let len = record.bytes().len();
            self.sent += len;
            self.sent_messages += 1;
            *budget = budget.saturating_sub(len);
        }
        Ok(())
    }
}

fn too_large() -> Refusal {
    use ringhub_core::codec::amqp::performative::Condition;
    let text = "The next event is larger than the link permits.";
    Refusal::new(Condition::MessageSizeExceeded, text)
}

fn event_head<'a>(record: &RecordView<'a>) -> EventHead<'a> {
    EventHead {
        sequence_number: record.sequence_number().0,
        offset: record.offset().0,
        enqueued_time_ms: record.enqueued_time().0.as_millis(),
        annotation_count: record.annotation_count().into(),
        annotations: record.annotations(),
    }
}

/// The newest event of a partition as clients are told; none before the first.
pub(super) fn last_enqueued(partition: &PartitionDescription) -> Option<LastEnqueued> {
    let (number, offset, time) = partition.last?;
    Some(LastEnqueued {
        sequence_number: i64::try_from(number.0).unwrap_or(i64::MAX),
        offset: offset.0,
        enqueued_time: time.0,
    })
}

fn runtime_metrics(partition: &PartitionDescription, now: UnixMillis) -> Option<RuntimeMetrics> {
    last_enqueued(partition).map(|last| RuntimeMetrics { last, retrieved: now })
}
