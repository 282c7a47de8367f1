//! What a page of all numbers costs the threads of a hub.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use http::Method;
use ringhub_edge::client::{Precondition, RestClient, Target};

use super::hub::Hub;

const PAGES: u32 = 500;
const SHARDS: u16 = 16;
const CONFIG: &str = "[format]\npartitions = 128\n";
/// What a page may take of one shard, in milliseconds.
const TARGET_MS: f64 = 5.0;
const PATIENCE: Duration = Duration::from_secs(10);

/// Time in nanoseconds that threads have run for, by their names.
type Times = BTreeMap<String, u64>;

/// Reads pages over one connection; the shard that owns it is the one whose time counts.
pub(crate) fn measure() {
    let hub = Hub::start_with(SHARDS, CONFIG);
    let target = Target::local(&hub.data_dir()).expect("the hub wrote its endpoints");
    let rest = RestClient::new(&target);
    let bytes = read(&rest);
    let before = times(hub.process.id());
    let began = Instant::now();
    (0..PAGES).for_each(|_| _ = read(&rest));
    let took = began.elapsed();
    let after = times(hub.process.id());
    thread::sleep(took);
    let idle = times(hub.process.id());
    println!("{PAGES} pages of {bytes} B, {:.2} ms each", millis(took.as_nanos() as u64));
    let shards = after.keys().filter(|name| name.starts_with("shard-"));
    let busiest = shards.max_by_key(|name| since(&before, &after, name));
    let name = busiest.expect("a hub has shards");
    let shard_ms = millis(since(&before, &after, name));
    let idle_ms = millis(since(&after, &idle, name));
    println!("{name:>12}  {shard_ms:.3} ms per page, {idle_ms:.3} ms idle, target {TARGET_MS} ms");
    let inspector_ms = millis(since(&before, &after, "inspector"));
    println!("{:>12}  {inspector_ms:.3} ms per page", "inspector");
}

/// Length of a page in bytes.
fn read(rest: &RestClient) -> usize {
    let answer = rest.exchange(Method::GET, "/metrics", Precondition::Absent, None, PATIENCE);
    let answer = answer.expect("the hub answers");
    assert_eq!(answer.status, 200);
    answer.body.len()
}

/// Milliseconds per page.
fn millis(total_ns: u64) -> f64 {
    total_ns as f64 / 1e6 / f64::from(PAGES)
}

fn since(from: &Times, to: &Times, name: &str) -> u64 {
    let of = |times: &Times| times.get(name).copied().unwrap_or_default();
    of(to).saturating_sub(of(from))
}

fn times(process: u32) -> Times {
    let mut times = Times::new();
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    for task in tasks.map(|task| task.expect("the process runs").path()) {
        let name = fs::read_to_string(task.join("comm")).expect("the thread runs");
        let scheduled = fs::read_to_string(task.join("schedstat")).expect("the thread runs");
        let ran = scheduled.split(' ').next().and_then(|field| field.parse::<u64>().ok());
        *times.entry(name.trim().to_owned()).or_default() += ran.expect("nanoseconds");
    }
    times
}
