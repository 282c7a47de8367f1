//! Durability: what was acknowledged is there after reopening, however the process ended.

mod twin_tables;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method};
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::{
    ConnectionId, ConsumerGroup, DeviceId, HubId, Identity, PartitionId, SeatId, ShardId,
};
use ringhub_core::limits::STORE_WAL_BYTES_MAX;
use ringhub_core::message::PartitionMapping;
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{ReportedPatch, Section};
use serde_json::{Value, json};

use super::{C2dStore as _, Database, OpenError, SqliteStore, Store as _, TwinStore as _};
use crate::api::{Request, Response};
use crate::directory::{CutReason, IdentityRef};
use crate::registry::{ChangeError, RegistryError};
use crate::tests::{HOST_NAME, NoShards, TempDir, config, open, this_binary};
use crate::twin::Reader;
use crate::{ControlPlane, Shards};

const HUB: HubId = HubId(0);

/// Makes this test binary play the process that is killed.
const CHILD_DIR: &str = "RINGHUB_TEST_CHILD_DIR";

fn owner_token(control: &ControlPlane) -> String {
    let policies = control.policies(HUB);
    let owner = policies.iter().find(|policy| policy.name == "iothubowner").expect("a default");
    sign(HOST_NAME, owner.keys.primary(), 4_000_000_000, Some("iothubowner"))
}

fn request(control: &ControlPlane, verb: Method, path: &str, body: &Value) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static(HOST_NAME));
    let token = HeaderValue::try_from(owner_token(control)).expect("a header value");
    headers.insert(AUTHORIZATION, token);
    let path_and_query = format!("{path}?api-version=2021-04-12");
    let (properties, body) = (Vec::new(), body.to_string().into());
    Request { method: verb, path_and_query, headers, properties, body }
}

fn call(control: &ControlPlane, verb: Method, path: &str, body: &Value) -> Response {
    let (sender, receiver) = flume::bounded(1);
    let request = request(control, verb, path, body);
    control.submit(request, Box::new(move |response| drop(sender.send(response))));
    receiver.recv().expect("every request is answered")
}

fn put(control: &ControlPlane, path: &str, body: &Value) {
    let response = call(control, Method::PUT, path, body);
    assert_eq!(response.status, 200, "{path}: {response:?}");
}

fn device(id: &str) -> IdentityRef<'_> {
    IdentityRef { device: id, module: None }
}

#[test]
fn acknowledged_writes_are_in_the_files_without_a_clean_shutdown() {
    let (dir, copy) = (TempDir::new(), TempDir::new());
    let control = open(&dir);
    put(&control, "/devices/kept", &json!({"statusReason": "as it was"}));
    put(&control, "/devices/kept/modules/m", &json!({}));
    put(&control, "/devices/gone", &json!({}));
    assert_eq!(call(&control, Method::DELETE, "/devices/gone", &Value::Null).status, 204);
    let (done, stored) = flume::bounded(1);
    let kept = Identity { device: DeviceId::parse("kept").expect("valid"), module: None };
    let done = Box::new(move |is_stored| done.send(is_stored).expect("the test waits"));
    control.store_subscriptions(HUB, kept, 0b101, done);
    assert_eq!(stored.recv(), Ok(true));
    let before = call(&control, Method::GET, "/devices/kept", &Value::Null).body;
    for file in ["registry.db", "registry.db-wal"] {
        fs::copy(dir.path().join(file), copy.path().join(file)).expect("the file is there");
    }

    let control = open(&copy);
    assert_eq!(control.directory().subscriptions(HUB, device("kept")), Some(0b101));
    let module = IdentityRef { device: "kept", module: Some("m") };
    assert!(control.directory().presence(HUB, module).is_some());
    assert!(control.directory().presence(HUB, device("gone")).is_none());
    assert_eq!(call(&control, Method::GET, "/devices/kept", &Value::Null).body, before);
}

#[test]
fn the_process_that_is_killed_in_the_middle_of_writing() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let control = ControlPlane::open(&config(dir.as_ref()), Arc::new(NoShards)).expect("it opens");
    for number in 0_u64.. {
        put(&control, &format!("/devices/d{number}"), &json!({}));
        println!("acknowledged d{number}");
    }
}

/// Method: another process registers devices and tells of each acknowledgement; it is killed in
/// between.
#[test]
fn acknowledged_writes_survive_a_kill() {
    const ACKNOWLEDGED: usize = 200;
    let dir = TempDir::new();
    let mut child = this_binary("the_process_that_is_killed_in_the_middle_of_writing")
        .env(CHILD_DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let acknowledged = lines
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("acknowledged ").map(|(_, id)| id.to_owned()))
        .take(ACKNOWLEDGED)
        .collect::<Vec<_>>();
    child.kill().expect("the process runs still");
    child.wait().expect("it is a child of this process");
    assert_eq!(acknowledged.len(), ACKNOWLEDGED);
    let control = open(&dir);
    for id in acknowledged {
        assert!(control.directory().presence(HUB, device(&id)).is_some(), "{id}");
    }
}

#[test]
fn policies_and_consumer_groups_stay_the_same_over_restarts() {
    let dir = TempDir::new();
    let control = open(&dir);
    let policies = control.policies(HUB);
    assert_eq!(policies.len(), 5);
    assert_ne!(policies[0].keys, policies[1].keys);
    control.shutdown();
    let control = open(&dir);
    assert_eq!(control.policies(HUB), policies);
    let hub = control.directory().hub(HUB).expect("the first hub");
    let groups = hub.consumer_groups.read();
    let groups: Vec<_> = groups.iter().map(ConsumerGroup::as_str).collect();
    assert_eq!(groups, ["$Default", "Dashboard"]);
}

#[test]
fn several_hubs_keep_their_identities_apart() {
    let dir = TempDir::new();
    let mut settings = config(dir.path());
    let mut second = settings.hubs[0].clone();
    (second.id, second.host_name) = (HubId(1), "second.example.net".to_owned());
    second.aliases.clear();
    settings.hubs.push(second);
    let control =
        ControlPlane::open(&settings, Arc::new(NoShards)).expect("a fresh directory opens");
    put(&control, "/devices/d", &json!({}));
    assert_eq!(control.directory().counts(HUB).devices, 1);
    let second = control.directory().hub_by_host("second.example.net").expect("configured").id;
    assert_eq!(control.directory().counts(second).devices, 0);
    let mut elsewhere = request(&control, Method::GET, "/devices/d", &Value::Null);
    elsewhere.headers.insert(HOST, HeaderValue::from_static("second.example.net"));
    let (sender, receiver) = flume::bounded(1);
    control.submit(elsewhere, Box::new(move |response| drop(sender.send(response))));
    assert_eq!(receiver.recv().expect("answered").status, 401, "the token is the first hub's");
}

#[test]
fn what_cannot_be_opened_says_which_file_and_what_to_do() {
    let changed = |change: fn(&TempDir)| {
        let dir = TempDir::new();
        open(&dir).shutdown();
        change(&dir);
        let error = ControlPlane::open(&config(dir.path()), Arc::new(NoShards)).map(drop);
        let error = error.expect_err("the directory is not good");
        assert!(error.to_string().contains(&*dir.path().to_string_lossy()), "{error}");
        error
    };
    let text = changed(|dir| {
        fs::write(dir.path().join("registry.db"), vec![b'x'; 8192]).expect("writable");
    });
    assert!(matches!(text, OpenError::Damaged { .. }), "{text:?}");
    let holes = changed(|dir| {
        let path = dir.path().join("registry.db");
        let mut bytes = fs::read(&path).expect("readable");
        bytes[4096..].fill(0xAA);
        fs::write(path, bytes).expect("writable");
    });
    assert!(matches!(holes, OpenError::Damaged { .. }), "{holes:?}");
    let newer = changed(|dir| run_sql(dir, "PRAGMA user_version = 99"));
    assert!(matches!(newer, OpenError::Version { found: 99, .. }), "{newer:?}");
    let foreign = changed(|dir| run_sql(dir, "PRAGMA application_id = 1"));
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign:?}");
}

fn run_sql(dir: &TempDir, sql: &str) {
    let connection = rusqlite::Connection::open(dir.path().join("registry.db"));
    connection.and_then(|connection| connection.execute_batch(sql)).expect("the statement runs");
}

#[test]
fn settings_that_contradict_the_database_are_refused() {
    let dir = TempDir::new();
    let control = open(&dir);
    let twice = ControlPlane::open(&config(dir.path()), Arc::new(NoShards)).map(drop);
    assert!(matches!(twice, Err(OpenError::InUse { .. })), "{twice:?}");
    control.shutdown();
    let mut settings = config(dir.path());
    settings.hubs[0].partition_count = 8;
    let other = ControlPlane::open(&settings, Arc::new(NoShards)).map(drop);
    let count = matches!(other, Err(OpenError::PartitionCount { stored: 4, configured: 8, .. }));
    assert!(count, "{other:?}");
    settings.hubs[0].aliases = vec![HOST_NAME.to_uppercase()];
    let same = ControlPlane::open(&settings, Arc::new(NoShards)).map(drop);
    assert!(matches!(same, Err(OpenError::HostNames)), "{same:?}");
}

/// Shards that remember whom they were to cut.
#[derive(Default)]
struct Cuts(Mutex<Vec<(SeatId, String, CutReason)>>);

impl Shards for Cuts {
    fn cut(&self, seat: SeatId, identity: Identity, reason: CutReason) {
        let cut = (seat, identity.to_string(), reason);
        self.0.lock().expect("no test panics here").push(cut);
    }
}

#[test]
fn the_live_seat_is_cut_before_the_request_is_answered() {
    let dir = TempDir::new();
    let shards = Arc::new(Cuts::default());
    let control = ControlPlane::open(&config(dir.path()), shards.clone());
    let control = control.expect("a fresh directory opens");
    let connection = ConnectionId { shard: ShardId(3), slot: 7, generation: 1 };
    let seat = SeatId { connection, number: 2 };
    let take = || std::mem::take(&mut *shards.0.lock().expect("no test panics here"));
    put(&control, "/devices/d", &json!({}));
    let now = UnixMillis::EPOCH;
    let grant = control.directory().authenticate(HUB, device("d"), &owner_token(&control), now);
    let grant = grant.expect("the owner may act as any device");
    control.directory().reserve(&grant, seat, now).expect("the device is enabled");

    let mut disable = request(&control, Method::PUT, "/devices/d", &json!({"status": "disabled"}));
    disable.headers.insert("if-match", HeaderValue::from_static("*"));
    let (sender, receiver) = flume::bounded(1);
    control.submit(disable, Box::new(move |response| drop(sender.send(response))));
    assert_eq!(receiver.recv().expect("answered").status, 200);
    assert_eq!(take(), [(seat, "d".to_owned(), CutReason::Disabled)]);
    call(&control, Method::DELETE, "/devices/d", &Value::Null);
    assert_eq!(take(), [(seat, "d".to_owned(), CutReason::Deleted)]);
}

/// Method: a thousand bulk calls at once, then a restart; prints how long both take.
#[test]
fn a_hundred_thousand_identities_register_and_load() {
    const CALLS: usize = 1000;
    let dir = TempDir::new();
    let control = open(&dir);
    let start = Instant::now();
    let (sender, receiver) = flume::unbounded();
    for number in 0..CALLS {
        let items: Vec<_> =
            (0..100).map(|item| json!({"id": format!("device-{number:04}-{item:02}")})).collect();
        let request = request(&control, Method::POST, "/devices", &json!(items));
        let sender = sender.clone();
        control.submit(
            request,
            Box::new(move |response| sender.send(response.status).expect("the test waits")),
        );
    }
    assert!(receiver.iter().take(CALLS).all(|status| status == 200));
    println!("100,000 identities registered in {:?}", start.elapsed());
    let log = dir.path().join("registry.db-wal");
    let log_bytes = || fs::metadata(&log).map_or(0, |meta| meta.len());
    println!("{} bytes in the log", log_bytes());
    assert!(log_bytes() <= STORE_WAL_BYTES_MAX, "{} bytes in the log", log_bytes());
    let start = Instant::now();
    control.shutdown();
    println!("shut down in {:?}", start.elapsed());
    assert_eq!(log_bytes(), 0, "a clean shutdown leaves nothing in the log");
    let start = Instant::now();
    let control = open(&dir);
    println!("100,000 identities loaded in {:?}", start.elapsed());
    assert_eq!(control.directory().counts(HUB).devices, 100_000);
}

#[test]
fn presence_survives_and_goes_with_its_identity() {
    let dir = TempDir::new();
    let control = open(&dir);
    put(&control, "/devices/d", &json!({}));
    put(&control, "/devices/d/modules/m", &json!({}));
    put(&control, "/devices/gone", &json!({}));
    let module = IdentityRef { device: "d", module: Some("m") };
    let names = [device("d"), module, device("gone")];
    let seat = SeatId::only(ConnectionId { shard: ShardId(0), slot: 1, generation: 0 });
    let at = UnixMillis::from_millis;
    for name in names {
        let policies = control.policies(HUB);
        let policy = policies.iter().find(|policy| policy.name == "device").expect("a default");
        let token = sign(HOST_NAME, policy.keys.primary(), 4_000_000_000, Some("device"));
        let directory = control.directory();
        let grant = directory.authenticate(HUB, name, &token, at(0)).expect("the policy may");
        directory.reserve(&grant, seat, at(1000)).expect("it may connect");
        directory.release(&grant, seat, None, at(2000));
        directory.note_activity(&grant, at(3000));
    }
    control.shutdown();
    let control = open(&dir);
    for name in names {
        let presence = control.directory().presence(HUB, name).expect("it is there");
        assert_eq!((presence.changed, presence.last_activity), (Some(at(2000)), Some(at(3000))));
    }
    call(&control, Method::DELETE, "/devices/gone", &Value::Null);
    put(&control, "/devices/gone", &json!({}));
    control.shutdown();
    let control = open(&dir);
    let presence = control.directory().presence(HUB, device("gone")).expect("it is there");
    assert_eq!(presence, crate::directory::Presence::default(), "it is another device");
}

#[test]
fn a_registry_of_any_version_before_is_brought_up_to_date() {
    let dir = TempDir::new();
    let control = open(&dir);
    put(&control, "/devices/d", &json!({}));
    control.shutdown();
    let added_since_11 = vec!["quota_usage"];
    let added_since_10 = [&["registry_job", "registry_job_error"], &added_since_11[..]].concat();
    let added_since_9 = [&["hub_number"], &added_since_10[..]].concat();
    let added_since_8 = [&["file_upload", "file_notification"], &added_since_9[..]].concat();
    let added_since_7 = [&["query_index", "query_index_key"], &added_since_8[..]].concat();
    let configurations =
        ["configuration", "configuration_target", "configuration_due", "configuration_scan"];
    let added_since_6 = [&configurations, &added_since_7[..]].concat();
    let added_since_5 = [&["certificate"], &added_since_6[..]].concat();
    let added_since_4 = [&["job", "job_progress", "job_device"], &added_since_5[..]].concat();
    let added_since_2 = [&["model"], &added_since_4[..]].concat();
    let added_since_1 =
        [&["presence", "twin", "twin_reported", "c2d_message", "c2d_feedback"], &added_since_2[..]]
            .concat();
    for (version, added) in [
        (13, &added_since_11),
        (12, &added_since_11),
        (11, &added_since_11),
        (10, &added_since_10),
        (9, &added_since_9),
        (8, &added_since_8),
        (7, &added_since_7),
        (6, &added_since_6),
        (5, &added_since_5),
        (4, &added_since_4),
        (3, &added_since_4),
        (2, &added_since_2),
        (1, &added_since_1),
    ] {
        let drops: String = added.iter().map(|table| format!("DROP TABLE {table}; ")).collect();
        let columns = ["state", "created_ms", "settings", "resource", "partition_mapping"];
        let (columns, mapping) = match version {
            10.. => (&columns[..0], PartitionMapping::PartitionKey),
            4.. => (&columns[..4], PartitionMapping::PartitionKey),
            _ => (&columns[..], PartitionMapping::Crc64),
        };
        let drop = |column: &&str| format!("ALTER TABLE hub DROP COLUMN {column}; ");
        let of_groups = match version {
            13.. => "",
            _ => "ALTER TABLE consumer_group DROP COLUMN created_ms; ",
        };
        let drops: String = columns.iter().map(drop).chain([drops, of_groups.to_owned()]).collect();
        run_sql(&dir, &format!("{drops}PRAGMA user_version = {version}"));
        for _ in 0..2 {
            let control = open(&dir);
            assert!(control.directory().presence(HUB, device("d")).is_some());
            let hub = control.directory().hub(HUB).expect("it is there");
            assert_eq!(hub.partition_mapping, mapping, "as it was");
            control.shutdown();
        }
    }
}

#[test]
fn a_new_hub_has_the_partitions_that_tools_expect() {
    let dir = TempDir::new();
    for _ in 0..2 {
        let control = open(&dir);
        let hub = control.directory().hub(HUB).expect("it is there");
        let pump = DeviceId::parse("pump-1").expect("valid");
        assert_eq!(hub.partition_of(&pump), PartitionId(2));
        control.shutdown();
    }
}

#[test]
fn a_hub_keeps_everything_under_another_name() {
    let dir = TempDir::new();
    let control = open(&dir);
    put(&control, "/devices/d", &json!({}));
    let policies = control.policies(HUB);
    control.shutdown();
    let mut settings = config(dir.path());
    settings.hubs[0].host_name = "renamed.example.net".to_owned();
    for _ in 0..2 {
        let control = ControlPlane::open(&settings, Arc::new(NoShards)).expect("it opens");
        let directory = control.directory();
        assert_eq!(directory.hub_by_host("renamed.example.net").map(|hub| hub.id), Some(HUB));
        assert!(directory.hub_by_host(HOST_NAME).is_none(), "the old name is gone");
        assert_eq!(directory.hubs().len(), 1);
        assert!(directory.presence(HUB, device("d")).is_some());
        assert_eq!(control.policies(HUB), policies);
        control.shutdown();
    }
}

/// Goal: what versions left that took another name for another hub. Method: their rows are written
/// as they wrote them.
#[test]
fn a_second_hub_of_the_directory_goes_if_it_is_empty_and_is_refused_if_not() {
    let dir = TempDir::new();
    let control = open(&dir);
    put(&control, "/devices/d", &json!({}));
    control.shutdown();
    let second = "INSERT INTO hub (hub_id, host_name, partition_count, state) \
                  VALUES (1, 'renamed.example.net', 4, 2); \
                  INSERT INTO consumer_group (hub_id, name) VALUES (1, '$Default')";
    run_sql(&dir, second);
    let mut settings = config(dir.path());
    settings.hubs[0].host_name = "renamed.example.net".to_owned();
    let control = ControlPlane::open(&settings, Arc::new(NoShards)).expect("it opens");
    assert_eq!(control.directory().hubs().len(), 1);
    assert!(control.directory().presence(HUB, device("d")).is_some());
    control.shutdown();

    run_sql(
        &dir,
        "INSERT INTO hub (hub_id, host_name, partition_count, state) \
         VALUES (1, 'other.example.net', 4, 2)",
    );
    run_sql(
        &dir,
        "CREATE TEMP TABLE d AS SELECT * FROM device; UPDATE d SET hub_id = 1; INSERT INTO device SELECT * FROM d",
    );
    let refused = ControlPlane::open(&settings, Arc::new(NoShards)).map(drop);
    let error = refused.expect_err("its devices would be lost").to_string();
    for part in
        ["registry.db", "other.example.net, with 1 devices", "`ringhub device-identity export`"]
    {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

#[test]
fn a_model_is_written_when_it_changes_and_goes_with_its_identity() {
    let dir = TempDir::new();
    let control = open(&dir);
    put(&control, "/devices/d", &json!({}));
    put(&control, "/devices/d/modules/m", &json!({}));
    let names = [device("d"), IdentityRef { device: "d", module: Some("m") }];
    // Writes of one thread are done in their order, so that this waits for those before.
    let announce = |control: &ControlPlane, name, model: Option<&str>| {
        let policies = control.policies(HUB);
        let policy = policies.iter().find(|policy| policy.name == "device").expect("a default");
        let token = sign(HOST_NAME, policy.keys.primary(), 4_000_000_000, Some("device"));
        let now = UnixMillis::from_millis(0);
        let grant = control.directory().authenticate(HUB, name, &token, now);
        let before = control.store_counters().requests.read();
        control.note_model(&grant.expect("the policy may"), model);
        put(control, &format!("/devices/other-{before}"), &json!({}));
        control.store_counters().requests.read() - before - 1
    };
    for name in names {
        assert_eq!(announce(&control, name, None), 0);
        assert_eq!(announce(&control, name, Some("dtmi:example:Old;1")), 1);
        assert_eq!(announce(&control, name, Some("dtmi:example:Pump;1")), 1);
        assert_eq!(announce(&control, name, Some("dtmi:example:Pump;1")), 0);
    }
    control.shutdown();
    let control = open(&dir);
    for name in names {
        let model = control.directory().model(HUB, name);
        assert_eq!(model.as_deref(), Some("dtmi:example:Pump;1"));
    }
    assert_eq!(announce(&control, names[1], None), 1);
    call(&control, Method::DELETE, "/devices/d", &Value::Null);
    put(&control, "/devices/d", &json!({}));
    put(&control, "/devices/d/modules/m", &json!({}));
    control.shutdown();
    let control = open(&dir);
    assert_eq!(names.map(|name| control.directory().model(HUB, name)), [None, None]);
}

#[test]
fn reported_properties_follow_commit_rollback_and_deletion() {
    let dir = TempDir::new();
    let control = open(&dir);
    put(&control, "/devices/d", &json!({}));
    control.shutdown();
    let database = Database::open(dir.path()).expect("it was closed");
    let store = SqliteStore::new(database.connect().expect("the database opens"));
    let identity = Identity { device: DeviceId::parse("d").expect("valid"), module: None };
    let generation = store.generation(HUB, &identity).expect("it reads").expect("registered");
    let owner = Reader { hub: HUB, identity: identity.clone(), generation };
    let stored = || store.reported(&owner).expect("it reads");
    let report = |patch: &str| -> Result<Option<Section>, ChangeError> {
        let patch = ReportedPatch::parse(patch.as_bytes()).expect("it is JSON");
        let mut after = None;
        let version = store.change_reported(&owner, &mut |section| {
            let outcome = section.report(&patch, UnixMillis::from_millis(7));
            after = Some(section.clone());
            outcome.map_err(RegistryError::Twin)
        })?;
        assert_eq!(version, after.as_ref().map(Section::version));
        Ok(after)
    };
    let done = |patch: &str| report(patch).expect("it is in bounds").expect("registered");
    let read = || {
        let document = store.twin_document(HUB, device("d"), generation).expect("it reads");
        serde_json::from_slice::<Value>(&document.expect("registered")).expect("it is JSON")
    };

    store.begin().expect("nobody else writes");
    done(r#"{"a":1}"#);
    assert!(matches!(report(r#"{"b.c":2}"#), Err(ChangeError::Refused(_))));
    let first = done(r#"{"c":3}"#);
    assert_eq!(first.properties(), r#"{"a":1,"c":3}"#);
    store.commit().expect("it writes");
    assert_eq!(stored(), Some(first.clone()));

    store.begin().expect("nobody else writes");
    let second = done(r#"{"b":2}"#);
    assert_eq!(second.version(), first.version() + 1);
    let expected = json!({"a": 1, "b": 2, "c": 3, "$version": second.version()});
    assert_eq!(read()["reported"], expected, "a read comes after what was changed before it");
    store.rollback();
    assert_eq!(stored(), Some(first.clone()));
    assert_eq!(done(r#"{"b":2}"#), second, "nothing is left of what was rolled back");
    store.rollback();

    store.begin().expect("nobody else writes");
    done(r#"{"b":2}"#);
    store.delete_device(HUB, &identity.device).expect("it writes");
    assert!(report(r#"{"b":2}"#).expect("nothing fails").is_none());
    store.rollback();
    assert_eq!(stored(), Some(first.clone()));

    store.begin().expect("nobody else writes");
    done(r#"{"b":2}"#);
    store.delete_device(HUB, &identity.device).expect("it writes");
    store.commit().expect("it writes");
    let rows = store.prepare("SELECT 1 FROM twin_reported").expect("the table is there");
    assert!(!{ rows }.exists([]).expect("it reads"), "what was deleted is not written again");
}
