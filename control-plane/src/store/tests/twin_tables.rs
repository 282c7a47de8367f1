//! Twins of a registry whose tables were indexes come into tables, whole or not at all.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::{CHILD_DIR, HUB, call, device, put};
use crate::tests::{NoShards, TempDir, config, open, this_binary};
use crate::{ControlPlane, REGISTRY_FILE};

/// The tables as version 11 had them, and nothing that came after it.
const BEFORE: &str = "
ALTER TABLE twin RENAME TO present_twin;
ALTER TABLE twin_reported RENAME TO present_twin_reported;
CREATE TABLE twin (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    etag INTEGER NOT NULL,
    tags TEXT NOT NULL,
    desired_version INTEGER NOT NULL,
    desired TEXT NOT NULL,
    desired_stamps BLOB NOT NULL,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE twin_reported (
    hub_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    properties TEXT NOT NULL,
    stamps BLOB NOT NULL,
    PRIMARY KEY (hub_id, device_id, module_id)
) STRICT, WITHOUT ROWID;
INSERT INTO twin SELECT * FROM present_twin;
INSERT INTO twin_reported SELECT * FROM present_twin_reported;
DROP TABLE present_twin;
DROP TABLE present_twin_reported;
DROP TABLE quota_usage;
ALTER TABLE consumer_group DROP COLUMN created_ms;
PRAGMA user_version = 11;
";
/// Rows of a hub that the test does not open: they move like all others.
const MANY: &str = "
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 7999)
INSERT INTO twin SELECT 9, printf('many-%05d', n), '', n, printf('{\"fill\":\"%.*c\"}', 1100, 'x'),
    1, '{}', x'0000' FROM numbers";
const REPORTED: &str = "INSERT INTO twin_reported VALUES (0, 'bare', '', 3, '{}', x'0000')";
const SUMS: &str = "SELECT count(*), sum(etag), sum(length(tags)) FROM twin WHERE hub_id = 9";

/// A closed registry of version 11 with devices, modules and twins, and what is read of them.
fn registry_before(dir: &TempDir) -> Vec<(String, Value)> {
    let control = open(dir);
    put(&control, "/devices/d", &json!({}));
    put(&control, "/devices/d/modules/m", &json!({}));
    put(&control, "/devices/bare", &json!({}));
    let twin = json!({
        "tags": { "site": "A1", "long": "x".repeat(3000) },
        "properties": { "desired": { "fw": "2.0" } },
    });
    let paths = ["/twins/d", "/twins/d/modules/m", "/twins/bare"];
    for path in &paths[..2] {
        assert_eq!(call(&control, http::Method::PATCH, path, &twin).status, 200);
    }
    control.shutdown();
    let connection = Connection::open(dir.path().join(REGISTRY_FILE)).expect("it is closed");
    connection.execute(REPORTED, []).expect("the columns are those of now");
    let control = open(dir);
    let twins = paths.map(|path| (path.to_owned(), read(&control, path))).to_vec();
    assert_eq!(twins[2].1["properties"]["reported"]["$version"], 3);
    control.shutdown();
    connection.execute_batch(BEFORE).expect("the tables are those of now");
    twins
}

fn read(control: &ControlPlane, path: &str) -> Value {
    let response = call(control, http::Method::GET, path, &Value::Null);
    serde_json::from_slice(&response.body).expect("it is JSON")
}

fn sums(path: &Path) -> (i64, i64, i64) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(path.join(REGISTRY_FILE), flags);
    let connection = connection.expect("it is there");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    connection.query_row(SUMS, [], row).expect("the table is there")
}

#[test]
fn twins_of_the_version_before_are_what_they_were() {
    let dir = TempDir::new();
    let twins = registry_before(&dir);
    for _ in 0..2 {
        let control = open(&dir);
        for (path, twin) in &twins {
            assert_eq!(read(&control, path), *twin, "{path}");
        }
        control.shutdown();
    }
    let control = open(&dir);
    let tags = json!({ "tags": { "site": "B2", "long": null } });
    assert_eq!(call(&control, http::Method::PATCH, "/twins/d", &tags).status, 200);
    assert_eq!(read(&control, "/twins/d")["tags"], json!({ "site": "B2" }));
    assert_eq!(call(&control, http::Method::DELETE, "/devices/d", &Value::Null).status, 204);
    put(&control, "/devices/d", &json!({}));
    assert_eq!(read(&control, "/twins/d")["tags"], Value::Null, "it is another device");
    control.shutdown();
}

#[test]
fn the_process_that_is_killed_while_twins_are_moved() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    drop(ControlPlane::open(&config(dir.as_ref()), Arc::new(NoShards)));
}

/// Method: another process opens a registry of the version before, and is killed once its log is
/// so long; the next one goes on with what is there then.
#[test]
fn a_kill_while_twins_are_moved_leaves_all_of_them() {
    let dir = TempDir::new();
    let twins = registry_before(&dir);
    let path = dir.path().join(REGISTRY_FILE);
    Connection::open(&path).and_then(|all| all.execute(MANY, [])).expect("the table is there");
    let expected = sums(dir.path());
    assert_eq!(expected.0, 8000);
    for log_bytes in [1, 1 << 20, 4 << 20, 8 << 20] {
        let mut child = this_binary("the_process_that_is_killed_while_twins_are_moved")
            .env(CHILD_DIR, dir.path())
            .spawn()
            .expect("the test binary starts");
        let log = dir.path().join("registry.db-wal");
        let is_long = || fs::metadata(&log).is_ok_and(|log| log.len() >= log_bytes);
        while !is_long() && child.try_wait().expect("it is a child of this process").is_none() {
            thread::sleep(Duration::from_micros(100));
        }
        let _ = child.kill();
        child.wait().expect("it is a child of this process");
        assert_eq!(sums(dir.path()), expected, "killed with a log of {log_bytes} bytes");
    }
    let control = open(&dir);
    for (path, twin) in &twins {
        assert_eq!(read(&control, path), *twin, "{path}");
    }
    assert!(control.directory().presence(HUB, device("bare")).is_some());
    control.shutdown();
    assert_eq!(sums(dir.path()), expected);
}
