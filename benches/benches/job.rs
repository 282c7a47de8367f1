//! Jobs: what the hub needs for each device of a job, and what jobs do to the latency of telemetry.
//!
//! A twin job over 100,000 devices, against the same patch for as many devices over REST, one
//! request each: devices per second of the hub's processor time. A method job over 1,000 connected
//! devices, against the same calls over REST. Then telemetry at a fixed rate: alone, beside a twin
//! job and beside method jobs.
//!
//! Processor time counts, not the time that passes. For the comparison of twins jobs may begin with
//! far more devices in a second than they do otherwise, so that it ends soon; everything else runs
//! with the hub's defaults. Hub and clients share the machine.
//!
//! `cargo bench --bench job`, or `-- --hub FILE` for another build of the hub, or
//! `-- --devices NUMBER`, `-- --called NUMBER` and `-- --rate MESSAGES` for other numbers than
//! 100,000, 1,000 and 4,000 a second.

#[allow(dead_code, reason = "the conversation bench uses more of it")]
mod conversation_support;
#[allow(dead_code, reason = "the method bench uses more of it")]
mod method_support;
#[allow(dead_code, reason = "the path bench uses more of it")]
mod path_support;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ringhub_benches::{judge, quartiles, report};
use ringhub_core::limits::JOB_DEVICES_PER_SECOND_MAX;
use serde_json::{Value, json};

use conversation_support::load::Load;
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
/// Messages in a second, of all connections: far from what the hub can take, as a hub should be.
const RATE: f64 = 4000.0;
const PAIRS: usize = 8;
/// How much later the last hundredth of the messages may be acknowledged beside jobs.
const P99_RATIO_MAX: f64 = 2.0;
const RUN_TIME: Duration = Duration::from_secs(2);
/// Longest time for a job to end.
const PATIENCE: Duration = Duration::from_secs(200);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const PATCH: &str = r#"{"properties":{"desired":{"fw":"2.1","interval":30}}}"#;
const PACE: &str = "RINGHUB_JOBS__DEVICES_PER_SECOND";

fn main() -> io::Result<()> {
    let began = Instant::now();
    let binary = given::<PathBuf>("--hub").map_or_else(build, Ok)?;
    let devices = given("--devices").unwrap_or(DEVICES);
    let called = given("--called").unwrap_or(CALLED).min(devices);
    println!("load at the start: {}; {devices} devices", cpu::load());
    let mut hub = Hub::start_with(&binary, SHARDS, "info");
    register(&hub, devices)?;
    println!("the fleet was there after {:.0} s", began.elapsed().as_secs_f64());
    hub.restart_with(vec![(PACE, JOB_DEVICES_PER_SECOND_MAX.to_string())]);
    compare_twins(&hub, devices)?;
    hub.restart_with(Vec::new());
    for number in 0..called {
        MethodDevice::connect(&hub, &name(number))?.answer_all();
    }
    compare_calls(&hub, called)?;
    telemetry(&hub, given("--rate").unwrap_or(RATE))?;
    println!("load at the end: {}; {:.0} s", cpu::load(), began.elapsed().as_secs_f64());
    Ok(())
}

/// The word behind `name` on the command line.
fn given<T: FromStr>(name: &str) -> Option<T> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    arguments.iter().skip_while(|word| *word != name).nth(1)?.to_str()?.parse().ok()
}

fn compare_twins(hub: &Hub, devices: usize) -> io::Result<()> {
    let plain = measure(hub, || plain(hub, devices, |caller, id| caller.patch(id, PATCH)))?;
    print("twin patches over REST", devices, &plain);
    let job = measure(hub, || run_job(hub, "twins", &twin_job(), devices))?;
    print("twin job", devices, &job);
    println!("devices per CPU second, job over REST: {:.2}", plain.cpu / job.cpu);
    Ok(())
}

fn compare_calls(hub: &Hub, called: usize) -> io::Result<()> {
    let plain = measure(hub, || plain(hub, called, Caller::invoke))?;
    print("methods over REST", called, &plain);
    let job = measure(hub, || run_job(hub, "calls", &method_job(), called))?;
    print("method job", called, &job);
    println!("devices per CPU second, job over REST: {:.2}", plain.cpu / job.cpu);
    Ok(())
}

/// Telemetry alone and beside each kind of job, in turn.
fn telemetry(hub: &Hub, rate: f64) -> io::Result<()> {
    let publishers = (0..CONNECTIONS)
        .map(|number| {
            let device = Device::create(hub, &format!("crowd-{number}"));
            Publisher::connect(hub, &device, INFLIGHT)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut load = Load { hub, publishers, lanes: Vec::new() };
    println!("telemetry at {rate:.0} per second; p99 in us");
    for (kind, job) in [("twin-job", twin_job()), ("method-jobs", method_job())] {
        let mut pairs = Vec::new();
        for pair in 0..PAIRS {
            let alone = p99(&mut load, rate)?;
            let beside = beside(hub, &format!("{kind}-{pair}"), &job, || p99(&mut load, rate))?;
            pairs.push((beside, alone));
        }
        report(&format!("beside {kind}"), "alone", &pairs);
        let (_, ratio, _) = quartiles(pairs.iter().map(|(beside, alone)| beside / alone).collect());
        judge(ratio, P99_RATIO_MAX, "times alone");
    }
    Ok(())
}

fn p99(load: &mut Load<'_>, rate: f64) -> io::Result<f64> {
    let run = load.run(rate, RUN_TIME, false)?;
    Ok(run.latency.value_at_quantile(0.99) as f64)
}

/// Does `work` while jobs run, one after the other, and leaves nothing of them to do.
fn beside<T>(
    hub: &Hub,
    id: &str,
    job: &Value,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let is_over = AtomicBool::new(false);
    let (first, works) = mpsc::channel();
    thread::scope(|scope| {
        let jobs = scope.spawn(|| {
            for number in 0.. {
                let id = format!("{id}-{number}");
                start_job(hub, &id, job)?;
                follow(hub, &id, |job| {
                    // Nobody listens any more once the work has begun.
                    let is_working = job["deviceJobStatistics"]["succeededCount"] != 0;
                    is_working.then(|| first.send(()));
                    is_over.load(Ordering::Relaxed)
                })?;
                if is_over.load(Ordering::Relaxed) {
                    // One that has ended already is refused, which is as good.
                    return exchange(hub, "POST", &format!("/jobs/v2/{id}/cancel"), "").map(drop);
                }
            }
            Ok(())
        });
        let done = works.recv_timeout(PATIENCE).map_err(io::Error::other).and_then(|()| work());
        is_over.store(true, Ordering::Relaxed);
        jobs.join().expect("no panic")?;
        done
    })
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

/// Runs a job to its end, which every device must reach.
fn run_job(hub: &Hub, id: &str, job: &Value, devices: usize) -> io::Result<()> {
    start_job(hub, id, job)?;
    let job = follow(hub, id, |_| false)?;
    let statistics = &job["deviceJobStatistics"];
    assert_eq!(statistics["succeededCount"], devices, "{job}");
    println!("{id}: {statistics}");
    Ok(())
}

/// Looks at a job again and again until it has completed, or `is_enough`.
fn follow(hub: &Hub, id: &str, mut is_enough: impl FnMut(&Value) -> bool) -> io::Result<Value> {
    let began = Instant::now();
    loop {
        let (status, reply) = exchange(hub, "GET", &format!("/jobs/v2/{id}"), "")?;
        assert_eq!(status, 200, "{reply}");
        let job: Value = serde_json::from_str(&reply).map_err(io::Error::other)?;
        if job["status"] == "completed" || is_enough(&job) {
            return Ok(job);
        }
        let is_failed = job["status"] == "failed" || job["status"] == "cancelled";
        if is_failed || began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("the job does not end well: {reply}")));
        }
        thread::sleep(LOOK_INTERVAL);
    }
}
