//! What a hub keeps when everybody has left.

mod support;

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::command::at;
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;

/// Devices that connect together; what they hold is more than what may stay.
const DEVICES: usize = 4000;
/// Growth that any hub of this age may show, however many devices there were.
const NOISE_KIB: u64 = 4 << 10;

#[test]
fn the_memory_of_devices_that_left_is_given_back_within_a_minute() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("it is allowed");
    let hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    register(&hub);
    drop(connect(&hub, 1));
    let before = hub.resident_kib();
    for round in 1..=2 {
        let devices = connect(&hub, DEVICES);
        let with_all = hub.resident_kib();
        let may_stay = before * 13 / 10 + NOISE_KIB;
        assert!(with_all > may_stay, "{with_all} KiB with all shows nothing, {before} before");
        drop(devices);
        let mut after = with_all;
        eventually(&format!("{with_all} KiB shrink to {may_stay}, {before} before"), || {
            after = hub.resident_kib();
            after <= may_stay
        });
        println!("round {round}: {before} KiB before, {with_all} with all, {after} after");
    }
}

fn register(hub: &Hub) {
    let file = hub.scratch("devices.jsonl");
    let lines: String = (0..DEVICES).map(|n| format!("{{\"id\":\"{}\"}}\n", name(n))).collect();
    fs::write(&file, lines).expect("the home is writable");
    let file = file.display().to_string();
    at(hub, &["device-identity", "import", "--file", &file]).good();
}

fn connect(hub: &Hub, count: usize) -> Vec<MqttDevice> {
    let logins = (0..count).map(|number| Login::device_by_policy(hub, &name(number)));
    let devices = logins.map(|login| MqttDevice::connect_as(hub, &login));
    devices.collect::<Result<_, _>>().expect("every device may connect")
}

fn name(number: usize) -> String {
    format!("device-{number}")
}
