//! Method: how long a direct method takes from a back end to a device and back, over TLS, among
//! 1,000 connected devices, against a relay of two threads that looks at nothing.
//!
//! One caller, and one device on each of two shards: one of the two is on another shard than the
//! caller, and the slower one is what counts.
//!
//! `cargo bench --bench method`, or `-- --hub FILE` for another build of the hub.

#[allow(dead_code, reason = "the job bench uses more of it")]
mod method_support;
#[allow(dead_code, reason = "the path bench uses more of it")]
mod path_support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringhub_benches::report;

use method_support::caller::Caller;
use method_support::device::{MethodDevice, name, register};
use method_support::relay::{self, Relay, Sizes};
use path_support::cpu;
use path_support::hub::{Hub, build};

const DEVICES: usize = 1000;
const SHARDS: u16 = 2;
const PAIRS: usize = 12;
const CALLS_PER_RUN: usize = 1000;
const WARM_UP: usize = 200;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == relay::RELAY
    {
        return relay::run(rest);
    }
    let given = arguments.iter().skip_while(|argument| *argument != "--hub").nth(1);
    let binary = given.map_or_else(build, |given| Ok(PathBuf::from(given)))?;
    println!("load at the start: {}", cpu::load());
    let hub = Hub::start_with(&binary, SHARDS, "info,ringhub_edge=debug");
    register(&hub, DEVICES)?;
    let mut devices = (0..DEVICES)
        .map(|number| Ok((name(number), MethodDevice::connect(&hub, &name(number))?)))
        .collect::<io::Result<BTreeMap<String, MethodDevice>>>()?;
    let mut caller = Caller::connect(&hub)?;
    let mut called = Vec::new();
    for shard in 0..SHARDS {
        let id = device_on(&hub, shard).expect("1,000 devices are spread over the shards");
        called.push((id.clone(), devices.remove(&id).expect("it is connected")));
    }
    let sizes = sizes_of(&mut caller, &mut called[0])?;
    println!("method: {sizes:?}, {DEVICES} devices on {SHARDS} shards");
    let called: Vec<String> = called
        .into_iter()
        .map(|(id, device)| {
            device.answer_all();
            id
        })
        .collect();
    let mut relay = Relay::start(&hub, sizes)?;
    compare(&hub, &mut caller, &called, &mut relay)?;
    println!("load at the end: {}", cpu::load());
    Ok(())
}

/// The first device that has connected to `shard`, from the log of the hub.
fn device_on(hub: &Hub, shard: u16) -> Option<String> {
    let log = fs::read_to_string(hub.home().join("hub.log")).ok()?;
    let on_shard = format!("ShardId({shard})");
    let lines = log.lines().filter(|line| line.contains(&on_shard));
    let mut connected = lines.filter_map(|line| line.split_once("device connected identity="));
    connected.find_map(|(_, rest)| rest.split(' ').next().map(ToOwned::to_owned))
}

/// Learns from one call how long its four messages are.
fn sizes_of(caller: &mut Caller, called: &mut (String, MethodDevice)) -> io::Result<Sizes> {
    let (id, device) = called;
    let request = caller.request(id).len();
    let (response, (call, answer)) = std::thread::scope(|scope| {
        let answering = scope.spawn(|| device.answer_one());
        let (_, response) = caller.invoke(id)?;
        Ok::<_, io::Error>((response, answering.join().expect("no panic")?))
    })?;
    Ok(Sizes { request, call, answer, response })
}

/// Runs hub and relay in turn and reports what the slower of the two shards takes.
fn compare(hub: &Hub, caller: &mut Caller, called: &[String], relay: &mut Relay) -> io::Result<()> {
    for id in called {
        run(WARM_UP, || caller.invoke(id).map(|(took, _)| took))?;
    }
    run(WARM_UP, || relay.invoke())?;
    let mut totals = vec![histogram(); called.len() + 1];
    let mut rounds = Vec::new();
    let mut cpu_seconds = 0.0;
    for _ in 0..PAIRS {
        let mut round = Vec::new();
        let cpu = hub.cpu_seconds();
        for id in called {
            round.push(run(CALLS_PER_RUN, || caller.invoke(id).map(|(took, _)| took))?);
        }
        cpu_seconds += hub.cpu_seconds() - cpu;
        round.push(run(CALLS_PER_RUN, || relay.invoke())?);
        for (total, part) in totals.iter_mut().zip(&round) {
            total.add(part).expect("histograms of one kind");
        }
        rounds.push(round);
    }
    let (bare, ours) = totals.split_last().expect("the relay is the last");
    for (shard, total) in ours.iter().enumerate() {
        print_latency(&format!("device on shard {shard}"), total);
    }
    print_latency("bare relay", bare);
    let slower = usize::from(ours[1].value_at_quantile(0.5) > ours[0].value_at_quantile(0.5));
    for quantile in [0.5, 0.99] {
        let micros =
            |histogram: &Histogram<u64>| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let pair =
            |round: &Vec<Histogram<u64>>| (micros(&round[slower]), micros(&round[called.len()]));
        let pairs: Vec<(f64, f64)> = rounds.iter().map(pair).collect();
        println!("method: p{} in us, device on shard {slower}", quantile * 100.0);
        report("ringhub", "bare relay", &pairs);
    }
    let calls = (PAIRS * CALLS_PER_RUN * called.len()) as f64;
    println!("method: {:.0} us CPU of the hub per call", cpu_seconds * 1e6 / calls);
    Ok(())
}

/// Nanoseconds of so many calls, one after the other.
fn run(count: usize, mut call: impl FnMut() -> io::Result<Duration>) -> io::Result<Histogram<u64>> {
    let mut times = histogram();
    for _ in 0..count {
        let nanos = u64::try_from(call()?.as_nanos()).unwrap_or(u64::MAX);
        times.record(nanos).expect("the histogram grows");
    }
    Ok(times)
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are permitted")
}

fn print_latency(name: &str, times: &Histogram<u64>) {
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(at);
    println!(
        "{name:>24}  p50 {p50:.0} us, p90 {p90:.0}, p99 {p99:.0}, p99.9 {p999:.0}, max {:.0}",
        times.max() as f64 / 1e3
    );
}
