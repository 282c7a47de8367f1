//! The executor on filesystems that are full, that fail, or that have no direct IO.
//!
//! The faults are the kernel's own: small filesystems are mounted for them (ext4 in a file on a
//! loop device, tmpfs), and a failing disk is an ext4 that was told to shut down. That takes root;
//! without it the tests say so and pass.

#[path = "support/mounted.rs"]
#[allow(dead_code, reason = "every test binary uses its own part of the harness")]
mod mounted;
#[path = "support/patience.rs"]
mod patience;

use std::path::Path;
use std::time::{Duration, Instant};

use mounted::Mounted;
use patience::{PATIENCE, eventually};
use ringhub_core::id::{
    ConnectionId, ConsumerGroup, ExecutorId, HubId, HubPartition, PartitionId, ShardId,
};
use ringhub_core::log::record::{NewRecord, Records, encode_record};
use ringhub_core::reader::Selector;
use ringhub_edge::partition::{
    IoMode, LogState, PartitionRequest, PartitionsConfig, PartitionsHandle, ReadRefused, ReplyBody,
    RequestBody, ShardPipeline, StartError, Ticket, start,
};
use ringhub_edge::shard::mailbox::{Mail, Mailbox, mailbox};

const P0: PartitionId = PartitionId(0);
const MIB: u64 = 1024 * 1024;

/// A log with small segments on `mounted`.
fn config(mounted: &Mounted) -> PartitionsConfig {
    let mut config = PartitionsConfig::new(HubId(0), mounted.path().to_owned(), 2);
    config.segment_bytes = 4 * MIB;
    config
}

/// One shard without thread: the test drives it.
struct Hub {
    pipeline: ShardPipeline,
    mailbox: Mailbox,
    handle: PartitionsHandle,
    pushed: u64,
}

impl Hub {
    fn start(config: PartitionsConfig) -> Result<Self, StartError> {
        let (sender, mailbox) = mailbox().expect("eventfd");
        let (mut pipelines, handle) = start(config, vec![sender])?;
        let pipeline = pipelines.pop().expect("one shard");
        Ok(Self { pipeline, mailbox, handle, pushed: 0 })
    }

    /// Pushes the next event of 8 KiB; `None` if the ring is full.
    fn push(&mut self) -> Option<Ticket> {
        let mut sections = vec![0; 8 * 1024];
        sections[..8].copy_from_slice(&self.pushed.to_le_bytes());
        let place = HubPartition { hub: HubId(0), partition: P0 };
        let mut record = Vec::new();
        let new = NewRecord {
            hub: HubId(0),
            partition: P0,
            annotation_count: 0,
            annotations: &[],
            sections: &sections,
        };
        encode_record(&new, &mut record).expect("small");
        let pushed = self.pipeline.push(place, &record).ok();
        self.pipeline.publish();
        self.pushed += u64::from(pushed.is_some());
        pushed
    }

    /// Pushes until the disk is full and the ring too, and stays so.
    fn push_until_full(&mut self) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let mut refused_since = Instant::now();
        let is_full = |hub: &Self| hub.state() == LogState::DiskFull;
        while !is_full(self) || refused_since.elapsed() < Duration::from_secs(1) {
            assert!(Instant::now() < deadline, "the disk is never full");
            match self.push() {
                Some(ticket) => {
                    tickets.push(ticket);
                    refused_since = Instant::now();
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        tickets
    }

    fn acknowledged(&self, tickets: &[Ticket]) -> usize {
        tickets.iter().filter(|ticket| self.pipeline.is_committed(ticket)).count()
    }

    /// As above, once nothing is under way any more.
    fn acknowledged_at_last(&self, tickets: &[Ticket]) -> usize {
        let mut acknowledged = self.acknowledged(tickets);
        eventually("nothing more is acknowledged for two seconds", || {
            std::thread::sleep(Duration::from_secs(2));
            let before = std::mem::replace(&mut acknowledged, self.acknowledged(tickets));
            acknowledged == before
        });
        acknowledged
    }

    fn state(&self) -> LogState {
        self.handle.state(ExecutorId(0)).expect("an executor")
    }

    fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.pipeline.failed());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn ask(&self, body: RequestBody) {
        let connection = ConnectionId { shard: ShardId(0), slot: 1, generation: 0 };
        let (hub, partition) = (HubId(0), P0);
        self.pipeline.request(PartitionRequest { hub, partition, connection, token: 1, body });
    }

    fn reply(&mut self) -> ReplyBody {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.mailbox.poll() {
                Some(Mail::Partition(reply)) => return reply.body,
                Some(other) => panic!("unexpected mail {other:?}"),
                None => assert!(Instant::now() < deadline, "no reply"),
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn open(&mut self, selector: Selector) -> Result<RequestBody, ReadRefused> {
        let group = ConsumerGroup::new("$Default");
        self.ask(RequestBody::Open { group, selector, epoch: None, name: None });
        match self.reply() {
            ReplyBody::Opened(reader) => Ok(RequestBody::Read { reader, bytes_max: MIB as usize }),
            ReplyBody::Refused(refused) => Err(refused),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Reads `count` events from the start; they are those that were pushed, in order.
    fn assert_reads(&mut self, count: usize) {
        let read = self.open(Selector::Earliest).expect("opens");
        let RequestBody::Read { reader, bytes_max } = read else { unreachable!("open reads") };
        let mut next = 0_u64;
        while next < count as u64 {
            self.ask(RequestBody::Read { reader, bytes_max });
            let ReplyBody::Records { records, .. } = self.reply() else { panic!("no records") };
            for record in Records::new(&records) {
                let record = record.expect("whole records");
                assert_eq!(record.sequence_number().0, next);
                assert_eq!(record.sections()[..8], next.to_le_bytes());
                next += 1;
            }
        }
        self.ask(RequestBody::Close { reader });
    }
}

fn is_damaged(refused: &ReplyBody) -> bool {
    matches!(refused, ReplyBody::Refused(ReadRefused::Damaged(_)))
}

/// Goal: a full disk stops ingest visibly and nothing else; with room, it goes on by itself. Direct
/// IO.
fn waits_for_room(mounted: &Mounted, expected: IoMode) {
    let filler = mounted.fill_up(11 * MIB);
    let mut hub = Hub::start(config(mounted)).expect("starts");
    assert_eq!(hub.handle.recoveries().next().map(|found| found.io_mode), Some(expected));
    let tickets = hub.push_until_full();
    let before = hub.acknowledged_at_last(&tickets);
    assert!(before > 200 && before < tickets.len(), "{before} of {}", tickets.len());
    hub.assert_reads(before);
    assert_eq!(hub.acknowledged(&tickets), before, "nothing is taken while the disk is full");

    std::fs::remove_file(filler).expect("filler");
    hub.wait("goes on by itself", |hub| hub.acknowledged(&tickets) == tickets.len());
    hub.wait("says so", |hub| hub.state() == LogState::Running);
    hub.assert_reads(tickets.len());
    hub.handle.stop();

    mounted.fill_up(0);
    let mut hub = Hub::start(config(mounted)).expect("a full disk does not keep it from starting");
    hub.assert_reads(tickets.len());
    hub.handle.stop();
}

#[test]
fn a_full_disk_stops_ingest_until_there_is_room() {
    let Some(mounted) = Mounted::ext4("full", 96 * MIB) else { return };
    waits_for_room(&mounted, IoMode::Direct);
}

#[test]
fn without_direct_io_the_log_is_buffered_and_says_so() {
    let Some(mounted) = Mounted::tmpfs("buffered", 96 * MIB) else { return };
    waits_for_room(&mounted, IoMode::Buffered);
}

#[test]
fn a_disk_that_fails_ends_ingest_and_a_restart_recovers() {
    let Some(mounted) = Mounted::ext4("failing", 96 * MIB) else { return };
    let mut hub = Hub::start(config(&mounted)).expect("starts");
    let tickets: Vec<_> = (0..50).map(|_| hub.push().expect("room")).collect();
    hub.wait("committed", |hub| hub.acknowledged(&tickets) == 50);
    let parked = hub.open(Selector::Latest).expect("opens");
    hub.ask(parked);

    mounted.shut_down();
    let lost: Vec<_> = (0..50).filter_map(|_| hub.push()).collect();
    hub.wait("fails", |hub| hub.state() == LogState::Failed);
    assert!(hub.pipeline.failed().is_some());
    let pending = hub.reply();
    assert!(is_damaged(&pending), "the read that waited is refused: {pending:?}");
    let later = hub.open(Selector::Earliest);
    assert!(matches!(later, Err(ReadRefused::Damaged(_))), "{later:?}");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(hub.acknowledged(&lost), 0, "nothing is acknowledged after a failure");
    hub.handle.stop();
    let group = ConsumerGroup::new("$Default");
    let (selector, epoch, name) = (Selector::Earliest, None, None);
    let connection = ConnectionId { shard: ShardId(0), slot: 1, generation: 0 };
    let body = RequestBody::Open { group, selector, epoch, name };
    let (hub_id, partition) = (HubId(0), P0);
    let request = PartitionRequest { hub: hub_id, partition, connection, token: 1, body };
    hub.pipeline.request(request);
    match hub.mailbox.poll() {
        Some(Mail::Partition(reply)) => assert!(is_damaged(&reply.body)),
        other => panic!("an executor that has ended does not answer: {other:?}"),
    }

    let mounted = mounted.replug("failing");
    let mut hub = Hub::start(config(&mounted)).expect("recovers");
    hub.assert_reads(50);
    hub.handle.stop();
}

/// Goal: expired segments become the next ones, so that the disk does not fill, and what they held
/// never comes back.
#[test]
fn expired_segments_are_used_again_and_their_data_is_gone() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recycles");
    let _ = std::fs::remove_dir_all(&dir);
    let mut config = PartitionsConfig::new(HubId(0), dir.clone(), 2);
    config.segment_bytes = 4 * MIB;
    config.retention = Duration::from_millis(1);
    config.retention_interval = Duration::from_secs(3600);
    let log = dir.join("hub/0/log/0");
    let used = || -> u64 {
        let files = std::fs::read_dir(&log).expect("log").map(|e| e.expect("entry").path());
        files.filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
    };
    let mut hub = Hub::start(config.clone()).expect("starts");
    let mut last = None;
    for _ in 0..8_000 {
        let deadline = Instant::now() + PATIENCE;
        let ticket = loop {
            if let Some(ticket) = hub.push() {
                break ticket;
            }
            assert!(Instant::now() < deadline, "the ring stays full");
            std::thread::sleep(Duration::from_micros(200));
        };
        last = Some(ticket);
    }
    let last = last.expect("pushed");
    hub.wait("committed", |hub| hub.pipeline.is_committed(&last));
    // 64 MiB went through.
    eventually("expired segments are gone", || used() <= 5 * 4 * MIB);

    // A copy of the files, as a crash would leave them: the last segment has old commits behind its
    // own.
    let crashed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recycles-crashed");
    let _ = std::fs::remove_dir_all(&crashed);
    std::fs::create_dir_all(crashed.join("hub/0/log/0")).expect("copy");
    for entry in std::fs::read_dir(&log).expect("log") {
        let path = entry.expect("entry").path();
        let to = crashed.join("hub/0/log/0").join(path.file_name().expect("a file"));
        std::fs::copy(&path, to).expect("copied");
    }
    let events = hub.pushed;
    hub.handle.stop();
    config.data_dir = crashed;
    let hub = Hub::start(config).expect("old commits never pass for new ones");
    let found = hub.handle.recoveries().next().cloned().expect("an executor");
    assert_eq!((found.events, found.scanned), (events, 1), "{found:?}");
    hub.handle.stop();
}
