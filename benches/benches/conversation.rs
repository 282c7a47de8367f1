//! Conversation: what direct methods and twin patches do to the latency of telemetry.
//!
//! Telemetry comes at half of the rate that the hub and its clients reach together on this
//! machine; alone, and beside 1,000 method calls and 1,000 reported patches a second. Open loop:
//! latency counts from the time at which a message was due.
//!
//! `cargo bench --bench conversation`, or `-- --hub FILE` for another build of the hub.

mod conversation_support;
#[allow(dead_code, reason = "the method bench uses more of it")]
mod method_support;
#[allow(dead_code, reason = "the path bench uses more of it")]
mod path_support;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringhub_benches::report;

use conversation_support::pace::paced;
use conversation_support::reporter::Reporter;
use method_support::caller::Caller;
use method_support::device::{MethodDevice, name, register};
use path_support::cpu;
use path_support::harness::rest::Device;
use path_support::hub::{Hub, build};
use path_support::publisher::Publisher;

const PAYLOAD: [u8; 256] = [0x5a; 256];
const SHARDS: u16 = 2;
const PAIRS: usize = 10;
const RUN_TIME: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 50;
const PER_SEGMENT: usize = 20;
const INFLIGHT: usize = 100;
/// Callers with a device each, and reporting devices: together 1,000 operations a second of a kind.
const LANES: usize = 10;
const LANE_INTERVAL: Duration = Duration::from_millis(10);

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let given = arguments.iter().skip_while(|argument| *argument != "--hub").nth(1);
    let binary = given.map_or_else(build, |given| Ok(PathBuf::from(given)))?;
    println!("load at the start: {}", cpu::load());
    let hub = Hub::start_with(&binary, SHARDS, "info");
    let mut publishers = (0..CONNECTIONS)
        .map(|number| {
            Publisher::connect(&hub, &Device::create(&hub, &format!("crowd-{number}")), INFLIGHT)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut lanes = lanes(&hub)?;
    let rate = maximum(&mut publishers)? / 2.0;
    let segments = rate / (CONNECTIONS * PER_SEGMENT) as f64;
    let interval = Duration::from_secs_f64(1.0 / segments);
    println!("conversation: telemetry at {rate:.0} per second, {SHARDS} shards");
    let (mut alone, mut beside) = (histogram(), histogram());
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let quiet = telemetry(&mut publishers, interval, &mut [])?;
        let busy = telemetry(&mut publishers, interval, &mut lanes)?;
        let p99 = |run: &Histogram<u64>| run.value_at_quantile(0.99) as f64;
        pairs.push((p99(&busy), p99(&quiet)));
        alone.add(quiet).expect("histograms of one kind");
        beside.add(busy).expect("histograms of one kind");
    }
    print_latency("alone", &alone);
    print_latency("beside", &beside);
    println!("conversation: p99 of telemetry, us");
    report("beside", "alone", &pairs);
    println!("load at the end: {}", cpu::load());
    Ok(())
}

/// Something that is done every [`LANE_INTERVAL`].
type Lane = Box<dyn FnMut() -> io::Result<()> + Send>;

fn lanes(hub: &Hub) -> io::Result<Vec<Lane>> {
    register(hub, LANES)?;
    let mut lanes: Vec<Lane> = Vec::new();
    for number in 0..LANES {
        MethodDevice::connect(hub, &name(number))?.answer_all();
        let mut caller = Caller::connect(hub)?;
        lanes.push(Box::new(move || caller.invoke(&name(number)).map(drop)));
        let device = Device::create(hub, &format!("reporter-{number}"));
        let mut reporter = Reporter::connect(hub, &device)?;
        lanes.push(Box::new(move || reporter.report()));
    }
    Ok(lanes)
}

/// Messages a second that all publishers reach together.
fn maximum(publishers: &mut [Publisher]) -> io::Result<f64> {
    let time = 2 * RUN_TIME;
    let counts = thread::scope(|scope| {
        let publishing: Vec<_> = publishers
            .iter_mut()
            .map(|publisher| scope.spawn(|| publisher.publish_for(time, &PAYLOAD, PER_SEGMENT)))
            .collect();
        publishing.into_iter().map(|one| one.join().expect("no panic")).sum::<io::Result<u64>>()
    })?;
    for publisher in publishers {
        drain(publisher)?;
    }
    Ok(counts as f64 / time.as_secs_f64())
}

fn drain(publisher: &mut Publisher) -> io::Result<()> {
    while publisher.inflight() > 0 {
        publisher.receive()?;
    }
    Ok(())
}

/// Microseconds from due to acknowledged of every message of one run, beside `lanes`.
fn telemetry(
    publishers: &mut [Publisher],
    interval: Duration,
    lanes: &mut [Lane],
) -> io::Result<Histogram<u64>> {
    thread::scope(|scope| {
        let busy: Vec<_> = lanes
            .iter_mut()
            .map(|lane| scope.spawn(|| paced(LANE_INTERVAL, RUN_TIME, |_| lane())))
            .collect();
        let publishing: Vec<_> = publishers
            .iter_mut()
            .map(|publisher| scope.spawn(|| publish_paced(publisher, interval)))
            .collect();
        let mut all = histogram();
        for one in publishing {
            all.add(one.join().expect("no panic")?).expect("histograms of one kind");
        }
        busy.into_iter().try_for_each(|lane| lane.join().expect("no panic"))?;
        Ok(all)
    })
}

fn publish_paced(publisher: &mut Publisher, interval: Duration) -> io::Result<Histogram<u64>> {
    let mut times = histogram();
    paced(interval, RUN_TIME, |due| {
        publisher.publish(&PAYLOAD, PER_SEGMENT)?;
        while publisher.inflight() > 0 {
            let acknowledged = publisher.receive()?;
            record(&mut times, due, acknowledged);
        }
        Ok(())
    })?;
    Ok(times)
}

fn record(times: &mut Histogram<u64>, due: Instant, count: usize) {
    let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
    times.record_n(micros, count as u64).expect("the histogram grows");
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are permitted")
}

fn print_latency(name: &str, times: &Histogram<u64>) {
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|q| times.value_at_quantile(q));
    println!("{name:>24}  p50 {p50} us, p90 {p90}, p99 {p99}, p99.9 {p999}, max {}", times.max());
}
