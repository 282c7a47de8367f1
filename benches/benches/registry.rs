//! Devices registered per CPU second of the hub, over REST and TLS, against bare SQLite inserts of
//! the same rows.
//!
//! Ours: the built `ringhub` with one shard; eight connections post bulk requests of a hundred
//! devices that the hub makes the keys of. Counted is the processor time of the whole process: TLS,
//! HTTP, tokens, JSON, keys, the directory, the store with its syncs, checkpoints and answers.
//!
//! The yardstick: one thread, one prepared insert of the ready row, the same columns, 512 to a
//! transaction, which is the most that the hub puts into one, the same pragmas, SQLite's own
//! checkpoints.
//!
//! Bodies and rows are ready before the time of either begins. At the end, what the registered
//! identities hold in memory. `cargo build --release -p ringhub-edge` first. `-- [pairs]`

#[path = "path_support/cpu.rs"]
mod cpu;
#[path = "registry_support/floor.rs"]
mod floor;
#[path = "memory_support/hub.rs"]
mod hub;
#[path = "memory_support/rest.rs"]
mod rest;

use std::thread;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use floor::Floor;
use hub::Hub;

const CONNECTIONS: usize = 8;
const REQUESTS_PER_CONNECTION: usize = 75;
const ITEMS_PER_REQUEST: usize = 100;
const DEVICES_PER_RUN: usize = CONNECTIONS * REQUESTS_PER_CONNECTION * ITEMS_PER_REQUEST;
/// Registered before anything is measured.
const WARM_UP: u32 = 10_000;
/// What the hub must reach.
const TARGET_PER_CPU_SECOND: f64 = 20_000.0;

fn main() {
    let pairs = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(12);
    let hub = Hub::start();
    let mut floor = Floor::open();
    let before = hub.memory();
    rest::register(&hub, WARM_UP);
    println!("load before: {}", cpu::load());
    let mut by_cpu = Vec::new();
    let mut by_clock = Vec::new();
    for pair in 0..pairs {
        let ours = register(&hub, pair);
        let bare = insert(&mut floor, pair);
        by_cpu.push((ours.0, bare.0));
        by_clock.push((ours.1, bare.1));
    }
    println!("devices per CPU second");
    ringhub_benches::report("ringhub", "bare SQLite", &by_cpu);
    println!("devices per second");
    ringhub_benches::report("ringhub", "bare SQLite", &by_clock);
    let (_, median, _) = ringhub_benches::quartiles(by_cpu.iter().map(|pair| pair.0).collect());
    let verdict = if median >= TARGET_PER_CPU_SECOND { "met" } else { "MISSED" };
    println!("target at least {TARGET_PER_CPU_SECOND} per CPU second: {verdict}");
    let after = hub.memory();
    let devices = (pairs * DEVICES_PER_RUN) as f64 + f64::from(WARM_UP);
    let each = |after: u64, before: u64| (after as f64 - before as f64) / devices;
    println!(
        "{devices} devices; per device, bytes: resident {:.0}, private and dirty {:.0}",
        each(after.resident, before.resident),
        each(after.private_dirty, before.private_dirty)
    );
    println!("load after: {}", cpu::load());
}

fn names(run: usize) -> Vec<String> {
    (0..DEVICES_PER_RUN).map(|number| format!("device-{run}-{number:06}")).collect()
}

/// Registers devices: so many per CPU second of the hub, and per second of the clock.
fn register(hub: &Hub, run: usize) -> (f64, f64) {
    let token = rest::token(hub);
    let bodies: Vec<String> = names(run).chunks(ITEMS_PER_REQUEST).map(body).collect();
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| rest::connect(hub)).collect();
    let (cpu, clock) = (cpu::seconds(hub.process.id()), Instant::now());
    thread::scope(|scope| {
        for (stream, bodies) in streams.iter_mut().zip(bodies.chunks(REQUESTS_PER_CONNECTION)) {
            let token = &token;
            scope.spawn(move || {
                for body in bodies {
                    assert_eq!(rest::post(stream, hub, token, body), "HTTP/1.1 200 OK");
                }
            });
        }
    });
    let cpu = cpu::seconds(hub.process.id()) - cpu;
    (DEVICES_PER_RUN as f64 / cpu, DEVICES_PER_RUN as f64 / clock.elapsed().as_secs_f64())
}

fn body(names: &[String]) -> String {
    let items: Vec<_> =
        names.iter().map(|name| serde_json::json!({"id": name, "importMode": "create"})).collect();
    serde_json::Value::Array(items).to_string()
}

/// Inserts rows: so many per CPU second of this process, and per second of the clock.
fn insert(floor: &mut Floor, run: usize) -> (f64, f64) {
    let rows = floor::rows(names(run));
    let (cpu, clock) = (own_cpu_seconds(), Instant::now());
    floor.insert(&rows);
    let cpu = own_cpu_seconds() - cpu;
    (DEVICES_PER_RUN as f64 / cpu, DEVICES_PER_RUN as f64 / clock.elapsed().as_secs_f64())
}

fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
