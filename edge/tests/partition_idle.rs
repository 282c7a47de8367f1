//! An idle executor sleeps. Alone in its process, whose processor time is measured.

#[path = "support/patience.rs"]
mod patience;

use std::path::Path;
use std::time::Duration;

use patience::eventually;
use ringhub_core::id::{HubId, HubPartition, PartitionId};
use ringhub_core::log::record::{NewRecord, encode_record};
use ringhub_edge::partition::{PartitionsConfig, start};
use ringhub_edge::shard::mailbox::mailbox;

/// Time that the threads of this process have run.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let stats =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    let nanoseconds = stats.filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok()).sum();
    Duration::from_nanos(nanoseconds)
}

#[test]
fn an_idle_executor_takes_no_processor_time() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("idle");
    let _ = std::fs::remove_dir_all(&dir);
    let (sender, _mailbox) = mailbox().expect("eventfd");
    let mut config = PartitionsConfig::new(HubId(0), dir, 2);
    config.segment_bytes = 4 * 1024 * 1024;
    let (mut pipelines, handle) = start(config, vec![sender]).expect("starts");
    let mut record = Vec::new();
    let new = NewRecord {
        hub: HubId(0),
        partition: PartitionId(0),
        annotation_count: 0,
        annotations: &[],
        sections: b"one",
    };
    encode_record(&new, &mut record).expect("small");
    let place = HubPartition { hub: HubId(0), partition: PartitionId(0) };
    let ticket = pipelines[0].push(place, &record).expect("room");
    pipelines[0].publish();
    eventually("the event is on disk", || pipelines[0].is_committed(&ticket));
    // At first, the next segment is still being prepared.
    eventually("two seconds take less than ten milliseconds of a processor", || {
        let before = processor_time();
        std::thread::sleep(Duration::from_secs(2));
        // The sum falls when a thread ends.
        let used = processor_time().checked_sub(before);
        used.is_some_and(|used| used < Duration::from_millis(10))
    });
    handle.stop();
}
