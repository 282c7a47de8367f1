//! Memory of the hub per idle, authenticated MQTT connection over TLS.
//!
//! Starts the built `ringhub`, registers devices, connects them with the built `ringhub-loadgen`,
//! and reads the hub's memory with few and with many connections: the slope is the cost of one.
//! Both programs must be built first: `cargo build --release -p ringhub-edge -p ringhub-loadgen`.

mod memory_support;

use std::time::Duration;

use memory_support::account::{origin_bytes, rustls_session_bytes};
use memory_support::hub::{Hub, Memory};
use memory_support::loadgen::memory_with;
use memory_support::rest::register;
use ringhub_core::session::mqtt::MqttSession;

/// Connections at the two points; the second stays below 20,000 descriptors per process.
const POINTS: [u32; 2] = [2_000, 15_000];
/// Arrivals per second, far below what the hub takes, so that no queue of handshakes adds to its
/// memory.
const RATE: u32 = 400;
/// From the last arrival to the measurement.
const SETTLE: Duration = Duration::from_secs(4);
/// What one connection may cost.
const TARGET_BYTES: f64 = 6.0 * 1024.0;

fn main() {
    let hub = Hub::start();
    let before = hub.memory();
    register(&hub, POINTS[1]);
    let registered = hub.memory();
    let points =
        POINTS.map(|connections| (connections, memory_with(&hub, connections, RATE, SETTLE)));
    println!("memory of the hub, one shard and one executor, bytes");
    row("started", 0, before);
    row("devices registered", 0, registered);
    for (connections, memory) in points {
        row("connected and idle", connections, memory);
    }
    let per_device = slope((0, before.resident), (POINTS[1], registered.resident));
    println!("per registered device, store and caches included: {per_device:.0}");
    let resident = points.map(|(connections, memory)| (connections, memory.resident));
    let private = points.map(|(connections, memory)| (connections, memory.private_dirty));
    let total = slope(resident[0], resident[1]);
    println!("per connection, resident: {total:.0}");
    println!("per connection, private and dirty: {:.0}", slope(private[0], private[1]));
    print_account(total);
    let verdict = if total <= TARGET_BYTES { "met" } else { "MISSED" };
    println!("target at most {TARGET_BYTES}: {verdict}");
}

fn row(what: &str, connections: u32, memory: Memory) {
    println!(
        "{what:>20}  {connections:>6} connections  resident {:>11}  private dirty {:>11}",
        memory.resident, memory.private_dirty
    );
}

fn slope(low: (u32, u64), high: (u32, u64)) -> f64 {
    (high.1 as f64 - low.1 as f64) / f64::from(high.0 - low.0)
}

/// Splits the cost of a connection among its owners; what is not measured alone is the remainder.
fn print_account(total: f64) {
    let owners = [
        ("rustls session", rustls_session_bytes()),
        ("MQTT session", size_of::<MqttSession>()),
        ("origin of telemetry", origin_bytes()),
    ];
    let mut rest = total;
    for (owner, bytes) in owners {
        println!("{owner:>32}  {bytes:>6}");
        rest -= bytes as f64;
    }
    println!("{:>32}  {rest:>6.0}", "task, poll, driver, table, wheel");
}
