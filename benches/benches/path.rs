//! Path: what a message costs the whole hub process, from and to the sockets of clients.
//!
//! Catch-up: a back end reads events of 256 B from the disk, against a process that only encrypts
//! and sends as many bytes. Publishing: many devices at once for the cost, one alone for the
//! latency, beside the bare `fdatasync`.
//!
//! `cargo bench --bench path`, or `-- --hub FILE` for another build of the hub.

#[allow(dead_code, reason = "the method bench uses more of it")]
mod path_support;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringhub_benches::{quartiles, report};
use ringhub_core::id::DeviceId;
use ringhub_core::message::PartitionMapping;

use path_support::floor::Floor;
use path_support::harness::rest::Device;
use path_support::hub::{Hub, build};
use path_support::publisher::Publisher;
use path_support::{cpu, floor, reader, sync};

const PAYLOAD: [u8; 256] = [0x5a; 256];
const EVENTS: u64 = 400_000;
const PAIRS: usize = 10;
/// The floor is so cheap that one round of it would drown in the resolution of the clock.
const FLOOR_ROUNDS: u64 = 4;
/// The one that publishes what is read.
const DEVICE: &str = "path";
const PARTITIONS: u16 = 4;

const CONNECTIONS: usize = 50;
const PER_SEGMENT: usize = 20;
const INFLIGHT: usize = 100;
const PUBLISHING_TIME: Duration = Duration::from_secs(10);
const LONE_PUBLISHES: u64 = 3000;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [first, tls_dir, address] = &arguments[..]
        && first == floor::SENDER
    {
        return floor::run_sender(tls_dir, address);
    }
    let given = arguments.iter().skip_while(|argument| *argument != "--hub").nth(1);
    let binary = given.map_or_else(build, |given| Ok(PathBuf::from(given)))?;
    println!("load at the start: {}", cpu::load());
    let mut hub = Hub::start(&binary);
    catch_up(&mut hub)?;
    publish_many(&hub)?;
    publish_alone(&hub)?;
    println!("load at the end: {}", cpu::load());
    Ok(())
}

fn catch_up(hub: &mut Hub) -> io::Result<()> {
    let device = Device::create(hub, DEVICE);
    fill(hub, &device)?;
    hub.restart();
    let id = DeviceId::parse(DEVICE).expect("a valid name");
    let partition = PartitionMapping::default().partition_of(&id, PARTITIONS).0;
    let floor = Floor::start(hub)?;
    let mut pairs = Vec::new();
    let (mut rates, mut bytes) = (Vec::new(), 0);
    for _ in 0..PAIRS {
        let (cpu, begin) = (hub.cpu_seconds(), Instant::now());
        bytes = reader::catch_up(hub, partition, EVENTS)?;
        rates.push(EVENTS as f64 / begin.elapsed().as_secs_f64());
        let ours = hub.cpu_seconds() - cpu;
        let cpu = floor.cpu_seconds();
        floor.receive(hub, bytes * FLOOR_ROUNDS)?;
        let bare = (floor.cpu_seconds() - cpu) / FLOOR_ROUNDS as f64;
        pairs.push((EVENTS as f64 / ours, EVENTS as f64 / bare));
    }
    let per_event = bytes as f64 / EVENTS as f64;
    println!(
        "path: catch-up of {EVENTS} events of 256 B ({per_event:.0} B as sent), per CPU second"
    );
    report("ringhub", "bare TLS sender", &pairs);
    let micros = |rates: Vec<f64>| 1e6 / quartiles(rates).1;
    let (ours, bare) = pairs.into_iter().unzip();
    println!("CPU per event: {:.3} us, bare {:.3} us", micros(ours), micros(bare));
    println!("by the clock: {:.0} events per second", quartiles(rates).1);
    Ok(())
}

/// Publishes the events that are read afterwards.
fn fill(hub: &Hub, device: &Device) -> io::Result<()> {
    const WINDOW: usize = 1000;
    const SEGMENT: usize = 100;
    let mut publisher = Publisher::connect(hub, device, WINDOW)?;
    for _ in 0..EVENTS / SEGMENT as u64 {
        while publisher.inflight() + SEGMENT > WINDOW {
            publisher.receive()?;
        }
        publisher.publish(&PAYLOAD, SEGMENT)?;
    }
    while publisher.inflight() > 0 {
        publisher.receive()?;
    }
    Ok(())
}

fn publish_many(hub: &Hub) -> io::Result<()> {
    let mut publishers = Vec::new();
    for number in 0..CONNECTIONS {
        let device = Device::create(hub, &format!("crowd-{number}"));
        publishers.push(Publisher::connect(hub, &device, INFLIGHT)?);
    }
    let cpu = hub.cpu_seconds();
    let threads: Vec<_> = publishers
        .into_iter()
        .map(|mut publisher| {
            thread::spawn(move || publisher.publish_for(PUBLISHING_TIME, &PAYLOAD, PER_SEGMENT))
        })
        .collect();
    let counts = threads.into_iter().map(|thread| thread.join().expect("no panic"));
    let count = counts.sum::<io::Result<u64>>()? as f64;
    let cpu = hub.cpu_seconds() - cpu;
    println!(
        "path: {CONNECTIONS} connections publish, {PER_SEGMENT} per segment, {INFLIGHT} in flight: \
         {:.0} per CPU second, {:.2} us CPU each, {:.0} per second by the clock",
        count / cpu,
        1e6 * cpu / count,
        count / PUBLISHING_TIME.as_secs_f64()
    );
    Ok(())
}

fn publish_alone(hub: &Hub) -> io::Result<()> {
    let device = Device::create(hub, "alone");
    let mut publisher = Publisher::connect(hub, &device, 1)?;
    let mut times = Vec::new();
    let cpu = hub.cpu_seconds();
    for _ in 0..LONE_PUBLISHES {
        let begin = Instant::now();
        publisher.publish(&PAYLOAD, 1)?;
        while publisher.inflight() > 0 {
            publisher.receive()?;
        }
        times.push(begin.elapsed());
    }
    let cpu = (hub.cpu_seconds() - cpu) * 1e6 / LONE_PUBLISHES as f64;
    println!("path: one connection, one in flight: {cpu:.0} us CPU each");
    print_latency("publish to PUBACK", &times);
    print_latency("write and fdatasync", &sync::write_and_sync(hub.home(), LONE_PUBLISHES)?);
    Ok(())
}

fn print_latency(name: &str, times: &[Duration]) {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits are permitted");
    for time in times {
        histogram.record(time.as_micros() as u64).expect("the histogram grows");
    }
    let at = |quantile| histogram.value_at_quantile(quantile);
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(at);
    println!(
        "{name:>24}  p50 {p50} us, p90 {p90}, p99 {p99}, p99.9 {p999}, max {}",
        histogram.max()
    );
}
