//! Memory of the hub per idle device: with an MQTT connection over TLS of its own, and on an AMQP
//! connection that a thousand share.
//!
//! Starts the built `ringhub`, registers devices, connects them with the built `ringhub-loadgen`,
//! and reads the hub's memory with few and with many devices, once it is steady: the slope is the
//! cost of one. Both programs must be built first:
//! `cargo build --release -p ringhub-edge -p ringhub-loadgen`. `-- gateway` leaves out MQTT, and
//! `-- mqtt` gateways.
//!
//! This bench has the allocator of the hub, also for the C library that holds keys, so what it
//! measures alone is what the hub pays for it.

mod memory_support;

use memory_support::account::{amqp_link_bytes, origin_bytes, tls_session_bytes};
use memory_support::hub::{Hub, Memory};
use memory_support::loadgen::{Idle, memory_with};
use memory_support::rest::register;
use ringhub_core::session::mqtt::MqttSession;
use tikv_jemallocator as _;

/// Connections at the two points; the second stays below 20,000 descriptors per process.
const CONNECTIONS: [Idle; 2] = [Idle::Devices(2_000), Idle::Devices(15_000)];
const GATEWAYS: [Idle; 2] = [Idle::Gateways(2), Idle::Gateways(12)];
/// What one connection may cost.
const TARGET_BYTES: f64 = 6.0 * 1024.0;

fn main() {
    // First, while this process has nothing free that small values could take without growth.
    let origin = ("origin of telemetry", origin_bytes());
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let wants = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if wants("mqtt") {
        let total = measure("connection over MQTT", CONNECTIONS);
        let owners = [
            ("TLS session, keys included", tls_session_bytes()),
            ("MQTT session", size_of::<MqttSession>()),
            origin,
        ];
        print_account(total, &owners, "task, poll, driver, table, wheel");
        let verdict = if total <= TARGET_BYTES { "met" } else { "MISSED" };
        println!("target at most {TARGET_BYTES}: {verdict}");
    }
    if wants("gateway") {
        let total = measure("device on a gateway over AMQP", GATEWAYS);
        let owners = [("link in the protocol machine", amqp_link_bytes()), origin];
        print_account(total, &owners, "seat, token, role, deadline, its part of the connection");
    }
}

/// Prints the memory of a hub of its own at two points; the result is the slope between them.
fn measure(what: &str, points: [Idle; 2]) -> f64 {
    let hub = Hub::start();
    let before = hub.memory();
    let registered = points.map(Idle::devices).into_iter().fold(0, u32::max);
    register(&hub, registered);
    let after = hub.memory();
    let points = points.map(|idle| (idle.devices(), memory_with(&hub, idle)));
    println!("memory of the hub per {what}, one shard and one executor, bytes");
    row("started", 0, before);
    row("devices registered", 0, after);
    for (devices, memory) in points {
        row("connected and idle", devices, memory);
    }
    let per_device = slope((0, before.resident), (registered, after.resident));
    println!("per registered device, store and caches included: {per_device:.0}");
    let resident = points.map(|(devices, memory)| (devices, memory.resident));
    let private = points.map(|(devices, memory)| (devices, memory.private_dirty));
    let total = slope(resident[0], resident[1]);
    println!("per {what}, resident: {total:.0}");
    println!("per {what}, private and dirty: {:.0}", slope(private[0], private[1]));
    total
}

fn row(what: &str, devices: u32, memory: Memory) {
    println!(
        "{what:>20}  {devices:>6} devices  resident {:>11}  private dirty {:>11}",
        memory.resident, memory.private_dirty
    );
}

fn slope(low: (u32, u64), high: (u32, u64)) -> f64 {
    (high.1 as f64 - low.1 as f64) / f64::from(high.0 - low.0)
}

/// Splits a cost among its owners; what is not measured alone is the remainder.
fn print_account(total: f64, owners: &[(&str, usize)], others: &str) {
    let mut rest = total;
    for (owner, bytes) in owners {
        println!("{owner:>60}  {bytes:>6}");
        rest -= *bytes as f64;
    }
    println!("{others:>60}  {rest:>6.0}");
}
