//! The load generator as a process.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::hub::{Hub, Memory, program};

/// How long connections are held at most.
const HOLD: Duration = Duration::from_secs(120);
/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(3);
/// From the last arrival to the first reading: the allocator gives back within ten seconds what
/// handshakes have left.
const SETTLE: Duration = Duration::from_secs(12);
/// What two readings may differ by before the memory is called steady.
const STEADY_BYTES: u64 = 256 * 1024;

/// Who is connected and idle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Idle {
    /// So many devices, each with a connection over MQTT.
    Devices(u32),
    /// So many connections over AMQP, each with [`Idle::GATEWAY`] devices.
    Gateways(u32),
}

impl Idle {
    /// Devices of a connection over AMQP.
    pub(crate) const GATEWAY: u32 = 1_000;

    pub(crate) fn devices(self) -> u32 {
        match self {
            Self::Devices(devices) => devices,
            Self::Gateways(gateways) => gateways * Self::GATEWAY,
        }
    }

    /// Connections, and how many of them come in a second: far below what the hub takes, so that no
    /// queue of handshakes adds to its memory.
    fn arrivals(self) -> (u32, u32) {
        match self {
            Self::Devices(devices) => (devices, 400),
            Self::Gateways(gateways) => (gateways, 1),
        }
    }

    fn arguments(self) -> String {
        let (connections, rate) = self.arrivals();
        let hold = HOLD.as_secs();
        let shape = match self {
            Self::Devices(_) => format!("connect --hold {hold}s"),
            // A message a second among thousands of devices is as idle as it gets.
            Self::Gateways(_) => format!(
                "telemetry --protocol amqp --gateway {} --per-second 1 --warm-up 0s --duration \
                 {hold}s",
                Self::GATEWAY
            ),
        };
        format!("{shape} --connections {connections} --rate {rate} --json --policy device")
    }
}

/// Memory of the hub with idle connections, once it is steady; they end before the return.
pub(crate) fn memory_with(hub: &Hub, idle: Idle) -> Memory {
    let (connections, rate) = idle.arrivals();
    let (address, _) = hub.address();
    let loadgen = Command::new(program("ringhub-loadgen"))
        .args(idle.arguments().split_whitespace())
        .args(["--host", &address.to_string(), "--ca"])
        .arg(hub.ca_file())
        .args(["--key", &hub.policy_key("device")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ringhub-loadgen starts");
    thread::sleep(Duration::from_secs((connections / rate).into()) + SETTLE);
    let memory = steady(hub);
    kill_process(Pid::from_child(&loadgen), Signal::INT).expect("ringhub-loadgen still runs");
    let output = loadgen.wait_with_output().expect("ringhub-loadgen is our child");
    let result: Value = serde_json::from_slice(&output.stdout).expect("ringhub-loadgen says JSON");
    assert_eq!(result["open"], connections, "not every connection stood: {result:#}");
    memory
}

/// The first of two readings that are alike, or the last one in half of the time there is.
fn steady(hub: &Hub) -> Memory {
    let begin = Instant::now();
    let mut before = hub.memory();
    loop {
        thread::sleep(INTERVAL);
        let now = hub.memory();
        let is_steady = now.resident.abs_diff(before.resident) <= STEADY_BYTES;
        if is_steady || begin.elapsed() > HOLD / 2 {
            return now;
        }
        before = now;
    }
}
