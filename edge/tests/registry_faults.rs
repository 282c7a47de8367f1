//! The registry on a disk that is full, and in a database that is damaged.
//!
//! The fault of the disk is the kernel's own: the size of the hub's files is limited while it runs
//! (`RLIMIT_FSIZE`), which takes no mount and no root.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::command::at;
use support::http::{HttpConnection, Response};
use support::hub::Hub;
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::rest::{Device, exchange};
use support::twin_client::TwinClient;

/// Room that the files get when the disk becomes full.
const ROOM_BYTES: u64 = 512 * 1024;
const ITEMS: usize = 100;
/// What the log says when the disk is full, and when there is room again.
const BEGIN: &str = "the disk is full: changes of the registry are refused";
const END: &str = "there is room again: changes of the registry are taken";
/// Bytes of a page of the database.
const PAGE: usize = 4096;

fn database(hub: &Hub) -> PathBuf {
    hub.data_dir().join("registry/registry.db")
}

/// Registers a hundred devices; the answer is 200, or one of the whole request.
fn register(hub: &Hub, batch: usize) -> (Vec<String>, u16, String) {
    let ids: Vec<String> = (0..ITEMS).map(|item| format!("d-{batch}-{item}")).collect();
    let items: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    let body = Value::Array(items).to_string();
    let (status, answer) = exchange(hub, "POST", "/devices", &body).expect("the hub answers");
    (ids, status, answer)
}

fn registered(hub: &Hub) -> BTreeSet<String> {
    let file = hub.scratch("devices.jsonl");
    at(hub, &["device-identity", "export", "--file", file.to_str().expect("UTF-8")]).good();
    let text = fs::read_to_string(&file).expect("it was written");
    let id = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        line["id"].as_str().expect("an id").to_owned()
    };
    let ids = text.lines().map(id).collect();
    fs::remove_file(file).expect("the next export makes a new one");
    ids
}

fn request(hub: &Hub, method: &str, path: &str, body: &str) -> Response {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    connection.exchange(method, path, "", body).expect("the hub answers")
}

/// The count in the last line of the log with `text`.
fn refused_writes(log: &str, text: &str) -> u64 {
    let line = log.lines().rfind(|line| line.contains(text)).expect("the log says so");
    let (_, count) = line.split_once("refused=").expect("with a count");
    count.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a number")
}

/// What `/health/ready` says, with the status.
fn ready(hub: &Hub) -> (u16, String) {
    let answer = request(hub, "GET", "/health/ready", "");
    (answer.status, answer.body)
}

#[track_caller]
fn assert_unavailable(response: &Response, says: &str) {
    assert_eq!(response.status, 503, "{}", response.body);
    assert!(response.head.to_lowercase().contains("iothub-errorcode: serviceunavailable"));
    let body: Value = serde_json::from_str(&response.body).expect("an error has a body");
    let message = body["Message"].as_str().expect("with a message");
    assert!(message.starts_with("ErrorCode:ServiceUnavailable;"), "{message}");
    assert!(message.contains(says), "{message}");
}

#[track_caller]
fn assert_server_error(response: &Response) {
    assert_eq!(response.status, 500, "{}", response.body);
    assert!(response.head.to_lowercase().contains("iothub-errorcode: servererror"));
    let body: Value = serde_json::from_str(&response.body).expect("an error has a body");
    let message = body["Message"].as_str().expect("with a message");
    assert!(message.starts_with("ErrorCode:ServerError;"), "{message}");
}

/// There may be room for one device where there was none for a hundred; the answer when there is
/// none for that either.
fn register_single(hub: &Hub, promised: &mut BTreeSet<String>) -> Response {
    let single = (0..).find_map(|number| {
        let id = format!("single-{number}");
        let answer = request(hub, "PUT", &format!("/devices/{id}"), "{}");
        if answer.status != 200 {
            return Some(answer);
        }
        promised.insert(id);
        None
    });
    single.expect("the disk is full in the end")
}

/// Goal: a full disk breaks no promise and ends nothing. Method: devices are registered until the
/// disk is full; then there is room again; then the hub is killed. What was answered with success
/// is there, nothing else is, and telemetry and reads go on all the while.
#[test]
fn a_full_disk_refuses_registrations_and_nothing_else() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut device = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    let mut promised = BTreeSet::from(["pump".to_owned()]);
    let (ids, status, answer) = register(&hub, 0);
    assert_eq!(status, 200, "{answer}");
    promised.extend(ids);

    let lengths = ["registry.db", "registry.db-wal"].map(|name| {
        let file = database(&hub).with_file_name(name);
        fs::metadata(file).map_or(0, |metadata| metadata.len())
    });
    // Not below the segments of the log: telemetry has its room already.
    let limit = lengths.into_iter().max().unwrap_or_default().max(2 << 20) + ROOM_BYTES;
    hub.limit_files(Some(limit));
    let mut batches = 1..;
    let refused = loop {
        let (ids, status, answer) = register(&hub, batches.next().expect("endless"));
        if status != 200 {
            break (status, answer);
        }
        promised.extend(ids);
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("ErrorCode:ServiceUnavailable;the disk is full"), "{}", refused.1);
    let single = register_single(&hub, &mut promised);
    assert_unavailable(&single, "the disk is full");
    assert!(single.head.to_lowercase().contains("retry-after: 10"), "{}", single.head);
    for _ in 0..20 {
        assert_eq!(register(&hub, batches.next().expect("endless")).1, 503);
    }
    let log = hub.log();
    let (begins, ends) = (log.matches(BEGIN).count(), log.matches(END).count());
    assert_eq!(begins, ends + 1, "one line for all that is refused: {log}");
    assert!(log.contains("registry.db: the disk is full; make room"), "the log names the file");
    assert_eq!(ready(&hub), (503, "the disk is full: changes of the registry are refused".into()));
    at(&hub, &["health"]).refused(1, &["unhealthy: the disk is full"]);
    assert_eq!(request(&hub, "GET", "/devices/pump", "").status, 200);
    device.publish(1, b"still here", false).expect("the connection lives");
    device.flush().expect("the connection lives");
    assert_eq!(device.read_puback().expect("telemetry goes on"), 1);
    assert_eq!(registered(&hub), promised);

    hub.limit_files(None);
    let (ids, status, answer) = register(&hub, batches.next().expect("endless"));
    assert_eq!(status, 200, "without a restart: {answer}");
    promised.extend(ids);
    assert_eq!(ready(&hub).0, 200);
    eventually("the log says that there is room, once nothing was refused for a while", || {
        hub.log().matches(END).count() == begins
    });
    let refused = refused_writes(&hub.log(), END);
    assert!(refused > 20, "{refused}");
    println!("full disk: {} devices acknowledged", promised.len());
    hub.assert_sound();
    hub.kill();
    hub.reap();
    hub.launch();
    assert_eq!(registered(&hub), promised);
}

/// `database` with something else in the pages that hold `mark`, and how many those are.
fn without_pages_of(database: &[u8], mark: &[u8]) -> (Vec<u8>, usize) {
    let mut bytes = database.to_vec();
    let pages = bytes.chunks_mut(PAGE);
    let marked = pages.filter(|page| page.windows(mark.len()).any(|at| at == mark));
    let count = marked.map(|page| page.fill(0xA5)).count();
    (bytes, count)
}

fn stop(hub: &mut Hub) {
    hub.terminate();
    hub.reap();
}

/// Goal: damage that a read meets costs what it hit and nothing else; damage that a change meets
/// ends all changes until a restart, and nothing else. Method: pages with twins are overwritten,
/// which nobody reads at a start.
#[test]
fn a_damaged_page_ends_changes_where_one_meets_it() {
    const MARK: &str = "a mark that no other page has";
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let fan = Device::create(&hub, "fan");
    let twin = json!({"tags": {"mark": MARK.repeat(100)}}).to_string();
    let patched = request(&hub, "PATCH", "/twins/pump", &twin);
    assert_eq!(patched.status, 200, "{}", patched.body);
    stop(&mut hub);
    let good = fs::read(database(&hub)).expect("the database is there");
    let (bytes, damaged) = without_pages_of(&good, MARK.as_bytes());
    assert!(damaged > 0, "the twin is in the database");
    fs::write(database(&hub), bytes).expect("it is ours");
    hub.launch();
    assert_server_error(&request(&hub, "GET", "/twins/pump", ""));
    let late = request(&hub, "PUT", "/devices/late", r#"{"deviceId":"late"}"#);
    assert_eq!((late.status, ready(&hub).0), (200, 200), "{}", late.body);

    for (method, path) in [("PATCH", "/twins/pump"), ("PATCH", "/twins/fan"), ("PUT", "/devices/x")]
    {
        let refused = request(&hub, method, path, r#"{"tags":{"a":1}}"#);
        assert_unavailable(&refused, "until the hub is restarted");
        assert!(!refused.head.to_lowercase().contains("retry-after"), "it does not pass by itself");
    }
    assert_eq!(ready(&hub), (503, "the registry has failed: restart the hub".into()));
    at(&hub, &["health"]).refused(1, &["unhealthy: the registry has failed"]);
    let log = hub.log();
    for part in ["registry.db: the registry database is damaged", "`ringhub restore`"] {
        assert!(log.contains(part), "{part} is missing in the log");
    }
    assert_eq!(log.matches("the registry has failed: it is read").count(), 1, "{log}");
    assert_eq!(request(&hub, "GET", "/devices/pump", "").status, 200);
    let login = Login::device(&hub, &fan);
    let mut twin = TwinClient::connect(&hub, &login, false).expect("the device may connect");
    assert_eq!(twin.report(br#"{"a":1}"#, None).expect("the connection lives").status, 503);
    let mut device = MqttDevice::connect(&hub, &pump).expect("the device may connect");
    device.publish(1, b"still here", false).expect("the connection lives");
    device.flush().expect("the connection lives");
    assert_eq!(device.read_puback().expect("telemetry goes on"), 1);
    hub.assert_sound();
    stop(&mut hub);
    assert!(refused_writes(&hub.log(), "changes of the registry were refused until") >= 4);
    let (code, said) = hub.refused();
    assert_eq!(code, Some(1), "the start finds the damage: {said}");
    let named = format!("{}: the registry database is damaged", database(&hub).display());
    assert!(said.contains(&named), "{said}");
}

#[test]
fn a_start_on_a_damaged_database_is_refused_with_file_and_remedy() {
    let mut hub = Hub::start();
    let (_, status, answer) = register(&hub, 0);
    assert_eq!(status, 200, "{answer}");
    stop(&mut hub);
    let path = database(&hub);
    let good = fs::read(&path).expect("the database is there");
    assert!(good.len() > 8 * PAGE, "there is something to damage");
    let refused = |damage: &str, bytes: &[u8]| {
        fs::write(&path, bytes).expect("it is ours");
        let (code, said) = hub.refused();
        assert_eq!(code, Some(1), "{damage}: {said}");
        let named = format!("{}: the registry database is damaged", path.display());
        for part in [&named, "`ringhub restore`"] {
            assert!(said.contains(part), "{damage}: {part} is missing in: {said}");
        }
    };
    refused("no database", b"not a database at all");
    refused("half of it", &good[..good.len() / 2 / PAGE * PAGE]);
    refused("cut within a page", &good[..good.len() - 100]);
    let mut holes = good.clone();
    holes[4 * PAGE..].fill(0);
    refused("zeros", &holes);
    refused("pages of devices", &without_pages_of(&good, b"d-0-1").0);

    fs::write(&path, &good).expect("it is ours");
    hub.launch();
    assert_eq!(registered(&hub).len(), ITEMS);
}
