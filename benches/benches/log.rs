//! Log: commits through rings and executor, against bare direct IO.
//!
//! Both overwrite files of zeros in the same directory; the bare writer is one glommio thread that
//! only writes and syncs, so a ratio of 1 is as fast as the disk. The pushing thread sleeps on the
//! doorbell of its shard, as a shard does. Without an argument: throughput and the latency of a
//! lone message; `sweep` compares commit sizes, delays and depths; `sustained` goes through many
//! segments, written anew and recycled.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::io::{DmaFile, OpenOptions};
use ringhub_benches::{quartiles, report};
use ringhub_core::id::{HubId, HubPartition, PartitionId};
use ringhub_core::log::BLOCK_BYTES;
use ringhub_core::log::record::{NewRecord, encode_record};
use ringhub_edge::partition::{PartitionsConfig, PartitionsHandle, ShardPipeline, start};
use ringhub_edge::shard::mailbox::{Mailbox, mailbox};

const MIB: usize = 1024 * 1024;
/// Written between two looks at the clock.
const RUN_BYTES: usize = 24 * MIB;
/// Fills the memory for the newest events before the first run: its pages are new only once.
const WARM_UP_BYTES: usize = 32 * MIB;
const PAIRS_PER_LOG: usize = 8;
const LOGS: usize = 3;
const SEGMENT_BYTES: usize = 256 * MIB;
const RECORD_BYTES: usize = 1024;
const LONE_MESSAGES: usize = 300;
/// Quickly full of zeros, and large enough for them.
const LONE_SEGMENT_BYTES: u64 = 16 * MIB as u64;

/// What is written at a time, and how many of them.
#[derive(Clone, Copy)]
struct Rule {
    bytes: usize,
    delay: Duration,
    depth: usize,
}

const RULE: Rule = Rule {
    bytes: PartitionsConfig::COMMIT_BYTES,
    delay: PartitionsConfig::COMMIT_DELAY,
    depth: PartitionsConfig::COMMITS_IN_FLIGHT,
};

fn megabytes_per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

fn place(partition: u16) -> HubPartition {
    HubPartition { hub: HubId(0), partition: PartitionId(partition) }
}

fn record(partition: u16) -> Vec<u8> {
    let record = NewRecord {
        hub: HubId(0),
        partition: PartitionId(partition),
        annotation_count: 0,
        annotations: &[],
        sections: &[0x5a; RECORD_BYTES - 48],
    };
    let mut out = Vec::new();
    encode_record(&record, &mut out).expect("small");
    out
}

/// A log with one shard, which is this thread.
struct Log {
    pipeline: ShardPipeline,
    handle: PartitionsHandle,
    mailbox: Mailbox,
    bell: File,
    dir: PathBuf,
    segment_bytes: u64,
}

impl Log {
    fn start(dir: &Path, rule: Rule, change: impl FnOnce(&mut PartitionsConfig)) -> Self {
        let _ = std::fs::remove_dir_all(dir);
        let (sender, mailbox) = mailbox().expect("eventfd");
        let mut config = PartitionsConfig::new(HubId(0), dir.to_owned(), 4);
        config.segment_bytes = SEGMENT_BYTES as u64;
        config.commit_bytes = rule.bytes;
        config.commit_delay = rule.delay;
        config.commits_in_flight_max = rule.depth;
        change(&mut config);
        let segment_bytes = config.segment_bytes;
        let (mut pipelines, handle) = start(config, vec![sender]).expect("starts");
        let pipeline = pipelines.pop().expect("one shard");
        let bell = mailbox.doorbell().as_fd().try_clone_to_owned().expect("a descriptor").into();
        Self { pipeline, handle, mailbox, bell, dir: dir.join("hub/0/log/0"), segment_bytes }
    }

    /// Takes the first segment into use and waits until it and the next are full of zeros: that
    /// would count as if it were part of ingest.
    fn settle(&mut self) {
        self.push(1);
        let is_zeroed = |name: &str| {
            let file = std::fs::metadata(self.dir.join(name));
            file.is_ok_and(|file| file.len() == self.segment_bytes)
        };
        while !(is_zeroed("00000000000000000000.segment") && is_zeroed("next.prepared")) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(100));
    }

    /// Pushes `count` records as fast as the ring takes them and waits until they are durable.
    fn push(&mut self, count: usize) {
        let records: Vec<Vec<u8>> = (0..4).map(record).collect();
        let mut last = None;
        for (place, record) in (0..4).map(place).zip(&records).cycle().take(count) {
            while {
                last = self.pipeline.push(place, record).ok();
                last.is_none()
            } {
                self.pipeline.publish();
                self.sleep_unless(|log| log.has_room(place, record.len()));
            }
        }
        self.pipeline.publish();
        let last = last.expect("at least one record");
        while !self.pipeline.is_committed(&last) {
            self.sleep_unless(|log| log.is_committed(&last));
        }
    }

    /// Sleeps until a commit is durable, as the turn of a shard does, unless `ready`.
    fn sleep_unless(&mut self, ready: impl Fn(&ShardPipeline) -> bool) {
        self.mailbox.doorbell().prepare_sleep();
        if !ready(&self.pipeline) {
            self.bell.read_exact(&mut [0; 8]).expect("eventfd");
        }
        self.mailbox.doorbell().awake();
    }

    /// MB/s of one run.
    fn run(&mut self) -> f64 {
        let begin = Instant::now();
        self.push(RUN_BYTES / RECORD_BYTES);
        megabytes_per_second(RUN_BYTES, begin.elapsed())
    }
}

/// Runs `body` on a glommio thread.
fn on_glommio<F: Future<Output = T> + 'static, T: Send + 'static>(
    body: impl FnOnce() -> F + Send + 'static,
) -> T {
    let builder = glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound);
    builder.spawn(body).expect("thread").join().expect("bare writer")
}

/// What the bare writer overwrites: as long as a segment, and written by direct IO as those are.
fn bare_file(dir: &Path) -> PathBuf {
    let path = dir.join("bare");
    // glommio takes the device of an empty file for one that can be polled.
    std::fs::write(&path, vec![0; BLOCK_BYTES]).expect("writable");
    let to_fill = path.clone();
    on_glommio(move || async move {
        let file = open(&to_fill).await;
        for place in (0..SEGMENT_BYTES).step_by(MIB) {
            let mut zeros = file.alloc_dma_buffer(MIB);
            zeros.as_bytes_mut().fill(0);
            file.write_at(zeros, place as u64).await.expect("written");
        }
        file.fdatasync().await.expect("synced");
    });
    path
}

async fn open(path: &Path) -> Rc<DmaFile> {
    let mut options = OpenOptions::new();
    Rc::new(options.read(true).write(true).dma_open(path).await.expect("direct IO"))
}

/// MB/s of one run, which overwrites the part `number` of the file.
fn bare(path: &Path, number: usize, rule: Rule) -> f64 {
    let path = path.to_owned();
    let begin_at = number % (SEGMENT_BYTES / RUN_BYTES) * RUN_BYTES;
    on_glommio(move || async move {
        let file = open(&path).await;
        let begin = Instant::now();
        let lanes = (0..rule.depth).map(|lane| {
            let places = (lane * rule.bytes..=RUN_BYTES - rule.bytes)
                .step_by(rule.depth * rule.bytes)
                .map(move |place| begin_at + place);
            glommio::spawn_local(write_lane(Rc::clone(&file), places, rule.bytes))
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await;
        }
        megabytes_per_second(RUN_BYTES, begin.elapsed())
    })
}

async fn write_lane(file: Rc<DmaFile>, places: impl Iterator<Item = usize>, len: usize) {
    for place in places {
        write_one(&file, place, len).await;
    }
}

async fn write_one(file: &DmaFile, place: usize, len: usize) {
    let mut buffer = file.alloc_dma_buffer(len);
    buffer.as_bytes_mut().fill(0x5a);
    file.write_at(buffer, place as u64).await.expect("written");
    file.fdatasync().await.expect("synced");
}

/// Microseconds from publish to commit of messages that come one at a time to an idle log.
fn lone_through_the_log(dir: &Path, rule: Rule) -> Vec<f64> {
    let mut log = Log::start(dir, rule, |config| config.segment_bytes = LONE_SEGMENT_BYTES);
    log.settle();
    let mut times = Vec::new();
    for _ in 0..LONE_MESSAGES {
        std::thread::sleep(Duration::from_millis(3));
        let begin = Instant::now();
        log.push(1);
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    log.handle.stop();
    times
}

/// The same of one block, written and synced.
fn lone_bare(dir: &Path) -> Vec<f64> {
    let path = bare_file(dir);
    on_glommio(move || async move {
        let file = open(&path).await;
        let mut times = Vec::new();
        for number in 0..LONE_MESSAGES {
            glommio::timer::sleep(Duration::from_millis(3)).await;
            let begin = Instant::now();
            write_one(&file, number * BLOCK_BYTES, BLOCK_BYTES).await;
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        times
    })
}

/// Runs of both in turn, so that the moods of the disk meet both.
fn throughput(dir: &Path, rule: Rule, logs: usize) {
    let mut pairs = Vec::new();
    for _ in 0..logs {
        let mut log = Log::start(dir, rule, |_| ());
        let path = bare_file(dir);
        log.settle();
        log.push(WARM_UP_BYTES / RECORD_BYTES);
        pairs.extend((0..PAIRS_PER_LOG).map(|number| (log.run(), bare(&path, number, rule))));
        log.handle.stop();
    }
    let Rule { bytes, delay, depth } = rule;
    println!("log: commits of {bytes} B or {delay:?}, {depth} in flight, MB/s of durable records");
    report("ringhub log", "bare direct IO", &pairs);
}

fn lone(dir: &Path) {
    for (name, times) in
        [("ringhub log", lone_through_the_log(dir, RULE)), ("bare", lone_bare(dir))]
    {
        let (low, median, high) = quartiles(times);
        println!("{name:>24}  lone message, us: {low:.0} / {median:.0} / {high:.0}");
    }
}

/// Two segments at a time, as fast as it goes.
fn sustained(dir: &Path) {
    let day = Duration::from_secs(24 * 3600);
    for (name, retention) in [("zeros", day), ("recycled", Duration::from_millis(1))] {
        let mut log = Log::start(dir, RULE, |config| {
            config.retention = retention;
            config.retention_interval = day;
        });
        log.settle();
        for round in 0..4 {
            let begin = Instant::now();
            log.push(2 * SEGMENT_BYTES / RECORD_BYTES);
            let speed = megabytes_per_second(2 * SEGMENT_BYTES, begin.elapsed());
            println!("{name:>24}  round {round}: {speed:.0} MB/s through two segments");
        }
        log.handle.stop();
    }
}

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("log-bench");
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    if has("sweep") {
        for bytes in [64, 128, 256, 512, 1024].map(|kib| kib * 1024) {
            throughput(&dir, Rule { bytes, ..RULE }, 1);
        }
        for micros in [0, 50, 100, 250, 500] {
            let delay = Duration::from_micros(micros);
            let (low, median, high) = quartiles(lone_through_the_log(&dir, Rule { delay, ..RULE }));
            println!("{delay:>10.0?}  lone message, us: {low:.0} / {median:.0} / {high:.0}");
        }
        for depth in [1, 2, 4, 8] {
            throughput(&dir, Rule { depth, ..RULE }, 1);
        }
    } else if has("sustained") {
        sustained(&dir);
    } else {
        throughput(&dir, RULE, LOGS);
        lone(&dir);
    }
}
