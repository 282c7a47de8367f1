//! C2D: from a back end's AMQP transfer to the device's PUBLISH and to the back end's `accepted`.
//!
//! One message is under way at a time: both answers wait for one transaction of the store, and
//! nothing else does. Beside it the bare `fdatasync`, and the stages as the hub itself measures
//! them.
//!
//! `cargo bench --bench c2d`, or `-- --hub FILE` for another build of the hub.

mod c2d_support;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use c2d_support::harness::c2d::{C2d, C2dSender};
use c2d_support::harness::mqtt::MqttDevice;
use c2d_support::harness::rest::Device;
use c2d_support::hub::Hub;
use c2d_support::{cpu, inside, sync};

const MESSAGES: u64 = 3000;
const BODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let given = arguments.iter().skip_while(|argument| *argument != "--hub").nth(1);
    let binary = given.map_or_else(build_hub, |given| Ok(PathBuf::from(given)))?;
    println!("load at the start: {}", cpu::load());
    let hub = Hub::start(&binary);
    let device = Device::create(&hub, "c2d");
    let mut connection = MqttDevice::connect(&hub, &device)?;
    connection.subscribe("devices/c2d/messages/devicebound/#")?;
    let mut sender = C2dSender::connect(&hub)?;
    let before = hub.cpu_seconds();
    let stages = measure(&mut sender, connection)?;
    let cpu_us = (hub.cpu_seconds() - before) * 1e6 / MESSAGES as f64;
    println!("c2d: {MESSAGES} messages of 64 B, one under way, {cpu_us:.0} us CPU each");
    stages.print();
    inside::print(&hub)?;
    print("write and fdatasync", &sync::write_and_sync(hub.home(), MESSAGES)?);
    println!("load at the end: {}", cpu::load());
    Ok(())
}

/// Builds the hub as it is now and returns the program.
fn build_hub() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        ["build", "--quiet", "--release", "--package", "ringhub-edge", "--bin", "ringhub"];
    let status = Command::new(cargo).args(arguments).status()?;
    assert!(status.success(), "the hub does not build");
    let own = std::env::current_exe()?;
    let release = own.parent().and_then(|deps| deps.parent()).expect("target/release/deps");
    Ok(release.join("ringhub"))
}

/// Times since the transfer was sent.
#[derive(Default)]
struct Stages {
    delivered: Vec<Duration>,
    accepted: Vec<Duration>,
    /// From the earlier of the two to the later.
    apart: Vec<Duration>,
    device_first: usize,
}

impl Stages {
    fn print(&self) {
        print("transfer to PUBLISH", &self.delivered);
        print("transfer to accepted", &self.accepted);
        print("between the two", &self.apart);
        let share = 100.0 * self.device_first as f64 / MESSAGES as f64;
        println!("the device is the first to hear in {share:.0} %");
    }
}

fn measure(sender: &mut C2dSender, mut device: MqttDevice) -> io::Result<Stages> {
    let (arrived, arrivals) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(message) = device.read_message() {
            let at = Instant::now();
            if device.acknowledge(message.id).is_err() || arrived.send(at).is_err() {
                return;
            }
        }
    });
    let mut stages = Stages::default();
    let message = C2d { to: "/devices/c2d/messages/devicebound", id: "m", ..C2d::default() };
    for _ in 0..MESSAGES {
        let begin = Instant::now();
        let outcome = sender.send(&message, BODY)?;
        let accepted = Instant::now();
        assert!(outcome.is_empty(), "{outcome:?}");
        let delivered = arrivals.recv().map_err(io::Error::other)?;
        stages.delivered.push(delivered - begin);
        stages.accepted.push(accepted - begin);
        let apart = delivered.max(accepted) - delivered.min(accepted);
        stages.apart.push(apart);
        stages.device_first += usize::from(delivered < accepted);
    }
    Ok(stages)
}

fn print(name: &str, times: &[Duration]) {
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
