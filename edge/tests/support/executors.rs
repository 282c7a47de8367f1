//! Executors with one shard that the test drives.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringhub_core::id::{ConnectionId, ConsumerGroup, HubId, HubPartition, PartitionId, ShardId};
use ringhub_core::log::record::{NewRecord, Records, encode_record};
use ringhub_core::reader::Selector;
use ringhub_edge::partition::{
    PartitionDescription, PartitionRequest, PartitionsConfig, PartitionsHandle, ReadRefused,
    ReaderId, ReplyBody, RequestBody, ShardPipeline, StartError, Ticket, start,
};
use ringhub_edge::shard::mailbox::{Mail, Mailbox, mailbox};

use super::patience::PATIENCE;

/// An empty directory of the test that is called `name`.
pub(crate) fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

/// A partition by its numbers.
pub(crate) fn place(hub: u32, partition: u16) -> HubPartition {
    HubPartition { hub: HubId(hub), partition: PartitionId(partition) }
}

/// Running executors.
pub(crate) struct Executors {
    pub(crate) pipeline: ShardPipeline,
    mailbox: Mailbox,
    pub(crate) handle: PartitionsHandle,
}

impl Executors {
    pub(crate) fn start(config: PartitionsConfig) -> Result<Self, StartError> {
        let (sender, mailbox) = mailbox().expect("eventfd");
        let (mut pipelines, handle) = start(config, vec![sender])?;
        let pipeline = pipelines.pop().expect("one shard");
        Ok(Self { pipeline, mailbox, handle })
    }

    /// Pushes one event, waiting for room.
    pub(crate) fn push(&mut self, place: HubPartition, sections: &[u8]) -> Ticket {
        let mut record = Vec::new();
        let HubPartition { hub, partition } = place;
        let new = NewRecord { hub, partition, annotation_count: 0, annotations: &[], sections };
        encode_record(&new, &mut record).expect("small");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(ticket) = self.pipeline.push(place, &record) {
                return ticket;
            }
            self.pipeline.publish();
            assert!(Instant::now() < deadline, "the ring stays full");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Publishes and waits until `ticket` is on disk.
    pub(crate) fn commit(&mut self, ticket: &Ticket) {
        self.pipeline.publish();
        let deadline = Instant::now() + PATIENCE;
        while !self.pipeline.is_committed(ticket) {
            assert!(Instant::now() < deadline, "not committed: {:?}", self.pipeline.failed());
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    pub(crate) fn push_and_commit(&mut self, place: HubPartition, sections: &[u8]) {
        let ticket = self.push(place, sections);
        self.commit(&ticket);
    }

    pub(crate) fn ask(&self, place: HubPartition, token: u64, body: RequestBody) {
        let connection = ConnectionId { shard: ShardId(0), slot: 1, generation: 0 };
        let HubPartition { hub, partition } = place;
        self.pipeline.request(PartitionRequest { hub, partition, connection, token, body });
    }

    /// The next answer, whatever it is to.
    pub(crate) fn reply(&mut self) -> (u64, ReplyBody) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.mailbox.poll() {
                Some(Mail::Partition(reply)) => return (reply.token, reply.body),
                Some(other) => panic!("unexpected mail {other:?}"),
                None => assert!(Instant::now() < deadline, "no reply"),
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    pub(crate) fn open(
        &mut self,
        place: HubPartition,
        selector: Selector,
    ) -> Result<ReaderId, ReadRefused> {
        let group = ConsumerGroup::new("$Default");
        self.ask(place, 1, RequestBody::Open { group, selector, epoch: None, name: None });
        match self.reply().1 {
            ReplyBody::Opened(reader) => Ok(reader),
            ReplyBody::Refused(refused) => Err(refused),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// The next events of a reader: sequence numbers and sections.
    pub(crate) fn read(&mut self, reader: ReaderId, bytes_max: usize) -> Vec<(u64, Vec<u8>)> {
        self.ask(reader.place(), 1, RequestBody::Read { reader, bytes_max });
        let records = match self.reply().1 {
            ReplyBody::Records { records, .. } => records,
            other => panic!("unexpected {other:?}"),
        };
        let event = |record: ringhub_core::log::record::RecordView<'_>| {
            assert_eq!(record.place(), reader.place(), "an event of another partition");
            (record.sequence_number().0, record.sections().to_vec())
        };
        Records::new(&records).map(|record| event(record.expect("whole records"))).collect()
    }

    /// Reads on until there are `min` events.
    pub(crate) fn read_some(&mut self, reader: ReaderId, min: usize) -> Vec<(u64, Vec<u8>)> {
        let mut events = Vec::new();
        while events.len() < min {
            events.extend(self.read(reader, 100_000));
        }
        events
    }

    /// Reads on to the end, which is after `count` events.
    pub(crate) fn read_on(&mut self, reader: ReaderId, count: usize) -> Vec<(u64, Vec<u8>)> {
        let events = self.read_some(reader, count);
        assert_eq!(events.len(), count, "more events than were pushed");
        events
    }

    /// All `count` events of a partition, from the oldest on.
    pub(crate) fn read_all(&mut self, place: HubPartition, count: usize) -> Vec<(u64, Vec<u8>)> {
        let reader = self.open(place, Selector::Earliest).expect("opens");
        let events = self.read_on(reader, count);
        self.ask(place, 1, RequestBody::Close { reader });
        events
    }

    pub(crate) fn describe(&mut self, place: HubPartition) -> Option<PartitionDescription> {
        self.ask(place, 1, RequestBody::Describe);
        match self.reply().1 {
            ReplyBody::Described(description) => Some(description),
            ReplyBody::Refused(ReadRefused::UnknownPartition) => None,
            other => panic!("unexpected {other:?}"),
        }
    }
}
