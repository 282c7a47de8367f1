//! A backup taken beside a hub under load, and the hub that comes back from it.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringhub_core::id::HubId;
use ringhub_edge::partition::{HubLog, PartitionsConfig};
use serde_json::Value;
use support::executors::{Executors, place};
use support::history::{StoredEvent, read_all};
use support::hub::{Hub, HubOptions};
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::Device;
use support::stop::StopOnDrop;

const PUBLISHERS: usize = 4;
/// Messages of one publisher that await their PUBACK.
const WINDOW: u16 = 16;
/// Long enough that segments are filled during the test.
const PADDING_BYTES: usize = 2000;
/// Segments of a log that have to be there before the first backup.
const SEGMENTS_MIN: usize = 3;

/// What the hub has acknowledged so far.
#[derive(Default)]
struct Acknowledged {
    bodies: Mutex<BTreeSet<String>>,
    devices: Mutex<Vec<Device>>,
}

impl Acknowledged {
    fn bodies(&self) -> BTreeSet<String> {
        self.bodies.lock().expect("nobody panics with it").clone()
    }

    fn devices(&self) -> Vec<Device> {
        self.devices.lock().expect("nobody panics with it").clone()
    }

    /// Publishes from a new device until `done`.
    fn publish(&self, hub: &Hub, name: &str, done: &AtomicBool) {
        let device = Device::create(hub, name);
        let mut connection = MqttDevice::connect(hub, &device).expect("the device may connect");
        self.devices.lock().expect("nobody panics with it").push(device);
        let padding = "x".repeat(PADDING_BYTES);
        for round in 0.. {
            let body = |id: u16| format!("{name}/{round}/{id}/{padding}");
            for id in 1..=WINDOW {
                connection.publish(id, body(id).as_bytes(), false).expect("the hub lives");
            }
            connection.flush().expect("the hub lives");
            for id in 1..=WINDOW {
                assert_eq!(connection.read_puback().expect("the hub lives"), id);
            }
            self.bodies.lock().expect("nobody panics with it").extend((1..=WINDOW).map(body));
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Registers devices until `done`.
    fn register(&self, hub: &Hub, done: &AtomicBool) {
        for number in 0.. {
            let device = Device::create(hub, &format!("registered-{number}"));
            self.devices.lock().expect("nobody panics with it").push(device);
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn ringhub(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the binary starts");
    let bytes = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(bytes).expect("UTF-8"))
}

fn good(arguments: &[&str]) -> Value {
    let (is_good, said) = ringhub(arguments);
    assert!(is_good, "{arguments:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[track_caller]
fn refused(arguments: &[&str], says: &[&str]) {
    let (is_good, said) = ringhub(arguments);
    assert!(!is_good, "{arguments:?}: {said}");
    assert!(says.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the target directory is UTF-8")
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("hub/0/log/0")).expect("the hub has a log");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it is a folder").flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found
}

/// Goal: what was acknowledged before a backup began is in it, whatever the hub does meanwhile.
/// Method: devices publish and are registered without pause; three backups are taken, each judged
/// by what had been acknowledged right before; the last one becomes the hub's data.
#[test]
fn a_backup_under_load_holds_everything_acknowledged_before_it() {
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let data = hub.data_dir();
    let (acknowledged, done) = (Acknowledged::default(), AtomicBool::new(false));
    let backups: Vec<PathBuf> = (0..3).map(|n| hub.scratch(&format!("backup-{n}"))).collect();
    let mut promised = Vec::new();
    thread::scope(|scope| {
        let (hub, acknowledged, done) = (&hub, &acknowledged, &done);
        for number in 0..PUBLISHERS {
            scope.spawn(move || acknowledged.publish(hub, &format!("pump-{number}"), done));
        }
        scope.spawn(move || acknowledged.register(hub, done));
        let stop = StopOnDrop(done);
        for count in 1..=SEGMENTS_MIN {
            eventually("one more segment is filled", || segments(&data).len() >= count);
        }
        for backup in &backups {
            promised.push((acknowledged.bodies(), acknowledged.devices()));
            good(&["backup", "--to", text(backup), "--data-dir", text(&data)]);
            let before = promised[promised.len() - 1].0.len();
            eventually("the hub goes on", || acknowledged.bodies().len() > before);
        }
        drop(stop);
    });
    hub.kill();
    hub.reap();
    for (backup, (bodies, devices)) in backups.iter().zip(&promised) {
        let found = good(&["backup", "verify", text(backup)]);
        assert!(found["eventsEver"].as_u64() >= Some(bodies.len() as u64), "{found}");
        assert!(found["identities"].as_u64() >= Some(devices.len() as u64), "{found}");
        let private = |path: &PathBuf| {
            fs::metadata(path).expect("it is there").permissions().mode() & 0o077 == 0
        };
        assert!(files(backup).iter().all(private), "for the owner alone");
    }
    let (bodies, devices) = promised.pop().expect("three were taken");
    println!("{} events and {} devices promised", bodies.len(), devices.len());
    come_back(&mut hub, &backups[2], &bodies, &devices);
}

/// Restores `backup` in place of the hub's data and checks that the hub keeps its promises.
fn come_back(hub: &mut Hub, backup: &Path, bodies: &BTreeSet<String>, devices: &[Device]) {
    let restored = hub.scratch("restored");
    good(&["restore", "--from", text(backup), "--data-dir", text(&restored)]);
    hub.replace_data(&restored);
    hub.launch();
    let mut connections: Vec<MqttDevice> = devices
        .iter()
        .map(|device| MqttDevice::connect(hub, device).expect("its key is in the backup"))
        .collect();
    for connection in &mut connections {
        connection.publish(1, b"after the restore", false).expect("the hub lives");
        connection.flush().expect("the hub lives");
    }
    for connection in &mut connections {
        assert_eq!(connection.read_puback().expect("the hub lives"), 1);
    }
    let events = read_all(hub);
    let follows = |pair: &[StoredEvent]| {
        let [before, next] = [pair[0].sequence_number, pair[1].sequence_number];
        next == before + 1 || next == 0
    };
    assert!(events.windows(2).all(follows), "no partition has a gap");
    let stored: BTreeSet<&str> = events.iter().map(|event| event.body.as_str()).collect();
    let missing = bodies.iter().filter(|body| !stored.contains(body.as_str())).count();
    assert_eq!(missing, 0, "of {} acknowledged", bodies.len());
    let after = events.iter().filter(|event| event.body == "after the restore").count();
    assert_eq!(after, devices.len());
    hub.assert_sound();
}

fn executors_of(data: &Path, others: &[u32]) -> Executors {
    let mut config = PartitionsConfig::new(HubId(0), data.to_owned(), 4);
    config.segment_bytes = 4 * 1024 * 1024;
    let retention = config.retention;
    let log = |&hub: &u32| HubLog { hub: HubId(hub), partition_count: 2, retention };
    config.other_hubs = others.iter().map(log).collect();
    Executors::start(config).expect("starts")
}

/// Goal: events of every hub come back, also when one hub is taken out of the log while that is
/// copied. Method: the executors run without the rest of the hub, whose registry is not asked.
#[test]
fn a_backup_holds_the_events_of_every_hub() {
    let mut hub = Hub::start();
    let data = hub.data_dir();
    hub.terminate();
    hub.reap();
    let event = |hub: u32, number: u64| format!("{number} of {hub}{}", "x".repeat(16_000));
    let mut executors = executors_of(&data, &[1, 2]);
    for number in 0..300 {
        for of_hub in 0..3 {
            executors.push(place(of_hub, 0), event(of_hub, number).as_bytes());
        }
    }
    (0..3).for_each(|of_hub| executors.push_and_commit(place(of_hub, 1), b"the end"));
    executors.handle.hubs().remove(HubId(2)).expect("removed");
    let (backup, restored) = (hub.scratch("backup"), hub.scratch("restored"));
    good(&["backup", "--to", text(&backup), "--data-dir", text(&data)]);
    good(&["backup", "verify", text(&backup)]);
    executors.handle.stop();
    good(&["restore", "--from", text(&backup), "--data-dir", text(&restored)]);
    let mut executors = executors_of(&restored, &[1]);
    for of_hub in 0..2 {
        let events = executors.read_all(place(of_hub, 0), 300);
        let expected = (0..300).map(|number| (number, event(of_hub, number).into_bytes()));
        assert!(events.into_iter().eq(expected), "hub {of_hub}");
    }
    assert!(executors.describe(place(2, 0)).is_none());
    executors.handle.stop();
}

/// A stopped hub with some events, and a backup of it.
fn stopped_with_backup() -> (Hub, PathBuf) {
    let mut hub = Hub::start();
    for name in ["pump-1", "pump-2", "pump-3"] {
        Acknowledged::default().publish(&hub, name, &AtomicBool::new(true));
    }
    hub.terminate();
    hub.reap();
    let backup = hub.scratch("backup");
    good(&["backup", "--to", text(&backup), "--data-dir", text(&hub.data_dir())]);
    (hub, backup)
}

fn flip_byte(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("the file is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("the file is long enough");
    file.write_all_at(&[byte[0] ^ 1], at).expect("the home is writable");
}

#[test]
fn a_backup_that_is_no_good_is_refused_before_anything_is_written() {
    let (hub, backup) = stopped_with_backup();
    let target = hub.scratch("target");
    let refused_both = |says: &[&str]| {
        refused(&["backup", "verify", text(&backup)], says);
        refused(&["restore", "--from", text(&backup), "--data-dir", text(&target)], says);
        assert!(!target.exists(), "nothing is written");
    };
    let segment = segments(&backup).remove(0);
    for path in [segment, backup.join("registry/registry.db"), backup.join("tls/ca.key")] {
        flip_byte(&path, 100);
        refused_both(&[text(&path), "its checksum is another one", "use another backup"]);
        flip_byte(&path, 100);
    }
    fs::write(backup.join("tls/more.key"), "?").expect("the home is writable");
    refused_both(&["tls/more.key", "does not belong to the backup"]);
    fs::remove_file(backup.join("tls/more.key")).expect("it is there");
    let manifest = backup.join("backup.json");
    let said = fs::read_to_string(&manifest).expect("a backup has a manifest");
    let newer = said.replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(&manifest, newer).expect("the home is writable");
    refused_both(&["format version 2 is unknown", "use the version that wrote it"]);
    let outside = said.replacen("\"FORMAT\"", "\"../FORMAT\"", 1);
    fs::write(&manifest, outside).expect("the home is writable");
    refused_both(&["outside of the backup"]);
    fs::remove_file(&manifest).expect("it is there");
    refused_both(&["was cut off", "backup.json"]);
    fs::write(&manifest, said).expect("the home is writable");
    good(&["backup", "verify", text(&backup)]);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let (hub, backup) = stopped_with_backup();
    let data = hub.data_dir();
    let not_empty = ["is not empty", "does not exist yet"];
    refused(&["backup", "--to", text(&backup), "--data-dir", text(&data)], &not_empty);
    refused(&["restore", "--from", text(&backup), "--data-dir", text(&data)], &not_empty);
    good(&["backup", "verify", text(&backup)]);
    let empty = hub.scratch("empty");
    fs::create_dir(&empty).expect("the home is writable");
    let to = hub.scratch("none");
    refused(
        &["backup", "--to", text(&to), "--data-dir", text(&empty)],
        &["holds no hub", "--data-dir"],
    );
    assert!(!to.exists(), "nothing is made");
}

/// Goal: damage of acknowledged events is found when the backup is made, not when it is needed.
#[test]
fn a_damaged_log_is_refused_and_leaves_nothing() {
    let (hub, _) = stopped_with_backup();
    let segment = segments(&hub.data_dir()).remove(0);
    // The first commit begins behind the header; later ones say that it was durable.
    flip_byte(&segment, 8192 + 200);
    let (to, data) = (hub.scratch("of-damage"), hub.data_dir());
    let says = [text(&segment), "was durable and is damaged"];
    refused(&["backup", "--to", text(&to), "--data-dir", text(&data)], &says);
    assert!(!to.exists(), "nothing is left");
}

/// Goal: a disk that is too small is told before the copy begins. Method: the registry is made
/// longer than any disk, without taking room.
#[test]
fn a_backup_that_has_no_room_is_refused_before_it_begins() {
    const LONG_BYTES: u64 = 1 << 42;
    let (hub, _) = stopped_with_backup();
    let registry = hub.data_dir().join("registry/registry.db");
    let file = OpenOptions::new().write(true).open(&registry).expect("the file is there");
    let len = file.metadata().expect("it can be looked at").len();
    file.set_len(LONG_BYTES).expect("files may be sparse");
    let target = hub.scratch("another");
    let says = [text(&target), "MiB free, but about 419430", "on another disk"];
    refused(&["backup", "--to", text(&target), "--data-dir", text(&hub.data_dir())], &says);
    assert!(!target.exists(), "nothing is left");
    file.set_len(len).expect("the home is writable");
    good(&["backup", "--to", text(&target), "--data-dir", text(&hub.data_dir())]);
}
