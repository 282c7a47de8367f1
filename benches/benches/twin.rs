//! Patches of reported properties per CPU second, from the call of a shard to the reply after the
//! commit, against bare SQLite upserts of the same documents.
//!
//! Ours: 1,000 devices of one hub. As many patches are under way as a transaction takes, and each
//! reply asks for the next, on the writer's thread, so that every transaction is full. Included are
//! the queue, parsing, rules, merge, metadata, the stored stamps, the check that the identity
//! exists, the sync, checkpoints and the reply. Not included are MQTT, TLS and the mail to the
//! shard.
//!
//! The yardstick: one thread, one prepared upsert of the ready text of the whole section, the same
//! table without stamps, the same transactions, the same pragmas, SQLite's own checkpoints.
//!
//! `-- [transaction size] [pairs]`

#[path = "twin_support/floor.rs"]
mod floor;
#[path = "twin_support/hub.rs"]
mod hub;

use std::time::Instant;

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
    println!("section of {} bytes, transactions of {transaction}", document(0, 0).len());
    // Sections exist and pages are in memory before anything is measured.
    hub.run(DEVICES * 2, transaction.min(DEVICES));
    floor.run(DEVICES * 2, transaction);
    let mut by_cpu = Vec::new();
    let mut by_clock = Vec::new();
    for _ in 0..pairs {
        let ours = measure(|| hub.run(PATCHES_PER_RUN, transaction));
        let bare = measure(|| floor.run(PATCHES_PER_RUN, transaction));
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

/// What round `round` makes of the reported properties of a device.
fn document(device: usize, round: usize) -> String {
    format!(
        "{{\"battery\":{battery},\"connectivity\":{{\"rssi\":-{rssi},\"type\":\"cellular\"}},\
         \"firmware\":{{\"status\":\"running\",\"version\":\"2.4.{device}\"}},\"interval\":30,\
         \"location\":{{\"lat\":48.137,\"lon\":11.575}},\"model\":\"pump-x200\",\
         \"relay\":true,\"temperature\":{temperature}}}",
        battery = round % 100,
        rssi = 60 + round % 30,
        temperature = (device + round) % 60,
    )
}

/// The patch that leads there.
fn patch(device: usize, round: usize) -> String {
    if round == 0 {
        return document(device, 0);
    }
    format!(
        "{{\"battery\":{},\"connectivity\":{{\"rssi\":-{}}},\"temperature\":{}}}",
        round % 100,
        60 + round % 30,
        (device + round) % 60
    )
}
