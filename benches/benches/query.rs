//! Queries over many twins of 1 KB, against the `sqlite3` library with the same question in SQL on
//! the same database.
//!
//! Ours: the control plane in this process, asked as a shard asks it, one request after the other:
//! token, JSON, plan, rows, answer. What TLS and HTTP cost on top is the same for every request and
//! measured by `method` and `twin`. The yardstick: a prepared statement on a connection that only
//! reads, and nothing around it.
//!
//! Asked are one device by its id, a hundred by the beginning of their ids, how many there are, how
//! many have a tag (every document is looked into), and a page of a hundred from the beginning and
//! from behind the middle. Times are in milliseconds. `-- [devices]`, a million if nothing is said.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method};
use ringhub_control_plane::api::{Request, Response};
use ringhub_control_plane::c2d::CloudToDevice;
use ringhub_control_plane::{ControlPlane, ControlPlaneConfig, HubSettings, REGISTRY_FILE, Shards};
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::HubId;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

const HOST_NAME: &str = "hub.example.net";
const FAR_FUTURE: u64 = 4_000_000_000;
const CONTINUATION: &str = "x-ms-continuation";

/// Runs of a question that takes no time, and of one that looks into every document.
const RUNS: usize = 200;
const SCANS: usize = 5;

/// Devices in the order of their numbers, each with a tag of a thousand values and a long one.
const FLEET: &str = "
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1)
INSERT INTO device SELECT 0, printf('device-%07d', n), 638000000000000000 + n, 1, 3, NULL, NULL,
    0, 1, NULL, NULL, 0, NULL, NULL FROM numbers";
const TWINS: &str = "
INSERT INTO twin SELECT hub_id, device_id, '', 2, json_object('fill', ?1, 'n',
    CAST(substr(device_id, 8) AS INTEGER) % 1000), 1, '{}', x'0000' FROM device";

struct NoShards;

impl Shards for NoShards {}

/// A hub with its devices, and the same database seen directly.
struct Fleet {
    control: ControlPlane,
    token: HeaderValue,
    direct: Connection,
}

/// What is asked of both: a name, the query, the SQL and how often.
type Question = (&'static str, String, String, usize);

fn main() {
    let devices = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("query-{}", std::process::id()));
    fs::create_dir_all(&home).expect("the target directory is writable");
    let fleet = Fleet::make(&home, devices);
    println!("{devices} devices; milliseconds");
    for (name, query, sql, runs) in questions(devices) {
        let both = |_| (fleet.ask(&query, None).0, fleet.floor(&sql));
        println!("{name}: {query}");
        ringhub_benches::report("ringhub", "bare SQLite", &(0..runs).map(both).collect::<Vec<_>>());
    }
    let middle = format!("device-{:07}", devices / 2);
    let query = format!("SELECT * FROM devices WHERE deviceId >= '{middle}'");
    let (_, token) = fleet.ask(&query, None);
    let first = "SELECT * FROM devices";
    let pages = |_| (fleet.ask(first, None).0, fleet.ask(&query, token.as_ref()).0);
    println!("a page of 100: the first, and one behind {} others", devices / 2);
    ringhub_benches::report("first", "later", &(0..RUNS).map(pages).collect::<Vec<_>>());
    fleet.control.shutdown();
    fs::remove_dir_all(&home).expect("the data is ours");
}

fn questions(devices: u32) -> [Question; 4] {
    const COLUMNS: &str = "SELECT d.device_id, t.tags FROM device d LEFT JOIN twin t \
        ON t.hub_id = d.hub_id AND t.device_id = d.device_id AND t.module_id = '' WHERE d.hub_id = 0";
    let some = format!("device-{:05}", devices / 200);
    let one = format!("{some}42");
    [
        (
            "one device",
            format!("SELECT deviceId, tags FROM devices WHERE deviceId = '{one}'"),
            format!("{COLUMNS} AND d.device_id = '{one}'"),
            RUNS,
        ),
        (
            "a hundred devices by the beginning of their ids",
            format!("SELECT deviceId, tags FROM devices WHERE STARTSWITH(deviceId, '{some}')"),
            format!("{COLUMNS} AND d.device_id BETWEEN '{some}' AND '{some}~'"),
            RUNS,
        ),
        (
            "how many there are",
            "SELECT COUNT() AS n FROM devices".to_owned(),
            "SELECT count(*) FROM device WHERE hub_id = 0".to_owned(),
            SCANS,
        ),
        (
            "how many have a tag",
            "SELECT COUNT() AS n FROM devices WHERE tags.n = 7".to_owned(),
            format!("SELECT count(*) FROM ({COLUMNS} AND t.tags ->> '$.n' = 7)"),
            SCANS,
        ),
    ]
}

impl Fleet {
    fn make(home: &Path, devices: u32) -> Self {
        open(home).shutdown();
        let path = home.join(REGISTRY_FILE);
        let mut writer = Connection::open(&path).expect("the registry is there");
        let transaction = writer.transaction().expect("nobody else writes");
        transaction.execute(FLEET, [devices]).expect("the columns are those of the registry");
        transaction.execute(TWINS, ["x".repeat(980)]).expect("the columns are those of a twin");
        transaction.commit().expect("the disk has room");
        drop(writer);
        let control = open(home);
        let policies = control.policies(HubId(0));
        let policy = policies.iter().find(|policy| policy.name == "service");
        let key = policy.expect("a default policy").keys.primary();
        let token = sign(HOST_NAME, key, FAR_FUTURE, Some("service"));
        let direct = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        Self {
            control,
            token: HeaderValue::try_from(token).expect("a header value"),
            direct: direct.expect("the registry can be read"),
        }
    }

    /// Asks for a page: its time, and what names the next one.
    fn ask(&self, query: &str, token: Option<&HeaderValue>) -> (f64, Option<HeaderValue>) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(HOST_NAME));
        headers.insert(AUTHORIZATION, self.token.clone());
        if let Some(token) = token {
            headers.insert(CONTINUATION, token.clone());
        }
        let request = Request {
            method: Method::POST,
            path_and_query: "/devices/query?api-version=2021-04-12".to_owned(),
            headers,
            properties: Vec::new(),
            body: json!({ "query": query }).to_string().into(),
        };
        let (sender, receiver) = flume::bounded(1);
        let began = Instant::now();
        self.control.submit(request, Box::new(move |response| drop(sender.send(response))));
        let response: Response = receiver.recv().expect("every request is answered");
        let time = milliseconds(began);
        assert_eq!(response.status, 200, "{query}: {response:?}");
        (time, response.headers.get(CONTINUATION).cloned())
    }

    /// The time of the same question in SQL, to its hundredth row.
    fn floor(&self, sql: &str) -> f64 {
        let mut statement = self.direct.prepare_cached(sql).expect("it is SQL");
        let began = Instant::now();
        let mut rows = statement.query([]).expect("it runs");
        for _ in 0..100 {
            let Some(row) = rows.next().expect("the registry can be read") else { break };
            let _ = row.get_ref(0).expect("there is a column");
        }
        milliseconds(began)
    }
}

fn open(home: &Path) -> ControlPlane {
    let hub = HubSettings {
        id: HubId(0),
        host_name: HOST_NAME.to_owned(),
        aliases: Vec::new(),
        partition_count: 4,
        consumer_groups: Vec::new(),
        cloud_to_device: CloudToDevice::default(),
    };
    let config = ControlPlaneConfig { data_dir: home.to_owned(), hubs: vec![hub] };
    ControlPlane::open(&config, Arc::new(NoShards)).expect("the directory opens")
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
