//! Devices that may no longer be connected: disabled, deleted, or with a token that has run out.
//!
//! The registry answers on one shard, the devices are on all of them. Which shard a device is on is
//! in the hub's log; with devices on every shard, most are not where the registry call came in.

mod support;

use std::collections::BTreeSet;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::http::HttpConnection;
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice};
use support::rest::{Device, Module};
use support::sas;

const SHARDS: u16 = 3;
/// Enough for some on every shard, whatever the kernel's choice.
const DEVICES: usize = 40;
/// From the answer of the registry to the end of the device's connection.
const CUT_TIME_MAX: Duration = Duration::from_secs(1);
/// As above where a busy machine holds up the hub or the device.
const HELD_UP_TIME_MAX: Duration = Duration::from_secs(9);
/// Enough for a median.
const MODULE_ROUNDS: usize = 5;
/// CONNACK 5, "not authorized".
const NOT_AUTHORIZED: u8 = 5;

#[test]
fn disabled_and_deleted_devices_are_cut_off_within_a_second() {
    let mut hub = Hub::start_with(HubOptions {
        shards: SHARDS,
        log: "info,ringhub_edge=debug",
        ..HubOptions::default()
    });
    let devices: Vec<Device> =
        (0..DEVICES).map(|n| Device::create(&hub, &format!("pump-{n}"))).collect();
    let mut registry = HttpConnection::open(&hub).expect("the hub listens");
    let mut times = Vec::new();

    for (device, connection) in devices.iter().zip(connect_all(&hub, &devices)) {
        let change = || registry.put_status(device, "disabled");
        times.push(time_until_cut(vec![connection], change));
    }
    let used: BTreeSet<u16> = devices.iter().flat_map(|device| hub.shards_of(&device.id)).collect();
    assert_eq!(used.len(), usize::from(SHARDS), "devices were not spread over the shards");
    for device in &devices {
        assert_eq!(connack(&hub, device), NOT_AUTHORIZED, "{} is disabled", device.id);
        registry.put_status(device, "enabled");
    }
    for (device, connection) in devices.iter().zip(connect_all(&hub, &devices)) {
        let change = || registry.delete(&format!("/devices/{}", device.id));
        times.push(time_until_cut(vec![connection], change));
        assert_eq!(connack(&hub, device), NOT_AUTHORIZED, "{} is deleted", device.id);
    }
    assert_prompt("devices", &times, times.len() / 10);
    hub.assert_sound();
}

#[test]
fn modules_go_with_their_device() {
    let mut hub = Hub::start_with(HubOptions { shards: SHARDS, ..HubOptions::default() });
    let rounds: Vec<[Duration; 3]> =
        (0..MODULE_ROUNDS).map(|round| cut_off_modules(&hub, &format!("pump-{round}"))).collect();
    for (place, what) in ["disabled", "deleted alone", "deleted"].into_iter().enumerate() {
        let times: Vec<Duration> = rounds.iter().map(|times| times[place]).collect();
        assert_prompt(&format!("modules {what}"), &times, MODULE_ROUNDS / 2);
    }
    hub.assert_sound();
}

/// Times until the modules of a new device are cut off: all when it is disabled, one that is
/// deleted, and the others when the device is deleted.
fn cut_off_modules(hub: &Hub, device_id: &str) -> [Duration; 3] {
    let device = Device::create(hub, device_id);
    let modules: Vec<Module> =
        (0..6).map(|n| Module::create(hub, &device.id, &format!("part-{n}"))).collect();
    let mut registry = HttpConnection::open(hub).expect("the hub listens");
    let connect = |module: &Module| MqttDevice::connect_as(hub, &Login::module(hub, module));
    let connect_all = || -> Vec<MqttDevice> {
        modules.iter().map(|module| connect(module).expect("the module may connect")).collect()
    };
    let refused = |module: &Module| {
        let mut connection = MqttDevice::open(hub).expect("the hub listens");
        connection.send_connect(&Login::module(hub, module)).expect("the hub listens");
        connection.read_connack().expect("a verdict")
    };

    let disabled = time_until_cut(connect_all(), || registry.put_status(&device, "disabled"));
    for module in &modules {
        assert_eq!(refused(module), NOT_AUTHORIZED, "{} is on a disabled device", module.id);
    }
    registry.put_status(&device, "enabled");
    let mut connections = connect_all();
    let path = format!("/devices/{}/modules/{}", device.id, modules[0].id);
    let alone = time_until_cut(vec![connections.remove(0)], || registry.delete(&path));
    for connection in &mut connections {
        connection.ping().expect("the other modules stay");
    }
    let path = format!("/devices/{}", device.id);
    let deleted = time_until_cut(connections, || registry.delete(&path));
    [disabled, alone, deleted]
}

#[test]
fn a_connection_ends_five_minutes_after_its_token() {
    /// What is left of the five minutes when the device connects.
    const LEFT: Duration = Duration::from_secs(8);
    let hub = Hub::start();
    let device = Device::create(&hub, "pump-7");
    let resource = format!("{}/devices/{}", hub.address.ip, device.id);
    let end = SystemTime::now() + LEFT;
    let login = |expiry| {
        let token = sas::token_until(&resource, &device.key, None, expiry);
        Login::device_with(&hub, &device.id, token)
    };
    let grace = Duration::from_secs(300);
    let mut connection = MqttDevice::connect_as(&hub, &login(end - grace)).expect("within grace");
    connection.set_patience(5 * LEFT).expect("a socket");
    connection.ping().expect("the device is served");
    connection.read_to_end().expect("the hub ends the connection");
    let late = SystemTime::now().duration_since(end).unwrap_or_default();
    // Tokens count in whole seconds, which a token that ends now was cut down to.
    let early = end.duration_since(SystemTime::now()).unwrap_or_default();
    println!("cut off: token, {late:?} after its end");
    assert!(early <= Duration::from_secs(1), "{early:?}");
    assert!(late < Duration::from_secs(20), "{late:?}");
    let mut again = MqttDevice::open(&hub).expect("the hub listens");
    again.send_connect(&login(end - grace)).expect("the hub listens");
    assert_eq!(again.read_connack().expect("a verdict"), NOT_AUTHORIZED);
}

#[test]
fn a_token_may_be_good_for_ages() {
    let mut hub = Hub::start();
    let device = Device::create(&hub, "pump-7");
    let resource = format!("{}/devices/{}", hub.address.ip, device.id);
    // Ten thousand years, and what fits into a double.
    for seconds in [315_360_000_000, 1 << 53] {
        let end = UNIX_EPOCH + Duration::from_secs(seconds);
        let token = sas::token_until(&resource, &device.key, None, end);
        let login = Login::device_with(&hub, &device.id, token);
        let mut connection = MqttDevice::connect_as(&hub, &login).expect("the token is good");
        connection.ping().expect("and stays so");
    }
    hub.assert_sound();
}

/// Registry calls on one open connection.
impl HttpConnection {
    fn put_status(&mut self, device: &Device, status: &str) {
        let Device { id, key } = device;
        let body = format!(
            r#"{{"deviceId":"{id}","status":"{status}","authentication":{{"type":"sas",
            "symmetricKey":{{"primaryKey":"{key}","secondaryKey":"{key}"}}}}}}"#
        );
        let response = self.exchange("PUT", &format!("/devices/{id}"), "If-Match: *\r\n", &body);
        let response = response.expect("the registry answers");
        assert_eq!(response.status, 200, "{}", response.body);
    }

    fn delete(&mut self, path: &str) {
        let response = self.exchange("DELETE", path, "If-Match: *\r\n", "");
        let response = response.expect("the registry answers");
        assert_eq!(response.status, 204, "{}", response.body);
    }
}

fn connect_all(hub: &Hub, devices: &[Device]) -> Vec<MqttDevice> {
    let connect = |device| MqttDevice::connect(hub, device).expect("the device may connect");
    devices.iter().map(connect).collect()
}

fn connack(hub: &Hub, device: &Device) -> u8 {
    let mut connection = MqttDevice::open(hub).expect("the hub listens");
    connection.send_connect(&Login::device(hub, device)).expect("the hub listens");
    connection.read_connack().expect("a verdict")
}

/// Fails the test unless all `times` but `held_up_max` are within a second, and those too are
/// bounded.
fn assert_prompt(what: &str, times: &[Duration], held_up_max: usize) {
    let held_up = times.iter().filter(|time| **time >= CUT_TIME_MAX).count();
    let slowest = times.iter().max().expect("there are times");
    println!("cut off: {} times {what}, {held_up} held up, slowest {slowest:?}", times.len());
    assert!(held_up <= held_up_max && *slowest < HELD_UP_TIME_MAX, "{what}: {times:?}");
}

/// Time from the end of `change` to the end of the last of `connections`.
fn time_until_cut(connections: Vec<MqttDevice>, change: impl FnOnce()) -> Duration {
    thread::scope(|scope| {
        let watch = |mut connection: MqttDevice| {
            scope.spawn(move || {
                connection.read_to_end().expect("the hub ends the connection");
                Instant::now()
            })
        };
        let watches: Vec<ScopedJoinHandle<'_, Instant>> =
            connections.into_iter().map(watch).collect();
        change();
        let answered = Instant::now();
        let ends = watches.into_iter().map(|watch| watch.join().expect("the hub has closed"));
        ends.map(|end| end.saturating_duration_since(answered)).max().unwrap_or_default()
    })
}
