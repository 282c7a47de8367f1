//! Log: commits through rings and executor, against bare direct IO.
//!
//! Both overwrite files of zeros in the same directory; the bare writer is one glommio thread that only writes and
//! syncs, so a ratio of 1 is as fast as the disk. Without an argument: throughput and the latency of a lone message;
//! `sweep` compares commit sizes, delays and depths; `sustained` goes through many segments, written anew and recycled.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::io::{DmaFile, OpenOptions};
use ringhub_benches::{quartiles, report};
use ringhub_core::id::{HubId, PartitionId};
use ringhub_core::log::record::{NewRecord, encode_record};
use ringhub_edge::partition::{PartitionsConfig, PartitionsHandle, ShardPipeline, start};
use ringhub_edge::shard::mailbox::mailbox;

const MIB: usize = 1024 * 1024;
const TOTAL_BYTES: usize = 96 * MIB;
const SEGMENT_BYTES: usize = 128 * MIB;
const RECORD_BYTES: usize = 1024;
const PAIRS: usize = 12;
const LONE_MESSAGES: usize = 300;

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
    dir: PathBuf,
}

impl Log {
    fn start(dir: &Path, rule: Rule, change: impl FnOnce(&mut PartitionsConfig)) -> Self {
        let _ = std::fs::remove_dir_all(dir);
        let (sender, _mailbox) = mailbox().expect("eventfd");
        let mut config = PartitionsConfig::new(HubId(0), dir.to_owned(), 4);
        config.segment_bytes = SEGMENT_BYTES as u64;
        config.commit_bytes = rule.bytes;
        config.commit_delay = rule.delay;
        config.commits_in_flight_max = rule.depth;
        change(&mut config);
        let (mut pipelines, handle) = start(config, vec![sender]).expect("starts");
        let pipeline = pipelines.pop().expect("one shard");
        Self { pipeline, handle, dir: dir.join("hub/0/log/0") }
    }

    /// Takes the first segment into use and waits until it and the next are full of zeros: that would count as if it
    /// were part of ingest.
    fn settle(&mut self) {
        self.push(1);
        let is_zeroed = |name: &str| {
            let file = std::fs::metadata(self.dir.join(name));
            file.is_ok_and(|file| file.len() == SEGMENT_BYTES as u64)
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
        for (partition, record) in (0..4).zip(&records).cycle().take(count) {
            while {
                last = self.pipeline.push(PartitionId(partition), record).ok();
                last.is_none()
            } {
                self.pipeline.publish();
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        self.pipeline.publish();
        while !last.is_some_and(|ticket| self.pipeline.is_committed(&ticket)) {
            std::hint::spin_loop();
            if count > 1 {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

fn through_the_log(dir: &Path, rule: Rule) -> f64 {
    let mut log = Log::start(dir, rule, |_| ());
    log.settle();
    let begin = Instant::now();
    log.push(TOTAL_BYTES / RECORD_BYTES);
    let time = begin.elapsed();
    log.handle.stop();
    megabytes_per_second(TOTAL_BYTES, time)
}

/// Runs `body` on a file of zeros on a glommio thread.
fn on_zeros<F: Future<Output = T> + 'static, T: Send + 'static>(
    dir: &Path,
    body: impl FnOnce(Rc<DmaFile>) -> F + Send + 'static,
) -> T {
    let path = dir.join("bare");
    std::fs::write(&path, vec![0; TOTAL_BYTES]).expect("zeros");
    std::fs::File::open(&path).and_then(|file| file.sync_all()).expect("synced");
    let run = move || async move {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).dma_open(&path).await.expect("direct IO");
        body(Rc::new(file)).await
    };
    let builder = glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound);
    builder.spawn(run).expect("thread").join().expect("bare writer")
}

fn bare(dir: &Path, rule: Rule) -> f64 {
    on_zeros(dir, move |file| async move {
        let begin = Instant::now();
        let lanes = (0..rule.depth).map(|lane| {
            let places = (lane * rule.bytes..TOTAL_BYTES).step_by(rule.depth * rule.bytes);
            glommio::spawn_local(write_lane(Rc::clone(&file), places, rule.bytes))
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await;
        }
        megabytes_per_second(TOTAL_BYTES, begin.elapsed())
    })
}

async fn write_lane(file: Rc<DmaFile>, places: impl Iterator<Item = usize>, len: usize) {
    for place in places.filter(|place| place + len <= TOTAL_BYTES) {
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
fn lone_through_the_log(dir: &Path) -> Vec<f64> {
    let mut log = Log::start(dir, RULE, |_| ());
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
    on_zeros(dir, |file| async move {
        let mut times = Vec::new();
        for number in 0..LONE_MESSAGES {
            glommio::timer::sleep(Duration::from_millis(3)).await;
            let begin = Instant::now();
            write_one(&file, number * 4096, 4096).await;
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        times
    })
}

fn throughput(dir: &Path, rule: Rule) {
    let pairs: Vec<_> = (0..PAIRS).map(|_| (through_the_log(dir, rule), bare(dir, rule))).collect();
    let Rule { bytes, delay, depth } = rule;
    println!("log: commits of {bytes} B or {delay:?}, {depth} in flight, MB/s of durable records");
    report("ringhub log", "bare direct IO", &pairs);
}

fn lone(dir: &Path) {
    for (name, times) in [("ringhub log", lone_through_the_log(dir)), ("bare", lone_bare(dir))] {
        let (low, median, high) = quartiles(times);
        println!("{name:>24}  lone message, us: {low:.0} / {median:.0} / {high:.0}");
    }
}

/// Four times what fits the segments that are kept, as fast as it goes.
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
            log.push(4 * SEGMENT_BYTES / RECORD_BYTES);
            let speed = megabytes_per_second(4 * SEGMENT_BYTES, begin.elapsed());
            println!("{name:>24}  round {round}: {speed:.0} MB/s through four segments");
        }
        log.handle.stop();
    }
}

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("log-bench");
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    if has("sweep") {
        for bytes in [64, 128, 256, 512, 1024].map(|kib| kib * 1024) {
            throughput(&dir, Rule { bytes, ..RULE });
        }
        for depth in [1, 2, 4, 8] {
            throughput(&dir, Rule { depth, ..RULE });
        }
    } else if has("sustained") {
        sustained(&dir);
    } else {
        throughput(&dir, RULE);
        lone(&dir);
    }
}
