//! Log: commits of 256 KiB through rings and executor, against bare direct IO at the same depth.
//!
//! Both overwrite files of zeros in the same directory; the bare writer is one glommio thread that
//! only writes and syncs. The figure is MB/s of records made durable, so a ratio of 1 is as fast as
//! the disk.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::io::{DmaFile, OpenOptions};
use ringhub_benches::report;
use ringhub_core::id::{HubId, PartitionId};
use ringhub_core::log::record::{NewRecord, encode_record};
use ringhub_edge::partition::{PartitionsConfig, start};
use ringhub_edge::shard::mailbox::mailbox;

const COMMIT_BYTES: usize = 256 * 1024;
const TOTAL_BYTES: usize = 48 * 1024 * 1024;
const DEPTH: usize = 4;
const PAIRS: usize = 10;

fn megabytes_per_second(time: Duration) -> f64 {
    TOTAL_BYTES as f64 / 1e6 / time.as_secs_f64()
}

fn record(partition: u16) -> Vec<u8> {
    let record = NewRecord {
        hub: HubId(0),
        partition: PartitionId(partition),
        annotation_count: 0,
        annotations: &[],
        sections: &[0x5a; 1024 - 48],
    };
    let mut out = Vec::new();
    encode_record(&record, &mut out).expect("small");
    out
}

/// One shard pushes 1 KiB records as fast as the ring takes them.
fn through_the_log(dir: &Path) -> f64 {
    let _ = std::fs::remove_dir_all(dir);
    let (sender, _mailbox) = mailbox().expect("eventfd");
    let mut config = PartitionsConfig::new(HubId(0), dir.to_owned(), 4);
    config.commit_bytes = COMMIT_BYTES;
    config.commits_in_flight_max = DEPTH;
    let (mut pipelines, handle) = start(config, vec![sender]).expect("starts");
    let pipeline = &mut pipelines[0];
    let records: Vec<Vec<u8>> = (0..4).map(record).collect();
    // The first record takes the first segment into use; then both this and the next are filled
    // with zeros beside ingest, which would count as if it were part of it.
    pipeline.push(PartitionId(0), &records[0]).expect("room");
    pipeline.publish();
    std::thread::sleep(Duration::from_millis(1500));
    let begin = Instant::now();
    let mut last = None;
    for (partition, record) in (0..4).zip(&records).cycle().take(TOTAL_BYTES / 1024) {
        while {
            last = pipeline.push(PartitionId(partition), record).ok();
            last.is_none()
        } {
            pipeline.publish();
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    pipeline.publish();
    while !last.is_some_and(|ticket| pipeline.is_committed(&ticket)) {
        std::thread::sleep(Duration::from_micros(50));
    }
    let time = begin.elapsed();
    handle.stop();
    megabytes_per_second(time)
}

fn bare(dir: &Path) -> f64 {
    let path = dir.join("bare");
    std::fs::write(&path, vec![0; TOTAL_BYTES]).expect("zeros");
    std::fs::File::open(&path).and_then(|file| file.sync_all()).expect("synced");
    let writer = move || async move {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).dma_open(&path).await.expect("direct IO");
        let file = Rc::new(file);
        let begin = Instant::now();
        let lanes = (0..DEPTH).map(|lane| glommio::spawn_local(write_lane(Rc::clone(&file), lane)));
        for lane in lanes.collect::<Vec<_>>() {
            lane.await;
        }
        megabytes_per_second(begin.elapsed())
    };
    let builder = glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound);
    builder.spawn(writer).expect("thread").join().expect("bare writer")
}

/// Every `DEPTH`th commit, one after the other.
async fn write_lane(file: Rc<DmaFile>, lane: usize) {
    for number in (lane..TOTAL_BYTES / COMMIT_BYTES).step_by(DEPTH) {
        let mut buffer = file.alloc_dma_buffer(COMMIT_BYTES);
        buffer.as_bytes_mut().fill(0x5a);
        file.write_at(buffer, (number * COMMIT_BYTES) as u64).await.expect("written");
        file.fdatasync().await.expect("synced");
    }
}

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("log-bench");
    let pairs: Vec<_> = (0..PAIRS).map(|_| (through_the_log(&dir), bare(&dir))).collect();
    println!("log: commits of {COMMIT_BYTES} B, {DEPTH} in flight, MB/s of durable records");
    report("ringhub log", "bare direct IO", &pairs);
}
