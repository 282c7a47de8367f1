//! The executor on a real directory: push, commit, read, restart, retention.

#[path = "support/patience.rs"]
mod patience;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use patience::{PATIENCE, eventually};
use ringhub_core::id::{ConnectionId, ConsumerGroup, HubId, HubPartition, PartitionId, ShardId};
use ringhub_core::log::BLOCK_BYTES;
use ringhub_core::log::record::{NewRecord, Records, encode_record};
use ringhub_core::position::{EnqueuedTime, Offset, SequenceNumber};
use ringhub_core::reader::{Bound, Selector};
use ringhub_core::time::UnixMillis;
use ringhub_edge::partition::{
    LogState, PartitionDescription, PartitionReply, PartitionRequest, PartitionsConfig,
    PartitionsHandle, ReadRefused, ReaderId, Recovery, ReplyBody, RequestBody, ShardPipeline,
    StartError, Ticket, start,
};
use ringhub_edge::shard::mailbox::{Mail, Mailbox, mailbox};

const P0: PartitionId = PartitionId(0);

fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

fn config(dir: &Path) -> PartitionsConfig {
    let mut config = PartitionsConfig::new(HubId(0), dir.to_owned(), 4);
    config.segment_bytes = 4 * 1024 * 1024;
    config.executor_count = 2;
    config
}

fn place(partition: PartitionId) -> HubPartition {
    HubPartition { hub: HubId(0), partition }
}

fn record(partition: PartitionId, sections: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let record =
        NewRecord { hub: HubId(0), partition, annotation_count: 0, annotations: &[], sections };
    encode_record(&record, &mut out).expect("small");
    out
}

/// Two shards without threads: the test drives them.
struct Hub {
    pipelines: Vec<ShardPipeline>,
    mailboxes: Vec<Mailbox>,
    handle: PartitionsHandle,
}

impl Hub {
    fn start(config: PartitionsConfig) -> Result<Self, StartError> {
        let (senders, mailboxes) = (0..2).map(|_| mailbox().expect("eventfd")).unzip();
        let (pipelines, handle) = start(config, senders)?;
        Ok(Self { pipelines, mailboxes, handle })
    }

    fn push(&mut self, shard: usize, partition: PartitionId, sections: &[u8]) -> Ticket {
        let record = record(partition, sections);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(ticket) = self.pipelines[shard].push(place(partition), &record) {
                return ticket;
            }
            self.pipelines[shard].publish();
            assert!(Instant::now() < deadline, "the ring stays full");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Publishes and waits until `ticket` is on disk; another shard can tell as well.
    fn commit(&mut self, ticket: &Ticket) {
        self.pipelines.iter_mut().for_each(ShardPipeline::publish);
        let deadline = Instant::now() + PATIENCE;
        while !self.pipelines.iter().all(|pipeline| pipeline.is_committed(ticket)) {
            assert!(Instant::now() < deadline, "not committed: {:?}", self.pipelines[0].failed());
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn connection(slot: u32) -> ConnectionId {
        ConnectionId { shard: ShardId(1), slot, generation: 0 }
    }

    fn ask(&self, partition: PartitionId, slot: u32, body: RequestBody) {
        let (connection, token) = (Self::connection(slot), u64::from(slot) + 100);
        let hub = HubId(0);
        self.pipelines[0].request(PartitionRequest { hub, partition, connection, token, body });
    }

    fn reply(&mut self) -> PartitionReply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.mailboxes[1].poll() {
                Some(Mail::Partition(reply)) => return reply,
                Some(other) => panic!("unexpected mail {other:?}"),
                None => assert!(Instant::now() < deadline, "no reply"),
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn open_as(
        &mut self,
        partition: PartitionId,
        selector: Selector,
        epoch: Option<i64>,
    ) -> Result<ReaderId, ReadRefused> {
        let (group, name) = (ConsumerGroup::new("$Default"), Some(format!("{epoch:?}")));
        self.ask(partition, 7, RequestBody::Open { group, selector, epoch, name });
        loop {
            match self.reply().body {
                ReplyBody::Opened(reader) => return Ok(reader),
                ReplyBody::Refused(refused) => return Err(refused),
                ReplyBody::Stolen { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    fn open(&mut self, partition: PartitionId, selector: Selector) -> ReaderId {
        self.open_as(partition, selector, None).expect("opened")
    }

    fn close(&self, partition: PartitionId, reader: ReaderId) {
        self.ask(partition, 7, RequestBody::Close { reader });
    }

    fn read(&mut self, partition: PartitionId, reader: ReaderId, bytes_max: usize) -> Bytes {
        self.ask(partition, 7, RequestBody::Read { reader, bytes_max });
        match self.reply().body {
            ReplyBody::Records { records, .. } => records,
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Reads `count` events and returns their sequence numbers and sections.
    fn read_events(
        &mut self,
        partition: PartitionId,
        selector: Selector,
        count: usize,
    ) -> Vec<(u64, Vec<u8>)> {
        let reader = self.open(partition, selector);
        let mut events = Vec::new();
        while events.len() < count {
            let records = self.read(partition, reader, 100_000);
            for record in Records::new(&records) {
                let record = record.expect("whole records");
                assert_eq!(record.partition(), partition);
                events.push((record.sequence_number().0, record.sections().to_vec()));
            }
        }
        self.close(partition, reader);
        events
    }

    fn describe(&mut self, partition: PartitionId) -> PartitionDescription {
        self.ask(partition, 7, RequestBody::Describe);
        match self.reply().body {
            ReplyBody::Described(description) => description,
            other => panic!("unexpected {other:?}"),
        }
    }

    fn stop(self) -> Vec<Mailbox> {
        self.handle.stop();
        self.mailboxes
    }
}

fn payload(number: u64) -> Vec<u8> {
    let len = 100 + usize::try_from(number * 7919 % 900).expect("small");
    let mut payload = vec![number as u8; len];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    payload
}

/// Fills partition 0 from both shards and returns what was pushed, in no order.
fn fill(hub: &mut Hub, from: u64, count: u64) -> Vec<Vec<u8>> {
    let mut last = None;
    for number in from..from + count {
        let shard = usize::from(number % 2 == 1);
        let ticket = hub.push(shard, P0, &payload(number));
        last = Some(ticket);
        if number % 10 == 0 {
            hub.commit(&ticket);
        }
    }
    if let Some(ticket) = last {
        hub.commit(&ticket);
    }
    let tickets = [hub.push(0, P0, &payload(1 << 40)), hub.push(1, P0, &payload(7))];
    tickets.iter().for_each(|ticket| hub.commit(ticket));
    let mut pushed: Vec<_> = (from..from + count).map(payload).collect();
    pushed.extend([payload(1 << 40), payload(7)]);
    pushed
}

fn assert_same(events: &[(u64, Vec<u8>)], mut pushed: Vec<Vec<u8>>) {
    let numbers: Vec<_> = events.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..pushed.len() as u64).collect::<Vec<_>>(), "no gap, none twice");
    let mut read: Vec<_> = events.iter().map(|(_, sections)| sections.clone()).collect();
    read.sort();
    pushed.sort();
    assert!(read == pushed, "every event comes back unharmed");
}

#[test]
fn acknowledges_and_serves_from_tail_and_segments_and_after_a_restart() {
    let dir = directory("serves");
    let mut config = config(&dir);
    config.tail_bytes = 64 * 1024;
    let mut hub = Hub::start(config.clone()).expect("starts");
    let pushed = fill(&mut hub, 0, 12_000);
    let count = pushed.len();
    assert_same(&hub.read_events(P0, Selector::Earliest, count), pushed.clone());
    let exclusive = Selector::SequenceNumber(SequenceNumber(count as u64 - 4), Bound::Exclusive);
    let newest = hub.read_events(P0, exclusive, 3);
    assert_eq!(newest[0].0, count as u64 - 3);
    let described = hub.describe(P0);
    assert_eq!(described.last.map(|last| last.0.0), Some(count as u64 - 1));
    assert!(hub.describe(PartitionId(1)).is_empty);
    hub.stop();

    let mut hub = Hub::start(config).expect("starts again");
    let found: Vec<Recovery> = hub.handle.recoveries().cloned().collect();
    assert!(found[0].segments > 1, "several segments: {found:?}");
    assert_eq!((found[0].scanned, found[0].torn), (0, None), "a clean stop leaves indexes");
    assert_eq!(found[0].events, count as u64);
    assert_eq!(hub.describe(P0), described);
    assert_same(&hub.read_events(P0, Selector::Earliest, count), pushed);
    let ticket = hub.push(0, P0, b"after the restart");
    hub.commit(&ticket);
    let at = Selector::SequenceNumber(SequenceNumber(count as u64), Bound::Inclusive);
    assert_eq!(hub.read_events(P0, at, 1), [(count as u64, b"after the restart".to_vec())]);
    let all = Selector::EnqueuedTime(EnqueuedTime(UnixMillis::EPOCH), Bound::Exclusive);
    assert_eq!(hub.read_events(P0, all, count + 1).len(), count + 1);
    hub.stop();
}

#[test]
fn parks_a_reader_until_the_next_commit() {
    let mut hub = Hub::start(config(&directory("parks"))).expect("starts");
    let ticket = hub.push(0, P0, b"old");
    hub.commit(&ticket);
    let reader = hub.open(P0, Selector::Latest);
    hub.ask(P0, 7, RequestBody::Read { reader, bytes_max: 1000 });
    std::thread::sleep(Duration::from_millis(30));
    assert!(hub.mailboxes[1].is_empty(), "nothing new, no answer");
    let other = hub.push(1, PartitionId(2), b"another partition of the executor");
    hub.commit(&other);
    let ticket = hub.push(0, P0, b"new");
    assert!(hub.mailboxes[1].is_empty(), "not published yet");
    hub.commit(&ticket);
    let reply = hub.reply();
    assert_eq!((reply.connection, reply.token), (Hub::connection(7), 107));
    let ReplyBody::Records { records, partition, .. } = reply.body else { panic!("no records") };
    let records: Vec<_> = Records::new(&records).map(|r| r.expect("whole")).collect();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].sections(), records[0].sequence_number().0), (&b"new"[..], 1));
    assert_eq!(partition.last.map(|last| last.0), Some(SequenceNumber(1)));
    hub.stop();
}

#[test]
fn keeps_to_the_bytes_that_a_reader_wants() {
    let mut hub = Hub::start(config(&directory("budget"))).expect("starts");
    let mut last = None;
    for _ in 0..10 {
        last = Some(hub.push(0, P0, &[1; 152]));
    }
    hub.commit(&last.expect("pushed"));
    let reader = hub.open(P0, Selector::Earliest);
    for (bytes_max, expected) in [(1, 1), (200, 1), (399, 1), (400, 2), (1000, 5)] {
        let records = hub.read(P0, reader, bytes_max);
        assert_eq!(Records::new(&records).count(), expected, "{bytes_max}");
    }
    hub.stop();
}

#[test]
fn epochs_steal_and_are_refused() {
    let mut hub = Hub::start(config(&directory("epochs"))).expect("starts");
    let first = hub.open(P0, Selector::Earliest);
    let second = hub.open_as(P0, Selector::Earliest, Some(3)).expect("steals");
    hub.ask(P0, 8, RequestBody::Read { reader: first, bytes_max: 1 });
    let ReplyBody::Refused(ReadRefused::UnknownReader) = hub.reply().body else {
        panic!("the displaced reader goes on")
    };
    let lower = hub.open_as(P0, Selector::Earliest, Some(2));
    assert!(matches!(lower, Err(ReadRefused::LowerEpoch { holder: 3 })), "{lower:?}");
    let shared = hub.open_as(P0, Selector::Earliest, None);
    assert!(matches!(shared, Err(ReadRefused::EpochHeld { holder: 3 })), "{shared:?}");
    let (group, selector) = (ConsumerGroup::new("$Default"), Selector::Earliest);
    let name = Some("thief".to_owned());
    hub.ask(P0, 9, RequestBody::Open { group, selector, epoch: Some(3), name });
    let stolen = hub.reply();
    assert_eq!((stolen.connection, stolen.token), (Hub::connection(7), 107));
    let ReplyBody::Stolen { reader, epoch: 3, by } = stolen.body else { panic!("not stolen") };
    assert_eq!((reader, by.as_deref()), (second, Some("thief")));
    assert!(matches!(hub.reply().body, ReplyBody::Opened(_)));
    let beyond = Selector::Offset(Offset(1), Bound::Inclusive);
    let refused = hub.open_as(PartitionId(1), beyond, None);
    assert!(matches!(refused, Err(ReadRefused::OffsetBeyondEnd { last: None, .. })));
    let unknown = hub.open_as(PartitionId(4), Selector::Earliest, None);
    assert!(matches!(unknown, Err(ReadRefused::UnknownPartition)));
    hub.stop();
}

#[test]
fn retention_drops_segments_and_keeps_positions() {
    let dir = directory("retention");
    let mut config = config(&dir);
    config.retention = Duration::from_millis(1);
    config.retention_interval = Duration::from_millis(20);
    config.tail_bytes = 4096;
    let mut hub = Hub::start(config.clone()).expect("starts");
    let count = fill(&mut hub, 0, 12_000).len() as u64;
    eventually("segments are dropped", || hub.describe(P0).begin_sequence_number.0 > 0);
    std::thread::sleep(Duration::from_millis(100));
    let begin = hub.describe(P0).begin_sequence_number.0;
    let old = Selector::SequenceNumber(SequenceNumber(0), Bound::Inclusive);
    let retained = usize::try_from(count - begin).expect("small");
    let events = hub.read_events(P0, old, retained);
    assert_eq!((events[0].0, events.len()), (begin, retained), "begins at the oldest");
    hub.stop();
    let mut hub = Hub::start(config).expect("starts again");
    let ticket = hub.push(0, P0, b"x");
    hub.commit(&ticket);
    assert_eq!(hub.describe(P0).last.map(|last| last.0.0), Some(count));
    hub.stop();
}

/// Pushes `count` records to all four partitions in turn, so that commits are large and shared.
fn burst(hub: &mut Hub, count: u64) {
    let mut last = None;
    for number in 0..count {
        for partition in 0..4 {
            last = Some(hub.push(0, PartitionId(partition), &payload(number)));
        }
    }
    hub.commit(&last.expect("pushed"));
}

#[test]
fn a_reader_of_old_events_misses_none_whatever_it_takes_at_a_time() {
    let dir = directory("resume");
    let mut config = config(&dir);
    config.tail_bytes = 4096;
    let mut hub = Hub::start(config).expect("starts");
    let filled = fill(&mut hub, 0, 1000).len();
    burst(&mut hub, 1500);
    for (partition, count) in [(P0, filled + 1500), (PartitionId(3), 1500)] {
        let whole = hub.read_events(partition, Selector::Earliest, count);
        for bytes_max in [1, 5000, 40_000, 300_000] {
            let reader = hub.open(partition, Selector::Earliest);
            let mut events = Vec::new();
            while events.len() < count {
                let records = hub.read(partition, reader, bytes_max);
                let before = events.len();
                for record in Records::new(&records).map(|record| record.expect("whole")) {
                    events.push((record.sequence_number().0, record.sections().to_vec()));
                }
                let fits = records.len() <= bytes_max || events.len() == before + 1;
                assert!(fits, "{} bytes of {bytes_max}", records.len());
            }
            hub.close(partition, reader);
            assert!(events == whole, "{partition:?} by {bytes_max}");
        }
        let numbers: Vec<_> = whole.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..count as u64).collect::<Vec<_>>());
    }
    hub.stop();
}

#[test]
fn a_reader_whose_segment_expires_goes_on_with_what_is_retained() {
    let dir = directory("expires");
    let mut config = config(&dir);
    config.tail_bytes = 4096;
    let mut hub = Hub::start(config.clone()).expect("starts");
    let count = fill(&mut hub, 0, 6000).len() as u64;
    hub.stop();
    config.retention_interval = Duration::from_millis(50);
    let mut hub = Hub::start(config).expect("starts again");
    let next = |records: &Bytes| {
        let record = Records::new(records).next().expect("not empty").expect("whole");
        record.sequence_number().0
    };
    let within = hub.open(P0, Selector::Earliest);
    let between = hub.open(P0, Selector::Earliest);
    assert!(next(&hub.read(P0, within, 1)) < count);
    assert!(next(&hub.read(P0, between, 300_000)) < count);
    let ticket = hub.push(0, P0, b"retained");
    hub.commit(&ticket);
    hub.handle.hubs().set_retention(HubId(0), Duration::from_millis(1)).expect("there");
    let log = dir.join("hub/0/log/0");
    eventually("all old segments are dropped", || {
        !log.join("00000000000000000001.segment").exists()
    });
    assert!(hub.describe(P0).begin_sequence_number.0 >= count);
    for reader in [within, between] {
        assert_eq!(next(&hub.read(P0, reader, 300_000)), count, "no expired event comes");
    }
    hub.stop();
}

/// The file with the highest number.
fn last_segment(dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(dir).expect("directory").map(|e| e.expect("entry").path());
    let segments = entries.filter(|path| path.extension().is_some_and(|e| e == "segment"));
    segments.max().expect("a segment")
}

#[test]
fn a_torn_tail_is_cut_and_an_unknown_version_is_refused() {
    let dir = directory("torn");
    let mut hub = Hub::start(config(&dir)).expect("starts");
    let pushed = fill(&mut hub, 0, 100);
    hub.stop();
    let log = dir.join("hub/0/log/0");
    let segment = last_segment(&log);
    std::fs::remove_file(segment.with_extension("index")).expect("index");
    let mut bytes = std::fs::read(&segment).expect("segment");
    // Zeros may follow the data: those that were being written when the hub was stopped.
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("it has a header") + 1;
    bytes.resize(used.next_multiple_of(BLOCK_BYTES), 0);
    bytes.extend_from_slice(&[0xaa; 5000]);
    bytes.resize(1024 * 1024, 0);
    std::fs::write(&segment, &bytes).expect("written");

    let mut hub = Hub::start(config(&dir)).expect("cuts the tail");
    let found = hub.handle.recoveries().next().cloned().expect("an executor");
    assert_eq!((found.torn, found.scanned), (Some(0), 1));
    assert_same(&hub.read_events(P0, Selector::Earliest, pushed.len()), pushed);
    hub.stop();

    bytes = std::fs::read(&segment).expect("segment");
    bytes[8] = 9;
    std::fs::write(&segment, &bytes).expect("written");
    let refused = Hub::start(config(&dir)).err().expect("refused").to_string();
    assert!(refused.contains("version 9") && refused.contains(".segment"), "{refused}");
}

#[test]
fn acknowledged_data_that_is_damaged_is_refused() {
    let dir = directory("damaged");
    let mut hub = Hub::start(config(&dir)).expect("starts");
    fill(&mut hub, 0, 200);
    hub.stop();
    let segment = last_segment(&dir.join("hub/0/log/0"));
    std::fs::remove_file(segment.with_extension("index")).expect("index");
    let mut bytes = std::fs::read(&segment).expect("segment");
    bytes[8192 + 3 * 4096 / 2] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let refused = Hub::start(config(&dir)).err().expect("refused").to_string();
    assert!(refused.contains("was durable and is damaged"), "{refused}");
    assert!(refused.contains("restore the file"), "{refused}");
}

#[test]
fn refuses_another_number_of_executors() {
    let dir = directory("shape");
    let mut hub = Hub::start(config(&dir)).expect("starts");
    let ticket = hub.push(0, P0, b"x");
    hub.commit(&ticket);
    assert_eq!(hub.handle.state(ringhub_core::id::ExecutorId(0)), Some(LogState::Running));
    hub.stop();
    let mut other = config(&dir);
    other.executor_count = 1;
    let refused = Hub::start(other).err();
    assert!(matches!(refused, Some(StartError::Shape { .. })), "{refused:?}");
}

#[test]
fn acknowledges_before_a_segment_is_full_of_zeros() {
    let dir = directory("quick");
    let mut config = config(&dir);
    // That takes at least half a minute: zeros for which nobody waits are written with pauses.
    config.segment_bytes = 4 * 1024 * 1024 * 1024;
    let segment_bytes = config.segment_bytes;
    let mut hub = Hub::start(config).expect("starts");
    let ticket = hub.push(0, P0, b"x");
    hub.commit(&ticket);
    let files = std::fs::read_dir(dir.join("hub/0/log/0")).expect("log").flatten();
    let written: u64 = files.map(|file| file.metadata().map_or(0, |file| file.len())).sum();
    assert!((1..segment_bytes).contains(&written), "{written} bytes");
    hub.stop();
}
