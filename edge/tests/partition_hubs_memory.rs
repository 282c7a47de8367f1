//! What hubs without events cost: memory, files and time of a start. In a process of its own, whose
//! memory nobody else changes.

#[path = "support/executors.rs"]
#[allow(dead_code, reason = "every test binary uses its own part of the harness")]
mod executors;
#[path = "support/patience.rs"]
#[allow(dead_code, reason = "every test binary uses its own part of the harness")]
mod patience;

use std::path::Path;
use std::time::{Duration, Instant};

use executors::{Executors, directory, place};
use ringhub_core::id::HubId;
use ringhub_edge::partition::{HubLog, PartitionsConfig};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn hub(number: u32) -> HubLog {
    HubLog { hub: HubId(number), partition_count: 4, retention: DAY }
}

fn text(hub: u32, number: u64) -> Vec<u8> {
    format!("event {number} of hub {hub}").into_bytes()
}

/// The partition of a hub that gets events: half of them on either executor.
fn number_of(hub: u32) -> u16 {
    (hub / 2 % 4) as u16
}

/// Bytes of the files of all logs, and how many there are.
fn log_files(dir: &Path) -> (u64, usize) {
    let logs = std::fs::read_dir(dir.join("hub/0/log")).expect("logs").flatten();
    let files = logs.flat_map(|log| std::fs::read_dir(log.path()).expect("log").flatten());
    let lens: Vec<u64> = files
        .filter(|file| file.file_name() != "next.prepared")
        .map(|file| file.metadata().map_or(0, |file| file.len()))
        .collect();
    (lens.iter().sum(), lens.len())
}

/// Memory of the process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}

#[test]
fn a_thousand_empty_hubs_cost_little() {
    let dir = directory("hubs-thousand");
    let many: Vec<HubLog> = (1..=1000).map(hub).collect();
    let started = |others: &[HubLog]| {
        let mut config = PartitionsConfig::new(HubId(0), dir.clone(), 4);
        config.segment_bytes = 4 * 1024 * 1024;
        config.executor_count = 2;
        config.other_hubs = others.to_vec();
        let begin = Instant::now();
        let executors = Executors::start(config).expect("starts");
        (executors, begin.elapsed())
    };
    let (executors, _) = started(&[]);
    executors.handle.stop();
    let (executors, alone) = started(&[]);
    executors.handle.stop();
    let (mut executors, all) = started(&many);
    println!("start with 1 hub {alone:?}, with 1,001 {all:?}");
    let files = log_files(&dir).1;
    let (before, begin) = (resident_bytes(), Instant::now());
    let hubs = executors.handle.hubs().clone();
    (1001..=9000).for_each(|number| hubs.add(HubId(number), 4, DAY).expect("added"));
    let per_hub = resident_bytes().saturating_sub(before) / 8000;
    println!("{per_hub} bytes per empty hub, added in {:?}", begin.elapsed() / 8000);
    assert!(per_hub < 1024, "{per_hub} bytes per hub");
    assert_eq!(log_files(&dir).1, files, "no file per hub");

    let mut last = Vec::new();
    for number in 1..=1000 {
        last.push(executors.push(place(number, number_of(number)), &text(number, 0)));
    }
    last.iter().for_each(|ticket| executors.commit(ticket));
    for number in [1, 500, 1000] {
        let events = executors.read_all(place(number, number_of(number)), 1);
        assert_eq!(events, [(0, text(number, 0))]);
    }
    executors.handle.stop();
    let (mut executors, again) = started(&many);
    let (bytes, files) = log_files(&dir);
    println!("start with an event of each {again:?}; {bytes} bytes in {files} files");
    assert_eq!(executors.read_all(place(777, number_of(777)), 1), [(0, text(777, 0))]);
    executors.push_and_commit(place(777, number_of(777)), b"next");
    assert_eq!(executors.read_all(place(777, number_of(777)), 2)[1], (1, b"next".to_vec()));
    executors.handle.stop();
}
