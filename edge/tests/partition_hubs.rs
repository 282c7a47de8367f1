//! Many hubs on the executors: apart from each other, removed, forgotten, brought back.

#[path = "support/executors.rs"]
mod executors;
#[path = "support/patience.rs"]
mod patience;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use executors::{Executors, directory, place};
use patience::{PATIENCE, eventually};
use ringhub_core::id::HubId;
use ringhub_core::limits::HUBS_MAX;
use ringhub_core::reader::Selector;
use ringhub_edge::partition::{
    HubLog, HubRefused, PartitionsConfig, ReadRefused, ReplyBody, RequestBody,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MIB: u64 = 1024 * 1024;

/// The configured hub has number 0 and four partitions.
fn config(dir: &Path, others: &[HubLog]) -> PartitionsConfig {
    let mut config = PartitionsConfig::new(HubId(0), dir.to_owned(), 4);
    config.segment_bytes = 4 * MIB;
    config.tail_bytes = 64 * 1024;
    config.other_hubs = others.to_vec();
    config
}

fn hub(number: u32, partition_count: u16) -> HubLog {
    HubLog { hub: HubId(number), partition_count, retention: DAY }
}

fn text(hub: u32, number: u64) -> Vec<u8> {
    format!("event {number} of hub {hub}").into_bytes()
}

/// A large event that says which it is.
fn bulk(hub: u32, number: u64) -> Vec<u8> {
    let mut sections = text(hub, number);
    sections.resize(16 * 1024, b'.');
    sections
}

fn assert_bulk(events: &[(u64, Vec<u8>)], hub: u32, first: u64) {
    for (event, number) in events.iter().zip(first..) {
        assert!(*event == (number, bulk(hub, number)), "event {number} of hub {hub}");
    }
}

/// `count` large events in partition 0 of hub 0, and `weight` times as many in that of hub 1.
fn fill(executors: &mut Executors, count: u64, weight: u64) {
    for number in 0..count {
        for of_other in 0..weight {
            executors.push(place(1, 0), &bulk(1, number * weight + of_other));
        }
        let ticket = executors.push(place(0, 0), &bulk(0, number));
        if number % 8 == 0 {
            executors.commit(&ticket);
        }
    }
    executors.push_and_commit(place(0, 1), b"the end");
    executors.push_and_commit(place(1, 1), b"the end");
}

/// Bytes of the segments of all logs, and how many there are.
fn segment_bytes(dir: &Path) -> (u64, usize) {
    let lens: Vec<u64> = segments(dir).iter().filter_map(|path| len(path)).collect();
    (lens.iter().sum(), lens.len())
}

fn len(path: &Path) -> Option<u64> {
    std::fs::metadata(path).map(|file| file.len()).ok()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let logs = std::fs::read_dir(dir.join("hub/0/log")).expect("logs").flatten();
    let files = logs.flat_map(|log| std::fs::read_dir(log.path()).expect("log").flatten());
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths
}

/// True if `text` stands in a segment.
fn is_in_segments(dir: &Path, text: &str) -> bool {
    let finder = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    segments(dir).iter().any(finder)
}

#[test]
fn hubs_are_apart() {
    let dir = directory("hubs-apart");
    let mut config = config(&dir, &[hub(3, 2)]);
    config.executor_count = 2;
    let mut executors = Executors::start(config.clone()).expect("starts");
    executors.handle.hubs().add(HubId(8), 4, DAY).expect("added");
    for number in 0..50 {
        for (hub, partition) in [(0, 1), (3, 1), (8, 1), (8, 3)] {
            executors.push(place(hub, partition), &text(hub, number));
        }
    }
    let expected = |hub| (0..50).map(|number| (number, text(hub, number))).collect::<Vec<_>>();
    for (hub, partition) in [(0, 1), (3, 1), (8, 1), (8, 3)] {
        executors.push_and_commit(place(hub, partition), b"last");
        assert_eq!(executors.read_all(place(hub, partition), 51)[..50], expected(hub));
    }
    for (hub, partition) in [(3, 2), (8, 4), (4, 0), (70_000, 1)] {
        assert!(executors.describe(place(hub, partition)).is_none(), "hub {hub}: {partition}");
        let opened = executors.open(place(hub, partition), Selector::Earliest);
        assert!(matches!(opened, Err(ReadRefused::UnknownPartition)), "{opened:?}");
    }
    let reader = executors.open(place(8, 1), Selector::Earliest).expect("opens");
    executors.ask(place(0, 1), 1, RequestBody::Read { reader, bytes_max: 1000 });
    let (_, refused) = executors.reply();
    let is_refused = matches!(refused, ReplyBody::Refused(ReadRefused::UnknownReader));
    assert!(is_refused, "a reader of one hub reads for another: {refused:?}");
    let hubs = executors.handle.hubs();
    assert_eq!(hubs.add(HubId(8), 4, DAY), Err(HubRefused::Exists(HubId(8))));
    assert_eq!(hubs.add(HubId(9), 0, DAY), Err(HubRefused::PartitionCount(0)));
    assert_eq!(hubs.add(HubId(9), 129, DAY), Err(HubRefused::PartitionCount(129)));
    assert_eq!(hubs.set_retention(HubId(9), DAY), Err(HubRefused::Unknown(HubId(9))));
    assert_eq!(hubs.remove(HubId(9)), Err(HubRefused::Unknown(HubId(9))));
    assert_eq!(hubs.remove(HubId(0)), Err(HubRefused::Configured(HubId(0))));
    let hubs = hubs.clone();
    executors.handle.stop();
    assert_eq!(hubs.add(HubId(10), 1, DAY), Err(HubRefused::Stopped));

    config.other_hubs.push(hub(8, 4));
    let mut executors = Executors::start(config).expect("starts again");
    for (hub, partition) in [(0, 1), (3, 1), (8, 1), (8, 3)] {
        executors.push_and_commit(place(hub, partition), b"after the restart");
        let events = executors.read_all(place(hub, partition), 52);
        assert_eq!(events[..50], expected(hub));
        assert_eq!(events[51], (51, b"after the restart".to_vec()));
    }
    executors.handle.stop();
}

#[test]
fn a_removed_hub_gives_its_disk_space_back_and_its_neighbours_read_on() {
    let dir = directory("hubs-removed");
    let config = config(&dir, &[hub(1, 2), hub(2, 1)]);
    let mut executors = Executors::start(config.clone()).expect("starts");
    fill(&mut executors, 200, 4);
    let (full, count) = segment_bytes(&dir);
    assert!(count >= 4, "{count} segments");
    let neighbour = executors.open(place(0, 0), Selector::Earliest).expect("opens");
    let seen = executors.read_some(neighbour, 40);
    assert_bulk(&seen, 0, 0);
    let waiting = executors.open(place(1, 0), Selector::Latest).expect("opens");
    executors.ask(place(1, 0), 7, RequestBody::Read { reader: waiting, bytes_max: 1000 });

    executors.handle.hubs().remove(HubId(1)).expect("removed");
    let (token, ended) = executors.reply();
    let is_ended = matches!(ended, ReplyBody::Refused(ReadRefused::UnknownPartition));
    assert!(is_ended && token == 1, "the link that opened the reader hears of it: {ended:?}");
    let opened = executors.open(place(1, 0), Selector::Earliest);
    assert!(matches!(opened, Err(ReadRefused::UnknownPartition)), "{opened:?}");
    // What is still on its way is dropped, and nobody behind it waits.
    let dropped = executors.push(place(1, 0), &bulk(1, 4000));
    executors.push_and_commit(place(2, 0), b"behind it");
    assert!(executors.pipeline.is_committed(&dropped));
    eventually("nothing of the hub is on disk", || !is_in_segments(&dir, "of hub 1"));
    let left = segment_bytes(&dir).0;
    println!("segments have {full} bytes with the hub and {left} without");
    assert!(left < full / 2, "{left} of {full} bytes");
    let others = executors.read_on(neighbour, 200 - seen.len());
    assert_bulk(&others, 0, seen.len() as u64);
    assert_eq!(executors.read_all(place(2, 0), 1), [(0, b"behind it".to_vec())]);
    fill_after(&mut executors);
    executors.handle.stop();

    let mut restarted = config;
    restarted.other_hubs = vec![hub(2, 1)];
    let mut executors = Executors::start(restarted).expect("starts again");
    let found = executors.handle.recoveries().next().cloned().expect("an executor");
    assert_eq!((found.scanned, found.torn), (0, None), "rewritten segments have their indexes");
    assert_bulk(&executors.read_all(place(0, 0), 201), 0, 0);
    executors.handle.stop();
}

fn fill_after(executors: &mut Executors) {
    executors.push_and_commit(place(0, 0), &bulk(0, 200));
    assert_bulk(&executors.read_all(place(0, 0), 201), 0, 0);
}

#[test]
fn every_hub_keeps_its_events_as_long_as_it_says() {
    let dir = directory("hubs-retention");
    let mut config = config(&dir, &[hub(1, 2)]);
    config.retention_interval = Duration::from_millis(50);
    let mut executors = Executors::start(config).expect("starts");
    fill(&mut executors, 400, 1);
    let begin = |executors: &mut Executors, hub| {
        executors.describe(place(hub, 0)).expect("there").begin_sequence_number.0
    };
    let hubs = executors.handle.hubs().clone();
    let late = executors.open(place(1, 0), Selector::Earliest).expect("opens");
    let (_, count) = segment_bytes(&dir);
    hubs.set_retention(HubId(1), Duration::from_millis(1)).expect("there");
    let first = begin(&mut executors, 1);
    assert!(first > 100, "events of a shorter time are hidden at once: {first}");
    assert_eq!(begin(&mut executors, 0), 0);
    assert_bulk(&executors.read_all(place(0, 0), 400), 0, 0);
    assert_bulk(&executors.read_on(late, 400 - first as usize), 1, first);
    assert_eq!(segment_bytes(&dir).1, count, "another hub needs the segments");

    hubs.set_retention(HubId(0), Duration::from_millis(1)).expect("there");
    assert!(begin(&mut executors, 0) > 100);
    eventually("what no hub keeps is given up", || segment_bytes(&dir).1 < count);
    executors.push_and_commit(place(1, 0), b"positions stay");
    let described = executors.describe(place(1, 0)).expect("there");
    assert_eq!(described.last.map(|last| last.0.0), Some(400));
    executors.handle.stop();
}

/// A child that removes hub 1 and waits to be killed; the directory comes by this variable.
const CHILD_DIR: &str = "RINGHUB_TEST_REMOVE_IN";

#[test]
#[ignore = "the child of `a_killed_removal_is_finished_by_the_next_start`"]
fn child_that_removes_a_hub() {
    let dir = std::env::var(CHILD_DIR).expect("started by its parent");
    let executors = Executors::start(config(Path::new(&dir), &[hub(1, 2)])).expect("starts");
    executors.handle.hubs().remove(HubId(1)).expect("removed");
    println!("\nremoved");
    std::io::stdout().flush().expect("stdout");
    std::thread::sleep(10 * PATIENCE);
}

fn start_child(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_that_removes_a_hub", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let removed = lines.map_while(Result::ok).any(|line| line == "removed");
    assert!(removed, "the child removes the hub");
    child
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Goal: whenever the process dies while a hub is taken out of the log, its neighbours lose
/// nothing and the next start goes on with it. Method: a process of its own is killed once the
/// files look as they do at some point on the way.
#[test]
fn a_killed_removal_is_finished_by_the_next_start() {
    let filled = directory("hubs-killed");
    let mut executors = Executors::start(config(&filled, &[hub(1, 2)])).expect("starts");
    fill(&mut executors, 200, 4);
    executors.handle.stop();
    let before: Vec<u64> = segments(&filled).iter().filter_map(|path| len(path)).collect();
    type Point = (&'static str, fn(&Path, &[u64]) -> bool);
    let points: [Point; 4] = [
        ("at once", |_, _| true),
        ("while one is written", |dir, _| dir.join("hub/0/log/0/next.rewritten").exists()),
        ("after the first", |dir, before| shrunk(dir, before) >= 1),
        ("after the third", |dir, before| shrunk(dir, before) >= 3),
    ];
    for (name, point) in points {
        let dir = directory("hubs-killed-copy");
        copy(&filled, &dir);
        let mut child = start_child(&dir);
        let is_over = |dir: &Path| shrunk(dir, &before) >= before.len();
        let deadline = Instant::now() + PATIENCE;
        while !point(&dir, &before) && !is_over(&dir) {
            assert!(Instant::now() < deadline, "{name}: the child does nothing");
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        let at_kill = shrunk(&dir, &before);

        let mut executors = Executors::start(config(&dir, &[])).expect("starts");
        assert_bulk(&executors.read_all(place(0, 0), 200), 0, 0);
        assert!(executors.describe(place(1, 0)).is_none(), "{name}: the hub is gone");
        eventually("nothing of the hub is on disk", || !is_in_segments(&dir, "of hub 1"));
        fill_after(&mut executors);
        println!("killed {name}: {at_kill} of {} segments were rewritten", before.len());
        executors.handle.stop();
        let mut executors = Executors::start(config(&dir, &[])).expect("starts again");
        assert_bulk(&executors.read_all(place(0, 0), 201), 0, 0);
        executors.handle.stop();
    }
}

/// Segments that are smaller than they were.
fn shrunk(dir: &Path, before: &[u64]) -> usize {
    let lens = segments(dir);
    lens.iter().zip(before).filter(|(path, before)| len(path).is_some_and(|l| l < **before)).count()
}

#[test]
fn no_more_hubs_than_may_be() {
    let dir = directory("hubs-full");
    let all: Vec<HubLog> = (1..HUBS_MAX as u32).map(|number| hub(number, 1)).collect();
    let executors = Executors::start(config(&dir, &all)).expect("starts");
    let next = HubId(HUBS_MAX as u32);
    assert_eq!(executors.handle.hubs().add(next, 1, DAY), Err(HubRefused::TooManyHubs));
    executors.handle.hubs().remove(HubId(7)).expect("removed");
    assert_eq!(executors.handle.hubs().add(next, 1, DAY), Ok(()));
    executors.handle.stop();
    let large: Vec<HubLog> = (1..600).map(|number| hub(number, 128)).collect();
    let refused = Executors::start(config(&dir, &large)).err().expect("too many partitions");
    assert!(refused.to_string().contains("partitions"), "{refused}");
    let twice = [hub(1, 1), hub(1, 1)];
    assert!(Executors::start(config(&dir, &twice)).is_err(), "listed twice");
}

/// The fixture was written by the version before, by a hub with four partitions on two executors:
/// two runs, each with five events of four devices; the second run's segments have no index.
#[test]
fn a_log_of_one_hub_from_the_version_before_goes_on() {
    let dir = directory("hubs-from-version-1");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/log-v1");
    copy(&fixture, &dir.join("hub/0/log"));
    let mut config = config(&dir, &[]);
    config.executor_count = 2;
    let mut executors = Executors::start(config.clone()).expect("starts");
    let scanned: usize = executors.handle.recoveries().map(|found| found.scanned).sum();
    assert_eq!(scanned, 2, "the indexes that are there are read");
    let mut counts = [0; 4];
    for (partition, count) in (0..4).zip(&mut counts) {
        let described = executors.describe(place(0, partition)).expect("there");
        *count = described.last.map_or(0, |last| last.0.0 as usize + 1);
        let events = executors.read_all(place(0, partition), *count);
        let numbers: Vec<u64> = events.iter().map(|event| event.0).collect();
        assert_eq!(numbers, (0..*count as u64).collect::<Vec<_>>());
        assert!(events.iter().all(|(_, sections)| is_of_device(sections)));
    }
    assert_eq!(counts.iter().sum::<usize>(), 40);
    executors.handle.hubs().add(HubId(1), 4, DAY).expect("added");
    for partition in 0..4 {
        executors.push_and_commit(place(1, partition), b"of a second hub");
        executors.push_and_commit(place(0, partition), b"of the first");
    }
    executors.handle.hubs().remove(HubId(1)).expect("removed");
    eventually("it is gone", || !is_in_segments(&dir, "of a second hub"));
    executors.handle.stop();
    let mut executors = Executors::start(config).expect("starts again");
    for (partition, count) in (0..4).zip(counts) {
        let events = executors.read_all(place(0, partition), count + 1);
        assert_eq!(events[count], (count as u64, b"of the first".to_vec()));
    }
    executors.handle.stop();
}

fn is_of_device(sections: &[u8]) -> bool {
    sections.windows(6).any(|window| window == b"of dev")
}
