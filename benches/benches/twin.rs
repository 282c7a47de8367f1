//! Patches of reported properties per CPU second, from the call of a shard to the reply after the
//! commit, against bare SQLite upserts of the same documents.
//!
//! Ours: 1,000 devices of one hub. As many patches are under way as a transaction takes, and each
//! reply asks for the next, on the writer's thread, so that every transaction is full. Included are
//! the queue, parsing, rules, merge, metadata, the stored stamps, the check that the identity
//! exists, the sync, checkpoints and the reply. Not included are MQTT, TLS and the mail to the
//! shard.
//!
//! The yardstick: one thread, one prepared upsert of the ready row, the same table with the same
//! properties and stamps, the same transactions, the same pragmas, SQLite's own checkpoints.
//!
//! Patches and rows are ready before the time of either begins.
//!
//! `-- [transaction size] [pairs]`

#[path = "twin_support/floor.rs"]
mod floor;
#[path = "twin_support/hub.rs"]
mod hub;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ringhub_core::time::UnixMillis;
use rustix::time::{ClockId, clock_gettime};

use floor::Floor;
use hub::TwinHub;

const DEVICES: usize = 1_000;
const PATCHES_PER_RUN: usize = 40_960;

fn main() {
    let numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let [transaction, pairs] = {
        let given: Vec<usize> = numbers.collect();
        [given.first().copied().unwrap_or(512), given.get(1).copied().unwrap_or(12)]
    };
    let base = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("twin");
    // Left over from a run that was stopped.
    let _ = std::fs::remove_dir_all(&base);
    std::fs::create_dir_all(&base).expect("the target directory is writable");
    let mut hub = TwinHub::open(&base.join("hub"), DEVICES);
    let mut floor = Floor::open(&base.join("floor.db"), DEVICES);
    println!("transactions of {transaction}");
    // Sections exist and pages are in memory before anything is measured.
    let patches = hub.prepare(DEVICES * 2);
    hub.run(patches, transaction.min(DEVICES));
    let documents = floor.prepare(DEVICES * 2);
    floor.run(&documents, transaction);
    let mut by_cpu = Vec::new();
    let mut by_clock = Vec::new();
    for _ in 0..pairs {
        let (patches, documents) = (hub.prepare(PATCHES_PER_RUN), floor.prepare(PATCHES_PER_RUN));
        let ours = measure(|| hub.run(patches, transaction));
        let bare = measure(|| floor.run(&documents, transaction));
        by_cpu.push((ours.0, bare.0));
        by_clock.push((ours.1, bare.1));
    }
    println!("patches per CPU second");
    ringhub_benches::report("ringhub", "bare SQLite", &by_cpu);
    println!("patches per second");
    ringhub_benches::report("ringhub", "bare SQLite", &by_clock);
    hub.close();
    std::fs::remove_dir_all(&base).expect("the directory is ours");
}

/// Patches per second of processor time of the whole process, and per second of the clock.
fn measure(run: impl FnOnce()) -> (f64, f64) {
    let (cpu, clock) = (cpu_seconds(), Instant::now());
    run();
    let patches = PATCHES_PER_RUN as f64;
    (patches / (cpu_seconds() - cpu), patches / clock.elapsed().as_secs_f64())
}

/// User and system time of all threads of the process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    UnixMillis::from_millis(i64::try_from(since.as_millis()).expect("the clock is sane"))
}

/// What a device reports in round `round`: everything, then what changes.
fn patch(device: usize, round: usize) -> String {
    let battery = round % 100;
    let rssi = 60 + round % 30;
    let temperature = (device + round) % 60;
    if round > 0 {
        return format!(
            "{{\"battery\":{battery},\"connectivity\":{{\"rssi\":-{rssi}}},\
             \"temperature\":{temperature}}}"
        );
    }
    format!(
        "{{\"battery\":{battery},\"connectivity\":{{\"rssi\":-{rssi},\"type\":\"cellular\"}},\
         \"firmware\":{{\"status\":\"running\",\"version\":\"2.4.{device}\"}},\"interval\":30,\
         \"location\":{{\"lat\":48.137,\"lon\":11.575}},\"model\":\"pump-x200\",\
         \"relay\":true,\"temperature\":{temperature}}}",
    )
}
