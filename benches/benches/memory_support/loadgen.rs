//! The load generator as a process.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::hub::{Hub, Memory, program};

/// Memory of the hub with `connections` idle connections, which end before the return.
pub(crate) fn memory_with(hub: &Hub, connections: u32, rate: u32, settle: Duration) -> Memory {
    let arrivals = Duration::from_secs((connections / rate).into());
    let (address, _) = hub.address();
    let loadgen = Command::new(program("ringhub-loadgen"))
        .args(["connect", "--json", "--host", &address.to_string(), "--ca"])
        .arg(hub.ca_file())
        .args(["--policy", "device", "--key", &hub.policy_key("device")])
        .args(["--connections", &connections.to_string(), "--rate", &rate.to_string()])
        .args(["--hold", &format!("{}s", 3 * settle.as_secs())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ringhub-loadgen starts");
    thread::sleep(arrivals + 2 * settle);
    let memory = hub.memory();
    let output = loadgen.wait_with_output().expect("ringhub-loadgen is our child");
    let result = String::from_utf8_lossy(&output.stdout);
    // 3 is a generator that was late, which changes nothing about memory.
    let all_stood = matches!(output.status.code(), Some(0 | 3));
    assert!(all_stood, "not every connection stood: {result}");
    memory
}
