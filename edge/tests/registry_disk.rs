//! The hub on disks that fail and that are full, and what the next start makes of them.
//!
//! The faults are the kernel's own: see `support/mounted.rs`. They take root and loop devices;
//! without them the tests say so and pass. `registry_faults.rs` has what needs neither.

mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use support::command::at;
use support::history::read_all;
use support::http::{HttpConnection, Response};
use support::hub::Hub;
use support::mounted::{Failing, Mounted};
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::rest::Device;
use support::twin_client::TwinClient;

const MIB: u64 = 1024 * 1024;
/// Length of a message that is soon too large for what is left.
const MESSAGE_BYTES: usize = 200 * 1024;
/// Requests until a fault must have shown.
const REQUESTS_MAX: usize = 20_000;

fn request(hub: &Hub, method: &str, path: &str, body: &str) -> Response {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    connection.exchange(method, path, "", body).expect("the hub answers")
}

fn request_ready(hub: &Hub) -> Response {
    request(hub, "GET", "/health/ready", "")
}

fn stop(hub: &mut Hub) {
    hub.terminate();
    hub.reap();
}

fn kill(hub: &mut Hub) {
    hub.kill();
    hub.reap();
}

/// Devices that were acknowledged, and those that were not.
#[derive(Default)]
struct Registered {
    promised: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Registered {
    /// Registers devices one by one until one is refused, or `count` of them are there.
    fn register(&mut self, hub: &Hub, count: usize) -> Option<Response> {
        let mut connection = HttpConnection::open(hub).expect("the hub listens");
        for _ in 0..count {
            let id = format!("d-{}", self.promised.len() + self.refused.len());
            let path = format!("/devices/{id}");
            let answer = connection.exchange("PUT", &path, "", "{}").expect("the hub answers");
            if answer.status != 200 {
                self.refused.insert(id);
                return Some(answer);
            }
            self.promised.insert(id);
        }
        None
    }

    /// Fails the test unless the hub has all that was promised, and nothing that nobody asked for.
    fn assert_kept(&self, hub: &Hub) {
        let listed = at(hub, &["device-identity", "list", "--all", "-o", "json"]).json();
        let listed = listed.as_array().expect("a list").iter();
        let id = |device: &Value| device["deviceId"].as_str().expect("an id").to_owned();
        let there: BTreeSet<String> = listed.map(id).collect();
        let lost: Vec<_> = self.promised.difference(&there).collect();
        assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), self.promised.len());
        let known = |id: &String| self.promised.contains(id) || self.refused.contains(id);
        assert!(there.iter().all(known), "{there:?}");
    }
}

#[track_caller]
fn assert_unavailable(answer: &Response, says: &str) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("ErrorCode:ServiceUnavailable;"), "{}", answer.body);
    assert!(answer.body.contains(says), "{}", answer.body);
}

/// Goal: nothing is acknowledged after an I/O error until a restart, and nothing that was before is
/// lost. Method: the disk below the registry cannot write for some time and then is well again,
/// which leaves places that the filesystem writes no more although it says so. The process
/// is killed twice: with what the kernel remembers of the files, and with a power cut.
#[test]
fn after_an_io_error_changes_wait_for_a_restart_and_none_is_lost() {
    let Some(mut disk) = Failing::new("registry-failing") else { return };
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "d-0");
    let mut registered = Registered::default();
    registered.promised.insert("d-0".to_owned());
    stop(&mut hub);
    hub.move_data("registry", disk.path());
    hub.launch();
    let refused = registered.register(&hub, 50);
    assert_eq!(refused, None);
    let mut device = MqttDevice::connect(&hub, &pump).expect("the device may connect");

    disk.fail();
    let refused = registered.register(&hub, 1).expect("the disk fails");
    assert_unavailable(&refused, "until the hub is restarted");
    disk.mend();
    for _ in 0..20 {
        let refused = registered.register(&hub, 1).expect("nothing is tried again");
        assert_unavailable(&refused, "until the hub is restarted");
    }
    let ready = request_ready(&hub);
    assert_eq!((ready.status, &*ready.body), (503, "the registry has failed: restart the hub"));
    let log = hub.log();
    assert_eq!(log.matches("the registry has failed").count(), 1, "{log}");
    assert!(log.contains("registry.db: the disk fails"), "{log}");
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert_eq!(request(&hub, "GET", "/devices/d-0", "").status, 200, "reads go on");
    device.publish(1, b"still here", false).expect("the connection lives");
    device.flush().expect("the connection lives");
    assert_eq!(device.read_puback().expect("telemetry goes on"), 1);
    device.end().expect("the connection lives");
    let mut twin = TwinClient::connect(&hub, &Login::device(&hub, &pump), false).expect("connects");
    assert_eq!(twin.get().expect("the connection lives").status, 200);
    assert_eq!(twin.report(br#"{"a":1}"#, None).expect("the connection lives").status, 503);

    kill(&mut hub);
    hub.launch();
    registered.assert_kept(&hub);
    assert_eq!(registered.register(&hub, 200), None, "the disk is well");
    assert_eq!(request_ready(&hub).status, 200);
    kill(&mut hub);
    disk.replug();
    hub.launch();
    registered.assert_kept(&hub);
    assert_eq!(registered.register(&hub, 1), None);
    println!("{} devices acknowledged", registered.promised.len());
}

/// Goal: a hub that was killed on a full disk starts again and serves readers. What it need not
/// write it does not write, and what it cannot write it names.
fn starts_on_a_full_disk(mounted: &Mounted) {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "d-0");
    let mut registered = Registered::default();
    registered.promised.insert("d-0".to_owned());
    stop(&mut hub);
    hub.move_data("", mounted.path());
    hub.launch();
    let mut device = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    device.publish(1, b"before", false).expect("the connection lives");
    device.flush().expect("the connection lives");
    assert_eq!(device.read_puback().expect("there is room"), 1);
    drop(device);

    let filler = mounted.fill_up(0);
    let refused = registered.register(&hub, REQUESTS_MAX).expect("the disk is full in the end");
    assert_unavailable(&refused, "the disk is full");
    let ready = request_ready(&hub);
    assert_eq!(ready.status, 503);
    assert!(ready.body.starts_with("the disk is full"), "{}", ready.body);
    kill(&mut hub);
    let strings = hub.data_dir().join("connection-strings.txt");
    let text = fs::read_to_string(&strings).expect("it is there");
    hub.launch();
    registered.assert_kept(&hub);
    assert!(!hub.log().contains("cannot write"), "all is as it was: {}", hub.log());

    kill(&mut hub);
    // Of the same length, so that it needs no room; what the start before gave back is taken.
    fs::write(&strings, text.to_lowercase()).expect("it is ours");
    let more = mounted.fill_up(0);
    hub.launch();
    let log = hub.log();
    for part in ["cannot write", "connection-strings.txt: ", "make room in the filesystem"] {
        assert!(log.contains(part), "{part} is missing in {log}");
    }
    assert!(!strings.with_added_extension("new").exists(), "nothing half is left");
    registered.assert_kept(&hub);
    let events = read_all(&hub);
    assert!(events.iter().any(|event| event.body == "before"), "readers are served: {events:?}");
    assert_unavailable(&registered.register(&hub, REQUESTS_MAX).expect("full"), "disk is full");

    for filler in [filler, more] {
        fs::remove_file(filler).expect("there is room again");
    }
    eventually("it is ready by itself", || request_ready(&hub).status == 200);
    assert_eq!(registered.register(&hub, 50), None);
    kill(&mut hub);
    hub.launch();
    registered.assert_kept(&hub);
    assert_eq!(fs::read_to_string(&strings).expect("it is there"), text, "it is written again");
}

#[test]
fn a_start_on_a_full_ext4_serves_readers() {
    let Some(mounted) = Mounted::ext4("registry-full", 96 * MIB) else { return };
    starts_on_a_full_disk(&mounted);
}

#[test]
fn a_start_on_a_full_tmpfs_serves_readers() {
    let Some(mounted) = Mounted::tmpfs("registry-full-tmpfs", 96 * MIB) else { return };
    starts_on_a_full_disk(&mounted);
}

/// Goal: a device over HTTPS hears in bounded time that the disk is full, and is served again when
/// there is room. Method: messages of 200 KiB until what the log has prepared is used.
#[test]
fn telemetry_over_https_is_answered_on_a_full_disk() {
    let Some(mounted) = Mounted::ext4("https-full", 96 * MIB) else { return };
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    stop(&mut hub);
    hub.move_data("", mounted.path());
    hub.launch();
    let filler = mounted.fill_up(0);
    let mut connection = HttpConnection::open(&hub).expect("the hub listens");
    let request = format!(
        "POST /devices/pump/messages/events?api-version=2020-03-13 HTTP/1.1\r\nHost: {}\r\n\
         Authorization: {}\r\nContent-Length: {MESSAGE_BYTES}\r\n\r\n{}",
        hub.address.host(),
        pump.token(&hub),
        "x".repeat(MESSAGE_BYTES),
    );
    let mut send = || {
        connection.send(request.as_bytes()).expect("the hub listens");
        connection.read_response().expect("the hub answers")
    };
    let answers = std::iter::repeat_with(&mut send).take(REQUESTS_MAX);
    let refused = answers.into_iter().find(|answer| answer.status != 204);
    let refused = refused.expect("the disk is full in the end");
    assert_unavailable(&refused, "the disk is full");
    assert!(refused.head.to_lowercase().contains("retry-after: 10"), "{}", refused.head);
    assert_eq!(request_ready(&hub).status, 503);

    fs::remove_file(filler).expect("there is room again");
    eventually("it is ready by itself", || request_ready(&hub).status == 200);
    assert_eq!(send().status, 204, "on the same connection");
}

/// Goal: a disk that does not read or sync is refused with the file and the remedy.
#[test]
fn a_start_on_a_disk_that_is_gone_is_refused() {
    let Some(mounted) = Mounted::ext4("registry-gone", 32 * MIB) else { return };
    let mut hub = Hub::start();
    stop(&mut hub);
    hub.move_data("registry", mounted.path());
    hub.launch();
    let body = json!({ "deviceId": "d-0" }).to_string();
    assert_eq!(request(&hub, "PUT", "/devices/d-0", &body).status, 200);
    mounted.shut_down();
    assert_unavailable(&request(&hub, "PUT", "/devices/d-1", "{}"), "until the hub is restarted");
    kill(&mut hub);
    let (code, said) = hub.refused();
    assert_eq!(code, Some(1), "{said}");
    for part in ["data/registry/registry.", "the disk fails", "`ringhub restore`"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    let mounted = mounted.replug("registry-gone");
    hub.launch();
    assert_eq!(request(&hub, "GET", "/devices/d-0", "").status, 200);
    drop((hub, mounted));
}
