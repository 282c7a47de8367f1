//! Conversation: what direct methods and twin patches do to the latency of telemetry.
//!
//! First the highest rate is looked for at which the load keeps up: everything offered is
//! acknowledged, and 99 % of it within 10 ms. Telemetry then comes at half of that; alone, and
//! beside 1,000 method calls and 1,000 reported patches a second. Open loop: latency counts from
//! the time at which a message was due, and what of it the generator itself is late is shown.
//!
//! Hub and clients share the machine, so the processor time of each is shown too.
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
use std::time::Duration;

use hdrhistogram::Histogram;
use ringhub_benches::{quartiles, report};

use conversation_support::load::{Lane, Load, Run, histogram};
use conversation_support::reporter::Reporter;
use method_support::caller::Caller;
use method_support::device::{MethodDevice, name, register};
use path_support::cpu;
use path_support::harness::rest::Device;
use path_support::hub::{Hub, build};
use path_support::publisher::Publisher;

const SHARDS: u16 = 2;
const PAIRS: usize = 10;
const RUN_TIME: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 50;
const INFLIGHT: usize = 100;
/// Callers with a device each, and reporting devices: together 1,000 operations a second of a kind.
const LANES: usize = 10;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let given = arguments.iter().skip_while(|argument| *argument != "--hub").nth(1);
    let binary = given.map_or_else(build, |given| Ok(PathBuf::from(given)))?;
    println!("load at the start: {}", cpu::load());
    let hub = Hub::start_with(&binary, SHARDS, "info");
    let publishers = (0..CONNECTIONS)
        .map(|number| {
            Publisher::connect(&hub, &Device::create(&hub, &format!("crowd-{number}")), INFLIGHT)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut load = Load { hub: &hub, publishers, lanes: lanes(&hub)? };
    let rate = load.highest_rate()? / 2.0;
    println!("conversation: telemetry at {rate:.0} per second, {SHARDS} shards");
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        alone.push(load.run(rate, RUN_TIME, false)?);
        beside.push(load.run(rate, RUN_TIME, true)?);
    }
    print_runs("alone", &alone);
    print_runs("beside", &beside);
    println!("conversation: p99 of telemetry, us");
    let p99 = |run: &Run| run.latency.value_at_quantile(0.99) as f64;
    let pairs: Vec<_> = beside.iter().map(p99).zip(alone.iter().map(p99)).collect();
    report("beside", "alone", &pairs);
    println!("load at the end: {}", cpu::load());
    Ok(())
}

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

fn print_runs(name: &str, runs: &[Run]) {
    let (mut latency, mut lag) = (histogram(), histogram());
    for run in runs {
        latency.add(&run.latency).expect("histograms of one kind");
        lag.add(&run.lag).expect("histograms of one kind");
    }
    print_times(&format!("{name}, latency"), &latency);
    print_times(&format!("{name}, generator"), &lag);
    let median = |value: fn(&Run) -> f64| quartiles(runs.iter().map(value).collect()).1;
    println!(
        "{name:>24}  {:.0} acknowledged per second; cores: hub {:.2}, publishers {:.2}, \
         conversation's clients {:.2}",
        median(|run| run.rate),
        median(|run| run.cores.hub),
        median(|run| run.cores.publishers),
        median(|run| run.cores.conversation),
    );
}

fn print_times(name: &str, times: &Histogram<u64>) {
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|q| times.value_at_quantile(q));
    println!("{name:>24}  p50 {p50} us, p90 {p90}, p99 {p99}, p99.9 {p999}, max {}", times.max());
}
