//! Jobs: what the hub needs for each device of a job, and what jobs do to the latency of telemetry.
//!
//! A twin job over 100,000 devices, against the same patch for as many devices over REST, one
//! request each: devices per second of the hub's processor time. A method job over 1,000 connected
//! devices, against the same calls over REST. Then telemetry at a quarter of the highest rate that
//! the load keeps up with: alone, beside a twin job and beside a method job.
//!
//! Jobs begin with a bounded number of devices in a second, so processor time counts, not the time
//! that passes. Hub and clients share the machine.
//!
//! `cargo bench --bench job`, or `-- --hub FILE` for another build of the hub, or
//! `-- --devices NUMBER` for another number than 100,000.

#[allow(dead_code, reason = "the conversation bench uses more of it")]
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

use ringhub_benches::report;
use serde_json::{Value, json};

use conversation_support::load::{Load, Run};
use method_support::caller::Caller;
use method_support::device::{MethodDevice, name, register};
use path_support::cpu;
use path_support::harness::rest::{Device, exchange};
use path_support::hub::{Hub, build};
use path_support::publisher::Publisher;

const SHARDS: u16 = 2;
const DEVICES: usize = 100_000;
const CALLED: usize = 1000;
/// Connections over which plain requests come.
const CALLERS: usize = 4;
const CONNECTIONS: usize = 50;
const INFLIGHT: usize = 100;
const PAIRS: usize = 5;
const RUN_TIME: Duration = Duration::from_secs(2);
const PATCH: &str = r#"{"properties":{"desired":{"fw":"2.1","interval":30}}}"#;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let given = |name: &str| arguments.iter().skip_while(|word| *word != name).nth(1);
    let binary = given("--hub").map_or_else(build, |given| Ok(PathBuf::from(given)))?;
    let devices = given("--devices").and_then(|text| text.to_str()?.parse().ok());
    let devices = devices.unwrap_or(DEVICES);
    println!("load at the start: {}", cpu::load());
    let hub = Hub::start_with(&binary, SHARDS, "info");
    register(&hub, devices)?;
    for number in 0..CALLED.min(devices) {
        MethodDevice::connect(&hub, &name(number))?.answer_all();
    }
    compare_twins(&hub, devices)?;
    compare_calls(&hub)?;
    telemetry(&hub)?;
    println!("load at the end: {}", cpu::load());
    Ok(())
}

fn compare_twins(hub: &Hub, devices: usize) -> io::Result<()> {
    let plain = measure(hub, || plain(hub, devices, |caller, id| caller.patch(id, PATCH)))?;
    let job = measure(hub, || run_job(hub, "twins", &twin_job()))?;
    print("twin patches over REST", devices, &plain);
    print("twin job", devices, &job);
    println!("devices per CPU second, job over REST: {:.2}", plain.cpu / job.cpu);
    Ok(())
}

fn compare_calls(hub: &Hub) -> io::Result<()> {
    let plain = measure(hub, || plain(hub, CALLED, Caller::invoke))?;
    let job = measure(hub, || run_job(hub, "calls", &method_job()))?;
    print("methods over REST", CALLED, &plain);
    print("method job", CALLED, &job);
    println!("devices per CPU second, job over REST: {:.2}", plain.cpu / job.cpu);
    Ok(())
}

/// Telemetry alone and beside each kind of job, in turn.
fn telemetry(hub: &Hub) -> io::Result<()> {
    let publishers = (0..CONNECTIONS)
        .map(|number| {
            let device = Device::create(hub, &format!("crowd-{number}"));
            Publisher::connect(hub, &device, INFLIGHT)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut load = Load { hub, publishers, lanes: Vec::new() };
    let rate = load.highest_rate()? / 4.0;
    println!("telemetry at {rate:.0} per second; p99 in us");
    let p99 = |run: &Run| run.latency.value_at_quantile(0.99) as f64;
    for (kind, job) in [("twin job", twin_job()), ("method job", method_job())] {
        let mut pairs = Vec::new();
        for pair in 0..PAIRS {
            let alone = p99(&load.run(rate, RUN_TIME, false)?);
            let id = format!("{}-{pair}", kind.replace(' ', "-"));
            start_job(hub, &id, &job)?;
            let beside = p99(&load.run(rate, RUN_TIME, false)?);
            // Nothing of it is left when the next run begins.
            cancel(hub, &id)?;
            pairs.push((beside, alone));
        }
        report(&format!("beside a {kind}"), "alone", &pairs);
    }
    Ok(())
}

/// What something took.
struct Taken {
    cpu: f64,
    time: Duration,
}

fn measure(hub: &Hub, work: impl FnOnce() -> io::Result<()>) -> io::Result<Taken> {
    let (cpu, begin) = (hub.cpu_seconds(), Instant::now());
    work()?;
    Ok(Taken { cpu: hub.cpu_seconds() - cpu, time: begin.elapsed() })
}

fn print(what: &str, devices: usize, taken: &Taken) {
    let devices = devices as f64;
    println!(
        "{what:>24}  {:.0} devices per CPU second, {:.0} per second, {:.1} us CPU each",
        devices / taken.cpu,
        devices / taken.time.as_secs_f64(),
        taken.cpu * 1e6 / devices
    );
}

/// The same for each device by a request of its own.
fn plain<T>(
    hub: &Hub,
    devices: usize,
    ask: impl Fn(&mut Caller, &str) -> io::Result<T> + Sync,
) -> io::Result<()> {
    thread::scope(|scope| {
        let ask = &ask;
        let callers = (0..CALLERS).map(|first| {
            scope.spawn(move || {
                let mut caller = Caller::connect(hub)?;
                let mut own = (first..devices).step_by(CALLERS);
                own.try_for_each(|number| ask(&mut caller, &name(number)).map(drop))
            })
        });
        let callers: Vec<_> = callers.collect();
        callers.into_iter().try_for_each(|caller| caller.join().expect("no panic"))
    })
}

fn twin_job() -> Value {
    let mut patch: Value = serde_json::from_str(PATCH).expect("it is JSON");
    patch["etag"] = json!("*");
    json!({
        "type": "scheduleUpdateTwin",
        "queryCondition": "STARTSWITH(deviceId, 'device-')",
        "updateTwin": patch,
    })
}

fn method_job() -> Value {
    json!({
        "type": "scheduleDeviceMethod",
        "queryCondition": "STARTSWITH(deviceId, 'device-') AND connectionState = 'Connected'",
        "cloudToDeviceMethod": { "methodName": "run", "payload": { "delay": 5 } },
    })
}

fn start_job(hub: &Hub, id: &str, job: &Value) -> io::Result<()> {
    let (status, reply) = exchange(hub, "PUT", &format!("/jobs/v2/{id}"), &job.to_string())?;
    assert_eq!(status, 200, "{reply}");
    Ok(())
}

fn cancel(hub: &Hub, id: &str) -> io::Result<()> {
    // One that has ended already is refused, which is as good.
    exchange(hub, "POST", &format!("/jobs/v2/{id}/cancel"), "").map(drop)
}

/// Runs a job to its end.
fn run_job(hub: &Hub, id: &str, job: &Value) -> io::Result<()> {
    start_job(hub, id, job)?;
    loop {
        let (status, reply) = exchange(hub, "GET", &format!("/jobs/v2/{id}"), "")?;
        assert_eq!(status, 200, "{reply}");
        let job: Value = serde_json::from_str(&reply).map_err(io::Error::other)?;
        if job["status"] == "completed" {
            let statistics = &job["deviceJobStatistics"];
            assert_eq!(statistics["failedCount"], 0, "{reply}");
            println!("{id}: {statistics}");
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
}
