//! The shard's end of all its rings.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use ringhub_core::id::{ConnectionId, ExecutorId, HubPartition, ShardId};
use ringhub_core::position::{Committed, RingPosition};
use ringhub_core::ring::{CommitWatch, Producer, RingFull};
use ringhub_core::time::Timestamp;

use super::config::executor_of;
use super::marks::Marks;
use super::status::{ExecutorStatus, LogState};
use super::{
    PartitionReply, PartitionRequest, ReadRefused, ReaderId, ReplyBody, RequestBody, Ticket,
};
use crate::shard::mailbox::{Mail, MailboxSender};

/// What a shard needs of one executor.
#[derive(Debug)]
pub(super) struct ExecutorLink {
    pub(super) ring: Producer,
    pub(super) marks: Arc<Marks>,
    pub(super) status: Arc<ExecutorStatus>,
    pub(super) requests: flume::Sender<PartitionRequest>,
    /// For the answers to requests that the executor cannot take any more.
    pub(super) shards: Vec<MailboxSender>,
}

impl ExecutorLink {
    fn refuse(&self, request: &PartitionRequest) {
        let PartitionRequest { connection, token, .. } = *request;
        let shard = self.shards.get(usize::from(connection.shard.0));
        if let (Some(shard), false) = (shard, matches!(request.body, RequestBody::Close { .. })) {
            let reason = self.status.failure().unwrap_or("the hub is stopping").to_owned();
            let body = ReplyBody::Refused(ReadRefused::Damaged(reason));
            shard.post(Mail::Partition(PartitionReply { connection, token, body }));
        }
    }
}

/// Asks questions of the executor of one partition, where the pipeline is not at hand.
#[derive(Clone, Debug)]
pub struct PartitionRequests(flume::Sender<PartitionRequest>);

impl PartitionRequests {
    /// As [`ShardPipeline::request`]; the partition must be one of this executor's.
    pub fn request(&self, request: PartitionRequest) {
        let _ = self.0.send(request);
    }
}

/// Pushes records and asks questions for one shard; moves to the shard's thread and stays there.
#[derive(Debug)]
pub struct ShardPipeline {
    pub(super) shard: ShardId,
    pub(super) executors: Vec<ExecutorLink>,
    /// Of every shard, so that a ticket that comes with a takeover can be awaited.
    pub(super) watches: Vec<Vec<CommitWatch>>,
    pub(super) one_thread: PhantomData<Cell<()>>,
}

impl ShardPipeline {
    /// Copies a whole, unstamped record into the ring of the executor of `place`. The executor
    /// sees it after [`publish`](Self::publish). The record names the same place.
    ///
    /// # Errors
    /// [`RingFull`]: nothing was pushed; pause the connection and try again on a later turn.
    ///
    /// # Panics
    /// If the record is longer than [`RECORD_BYTES_MAX`](ringhub_core::limits::RECORD_BYTES_MAX).
    pub fn push(&mut self, place: HubPartition, record: &[u8]) -> Result<Ticket, RingFull> {
        let executor = self.executor_of(place);
        let position = self.executors[usize::from(executor.0)].ring.push(record)?;
        Ok(Ticket { shard: self.shard, executor, position })
    }

    /// Whether a record of `record_len` bytes for `place` would be taken now.
    #[must_use]
    pub fn has_room(&self, place: HubPartition, record_len: usize) -> bool {
        self.executors[usize::from(self.executor_of(place).0)].ring.has_room(record_len)
    }

    /// Shows the executors what was pushed this turn and wakes those that sleep. Costs a comparison
    /// per executor when nothing was pushed.
    pub fn publish(&mut self) {
        for link in &mut self.executors {
            if link.ring.publish() {
                link.status.wake_if_sleeping(|| link.ring.backlog());
            }
        }
    }

    /// Tells `executor`, for its measurements, that the next publication has `messages` records up
    /// to `upto`.
    pub fn mark(&self, executor: ExecutorId, upto: RingPosition, now: Timestamp, messages: u64) {
        self.executors[usize::from(executor.0)].marks.publish(upto, now, messages);
    }

    /// When the oldest commit of one of the rings became durable that this was not asked about.
    pub fn take_durable_since(&self) -> Option<Timestamp> {
        self.executors.iter().find_map(|link| link.marks.take_durable_since())
    }

    /// True once the record of `ticket`, whichever shard pushed it, is on disk.
    #[must_use]
    pub fn is_committed(&self, ticket: &Ticket) -> bool {
        let watch = &self.watches[usize::from(ticket.shard.0)][usize::from(ticket.executor.0)];
        watch.committed().0 >= ticket.position
    }

    /// How far this shard's ring to `executor` is on disk.
    #[must_use]
    pub fn committed(&self, executor: ExecutorId) -> Committed<RingPosition> {
        self.executors[usize::from(executor.0)].ring.committed()
    }

    /// How far a ring of any shard is on disk.
    #[must_use]
    pub fn committed_of(&self, shard: ShardId, executor: ExecutorId) -> Committed<RingPosition> {
        self.watches[usize::from(shard.0)][usize::from(executor.0)].committed()
    }

    /// Number of executors, whose ids count from 0.
    #[must_use]
    pub fn executor_count(&self) -> u16 {
        u16::try_from(self.executors.len()).expect("executors are numbered by u16")
    }

    /// The executor that owns `place`, computed without a look-up.
    #[must_use]
    pub fn executor_of(&self, place: HubPartition) -> ExecutorId {
        executor_of(place, self.executor_count())
    }

    /// Asks the executor of the partition; the answer comes as mail to the shard of the asking
    /// connection. Once the executor has ended, every answer is a refusal.
    pub fn request(&self, request: PartitionRequest) {
        let executor = self.executor_of(request.place());
        let link = &self.executors[usize::from(executor.0)];
        if let Err(flume::SendError(request)) = link.requests.send(request) {
            link.refuse(&request);
        }
    }

    /// The questions of [`request`](Self::request) to the executor of `place`.
    #[must_use]
    pub fn requests(&self, place: HubPartition) -> PartitionRequests {
        let executor = self.executor_of(place);
        PartitionRequests(self.executors[usize::from(executor.0)].requests.clone())
    }

    /// Ends a reader; nothing comes back. Harmless for one that was displaced.
    pub fn close_reader(&self, reader: ReaderId, connection: ConnectionId) {
        let ReaderId { hub, partition, .. } = reader;
        let body = RequestBody::Close { reader };
        self.request(PartitionRequest { hub, partition, connection, token: 0, body });
    }

    /// Whether `executor` accepts data. One load; a change rings the shard's doorbell.
    #[must_use]
    pub fn state(&self, executor: ExecutorId) -> LogState {
        self.executors[usize::from(executor.0)].status.state()
    }

    /// Why a log has failed, if one has: the shard disconnects its devices.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.executors.iter().find_map(|link| link.status.failure())
    }
}
