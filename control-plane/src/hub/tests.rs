//! Hubs come and go, on a control plane without connections.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method};
use ringhub_core::auth::Permissions;
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::{ConsumerGroup, HubId};
use serde_json::{Value, json};

use super::{HubError, HubParts, HubUpdate, NewHub, NewPolicy};
use crate::api::{Request, Response};
use crate::directory::Hub;
use crate::tests::{HOST_NAME, TempDir, open};
use crate::{ControlPlane, KeyChoice};

const FAR_FUTURE: u64 = 4_000_000_000;

/// Remembers which hubs have logs and certificates.
#[derive(Default)]
pub(crate) struct Noted {
    present: Mutex<BTreeSet<HubId>>,
    retentions: Mutex<Vec<(HubId, Duration)>>,
    refuses: Mutex<bool>,
}

impl HubParts for Noted {
    fn add(&self, hub: &Hub) -> io::Result<()> {
        if *self.refuses.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.present.lock().unwrap().insert(hub.id);
        Ok(())
    }

    fn set_retention(&self, hub: HubId, retention: Duration) {
        self.retentions.lock().unwrap().push((hub, retention));
    }

    fn remove(&self, hub: HubId, _: &str) -> io::Result<()> {
        self.present.lock().unwrap().remove(&hub);
        Ok(())
    }
}

fn start(dir: &TempDir) -> (ControlPlane, Arc<Noted>) {
    let control = open(dir);
    let parts = Arc::new(Noted::default());
    control.serve_hubs(parts.clone()).expect("the thread starts");
    (control, parts)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn gone(control: &ControlPlane) {
    until("the removal ends", || control.deleting_hubs().is_empty());
}

/// Sends as `policy` of `signer`, to `hub`.
fn call(
    control: &ControlPlane,
    (hub, signer): (&str, HubId),
    verb: Method,
    path: &str,
    body: &Value,
) -> Response {
    let policies = control.policies(signer);
    let owner = policies.iter().find(|policy| policy.name == "iothubowner").expect("a default");
    let token = sign(hub, owner.keys.primary(), FAR_FUTURE, Some("iothubowner"));
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::try_from(hub).expect("a header value"));
    headers.insert(AUTHORIZATION, HeaderValue::try_from(token).expect("a header value"));
    let (sender, receiver) = flume::bounded(1);
    let request = Request {
        method: verb,
        path_and_query: format!("{path}?api-version=2021-04-12"),
        headers,
        properties: Vec::new(),
        body: body.to_string().into(),
    };
    control.submit(request, Box::new(move |response| drop(sender.send(response))));
    receiver.recv().expect("every request is answered")
}

#[test]
fn a_hub_is_made_found_and_kept() {
    let dir = TempDir::new();
    let (control, parts) = start(&dir);
    let new = NewHub {
        partition_count: 2,
        retention: Duration::from_hours(48),
        consumer_groups: vec![ConsumerGroup::new("eyes")],
        resource: "{\"tags\":{}}".to_owned(),
        ..NewHub::named("Two.example.net")
    };
    let made = control.create_hub(new).expect("it is made");
    assert_eq!((made.id, made.partition_count), (HubId(1), 2));
    assert!(parts.present.lock().unwrap().contains(&made.id));
    let policies = made.policies.read();
    assert_eq!(policies.len(), control.policies(HubId(0)).len());
    assert_ne!(policies[0].keys, control.policies(HubId(0))[0].keys, "keys of its own");
    control.shutdown();

    let control = open(&dir);
    let found = control.directory().hub_by_host("two.EXAMPLE.net:8883").expect("it is kept");
    assert_eq!(found.id, made.id);
    assert_eq!(found.properties(), made.properties());
    assert_eq!(found.policies.read(), policies);
    assert_eq!(found.created, made.created);
    assert!(found.consumer_group("EYES").is_some());
    assert_eq!(control.directory().hub_by_first_label("two").map(|hub| hub.id), Some(made.id));
    assert_eq!(control.directory().hub_by_host("localhost").map(|hub| hub.id), Some(HubId(0)));
    control.shutdown();
}

#[test]
fn what_cannot_be_a_hub_is_refused() {
    let dir = TempDir::new();
    let control = open(&dir);
    let starting = control.create_hub(NewHub::named("a")).expect_err("not yet");
    assert!(matches!(starting, HubError::Starting));
    let parts = Arc::new(Noted::default());
    control.serve_hubs(parts.clone()).expect("the thread starts");
    control.create_hub(NewHub::named("a.example.net")).expect("it is made");
    for name in ["A.example.net", HOST_NAME, "localhost"] {
        let refused = control.create_hub(NewHub::named(name)).expect_err("there is one");
        assert!(matches!(refused, HubError::NameTaken(_)), "{name}: {refused}");
    }
    let refused = control.create_hub(NewHub::named("../etc")).expect_err("no name");
    assert!(refused.to_string().contains("\"../etc\" is no host name"), "{refused}");
    for (new, what) in [
        (NewHub { partition_count: 0, ..NewHub::named("b") }, "partitions must be from 1 to 128"),
        (NewHub { retention: Duration::ZERO, ..NewHub::named("b") }, "retention in seconds"),
        (
            NewHub {
                policies: Some(vec![NewPolicy {
                    name: "p".to_owned(),
                    permissions: Permissions::NONE,
                    keys: None,
                }]),
                ..NewHub::named("b")
            },
            "at least one right",
        ),
    ] {
        let refused = control.create_hub(new).expect_err("wrong").to_string();
        assert!(refused.contains(what), "{refused}");
    }
    let configured = control.delete_hub(HubId(0)).expect_err("it is configured").to_string();
    assert!(configured.contains("hub.example.net is the hub of the configuration"), "{configured}");
    assert!(matches!(control.delete_hub(HubId(9)), Err(HubError::NotFound)));

    *parts.refuses.lock().unwrap() = true;
    let refused = control.create_hub(NewHub::named("b")).expect_err("no room");
    assert!(matches!(refused, HubError::Parts(_)), "{refused}");
    gone(&control);
    *parts.refuses.lock().unwrap() = false;
    assert_eq!(control.create_hub(NewHub::named("b")).expect("there is room").id, HubId(3));
    control.shutdown();
}

#[test]
fn a_hub_that_goes_takes_everything_along_and_its_number_is_gone() {
    let dir = TempDir::new();
    let (control, parts) = start(&dir);
    let hub = control.create_hub(NewHub::named("two.example.net")).expect("it is made").id;
    for name in ["two.example.net", HOST_NAME] {
        let of = (name, control.directory().hub_by_host(name).expect("it is there").id);
        for number in 0..700 {
            let path = format!("/devices/d{number}");
            let made = call(&control, of, Method::PUT, &path, &json!({}));
            assert_eq!(made.status, 200, "{made:?}");
        }
        let twin = json!({"tags": {"a": 1}});
        assert_eq!(call(&control, of, Method::PATCH, "/twins/d1", &twin).status, 200);
        let update = json!({"deviceId": null, "etag": "*", "properties": {"desired": {"a": 1}}});
        let job = json!({
            "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": update,
        });
        assert_eq!(call(&control, of, Method::PUT, "/jobs/v2/j", &job).status, 200);
    }
    control.delete_hub(hub).expect("it is there");
    assert!(control.directory().hub_by_host("two.example.net").is_none());
    gone(&control);
    assert!(!parts.present.lock().unwrap().contains(&hub));
    let again = control.create_hub(NewHub::named("two.example.net")).expect("the name is free");
    assert_eq!(again.id, HubId(2));
    let of = ("two.example.net", again.id);
    assert_eq!(call(&control, of, Method::GET, "/devices/d1", &Value::Null).status, 404);
    let kept = (HOST_NAME, HubId(0));
    assert_eq!(call(&control, kept, Method::GET, "/devices/d699", &Value::Null).status, 200);
    assert_eq!(call(&control, kept, Method::GET, "/jobs/v2/j", &Value::Null).status, 200);
    control.shutdown();
    assert_eq!(rows_of(&dir, 1), 0, "nothing is left in any table");
    assert!(rows_of(&dir, 0) > 700);
}

/// Rows of a hub in all tables.
fn rows_of(dir: &TempDir, hub: u32) -> i64 {
    let connection = rusqlite::Connection::open(dir.path().join("registry.db")).expect("it opens");
    let tables = "SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
                  ON c.name = 'hub_id' WHERE t.type = 'table'";
    let mut tables = connection.prepare(tables).expect("it is SQL");
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).expect("it runs").map(Result::unwrap).collect();
    assert!(tables.len() > 10, "{tables:?}");
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM {table} WHERE hub_id = {hub}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("it runs")
    };
    tables.into_iter().map(count).sum()
}

#[test]
fn removals_look_at_no_row_in_vain() {
    let dir = TempDir::new();
    open(&dir).shutdown();
    let connection = rusqlite::Connection::open(dir.path().join("registry.db")).expect("it opens");
    let all = crate::store::removals(&connection).expect("it can be read");
    assert!(all.len() > 10);
    for sql in all {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("SQL");
        let steps = plan.query_map([1, 512], |row| row.get::<_, String>(3)).expect("it runs");
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{sql}: {steps:?}");
        let rows = steps.first().expect("there is a first step");
        let is_found = ["hub_id=? AND", "rowid=?"].iter().any(|key| rows.contains(key));
        assert!(is_found, "{sql}: {steps:?}");
    }
}

#[test]
fn changes_count_at_once_and_stay() {
    let dir = TempDir::new();
    let (control, parts) = start(&dir);
    let hub = control.create_hub(NewHub::named("two.example.net")).expect("it is made");
    let policy = |name: &str| NewPolicy {
        name: name.to_owned(),
        permissions: Permissions::SERVICE_CONNECT,
        keys: None,
    };
    let made = control.put_policy(hub.id, policy("reader")).expect("it is made");
    let same = control.put_policy(hub.id, policy("reader")).expect("it is there");
    assert_eq!(made.keys, same.keys, "keys stay unless others are given");
    let other = control.regenerate_keys(hub.id, "reader", KeyChoice::Primary).expect("it is there");
    assert_ne!(other.keys.primary(), made.keys.primary());
    assert_eq!(other.keys.secondary(), made.keys.secondary());
    control.delete_policy(hub.id, "device").expect("it is there");
    assert!(matches!(control.delete_policy(hub.id, "device"), Err(HubError::PolicyNotFound)));
    let day = Duration::from_hours(24);
    let update = HubUpdate {
        retention: Some(3 * day),
        resource: Some("new".to_owned()),
        policies: Some(vec![policy("reader"), policy("writer")]),
        ..HubUpdate::default()
    };
    control.update_hub(hub.id, update).expect("it is there");
    assert_eq!(*parts.retentions.lock().unwrap(), [(hub.id, 3 * day)]);
    let names = |hub: &Hub| -> Vec<String> {
        hub.policies.read().iter().map(|policy| policy.name.clone()).collect()
    };
    assert_eq!(names(&hub), ["reader", "writer"]);
    assert_eq!(hub.policy("reader").expect("it is kept").keys, other.keys);
    let long = HubUpdate { retention: Some(8 * day), ..HubUpdate::default() };
    assert!(matches!(control.update_hub(hub.id, long), Err(HubError::Range { .. })));
    let moved = HubUpdate { retention: Some(2 * day), ..HubUpdate::default() };
    assert!(matches!(control.update_hub(HubId(0), moved), Err(HubError::Configured(_))));
    let tags = HubUpdate { resource: Some("tags".to_owned()), ..HubUpdate::default() };
    control.update_hub(HubId(0), tags).expect("they are nobody else's");
    control.shutdown();

    let control = open(&dir);
    let hub = control.directory().hub(hub.id).expect("it is kept");
    assert_eq!((hub.properties().retention, &*hub.properties().resource), (3 * day, "new"));
    assert_eq!(names(&hub), ["reader", "writer"]);
    let configured = control.directory().hub(HubId(0)).expect("it is always there");
    assert_eq!(
        (configured.properties().retention, &*configured.properties().resource),
        (day, "tags")
    );
    control.shutdown();
}

#[test]
fn keys_of_one_hub_open_no_other() {
    let dir = TempDir::new();
    let (control, _) = start(&dir);
    let two = control.create_hub(NewHub::named("two.example.net")).expect("it is made").id;
    let pump = json!({"deviceId": "pump"});
    let put = |of| call(&control, of, Method::PUT, "/devices/pump", &pump).status.as_u16();
    assert_eq!([put(("two.example.net", HubId(0))), put((HOST_NAME, two))], [401, 401]);
    assert_eq!([put(("two.example.net", two)), put((HOST_NAME, HubId(0)))], [200, 200]);
    assert_eq!(control.directory().counts(two).devices, 1);
    control.shutdown();
}

/// Method: a process that ends in the middle of a removal is one whose store says that the hub
/// goes, and that has removed some rows.
#[test]
fn a_start_goes_on_with_a_removal() {
    let dir = TempDir::new();
    let (control, _) = start(&dir);
    let hub = control.create_hub(NewHub::named("two.example.net")).expect("it is made").id;
    let of = ("two.example.net", hub);
    for number in 0..20 {
        call(&control, of, Method::PUT, &format!("/devices/d{number}"), &json!({}));
    }
    control.shutdown();
    let connection = rusqlite::Connection::open(dir.path().join("registry.db")).expect("it opens");
    connection
        .execute_batch(
            "UPDATE hub SET state = 1 WHERE hub_id = 1; DELETE FROM device WHERE device_id < 'd15'",
        )
        .expect("it runs");
    drop(connection);
    let control = open(&dir);
    assert!(control.directory().hub(hub).is_none());
    assert_eq!(control.deleting_hubs(), [(hub, "two.example.net".to_owned())]);
    control.serve_hubs(Arc::new(Noted::default())).expect("the thread starts");
    gone(&control);
    control.shutdown();
    assert_eq!(rows_of(&dir, 1), 0);
}
