//! Queries over many twins of 1 KB, against the `sqlite3` library with the same question in SQL on
//! the same database.
//!
//! Ours: a hub process, asked over TLS by a client of the command line, one request after the
//! other. The yardstick: a prepared statement on a connection that only reads, and nothing around
//! it; a filter by a tag without an index is the statement that looks into each document.
//!
//! Asked are one device by its id, a hundred by the beginning of their ids, how many there are, how
//! many have a tag (every document is looked into), and pages of a hundred from the beginning and
//! from behind the middle. Then all documents are streamed in pages while the memory of the hub is
//! watched. Then an index is built, beside patches of twins, and asked. Times are in milliseconds.
//! Below each number stands its target, and whether it was met.
//!
//! `cargo bench --bench query`, with `-- --devices NUMBER` for another number than a million and
//! `-- --hub FILE` for another build of the hub.

#[allow(dead_code, reason = "the path bench uses more of it")]
mod path_support;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use http::Method;
use ringhub_benches::{judge, quartiles, report};
use ringhub_control_plane::REGISTRY_FILE;
use ringhub_edge::client::{ClientError, Page, Precondition, RestClient, Target};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use path_support::cpu;
use path_support::hub::{Hub, build};

const SHARDS: u16 = 2;
const DEVICES: u32 = 1_000_000;
const PAGE_ROWS: usize = 100;
/// Runs of a question that takes no time, and of one that looks into every document.
const RUNS: usize = 200;
const SCANS: usize = 5;
/// Patches whose processor time is compared.
const PATCHES: u32 = 2000;
/// Pages of a stream between two looks at the memory.
const LOOK_PAGES: usize = 50;
/// What a stream may add to the memory of the hub: for each of two threads a page of 4 MiB, as it
/// is gathered and as it is sent, and 2 MiB of the database.
const STREAM_MIB_MAX: f64 = 20.0;
/// Times that a page behind others may take of the first.
const LATER_RATIO_MAX: f64 = 1.2;
/// Pages of the store that the fleet is written with in memory.
const FILL_CACHE_KIB: i64 = 256 * 1024;
const INDEX: &str = "/queryIndexes/n";
const BY_TAG: &str = "SELECT deviceId, tags.n AS tag FROM devices WHERE tags.n = 7";

/// Devices in the order of their numbers, each with a tag of a thousand values and a long one.
const FLEET: &str = "
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1)
INSERT INTO device SELECT 0, printf('device-%07d', n), 638000000000000000 + n, 1, 3, NULL, NULL,
    0, 1, NULL, NULL, 0, NULL, NULL FROM numbers";
const TWINS: &str = "
INSERT INTO twin SELECT hub_id, device_id, '', 2, json_object('fill', ?1, 'n',
    CAST(substr(device_id, 8) AS INTEGER) % 1000), 1, '{}', x'0000' FROM device";

/// A hub with its devices, and the same database seen directly.
struct Fleet {
    hub: Hub,
    rest: RestClient,
    direct: Connection,
}

/// What is asked of both: a name, the query, the SQL, how often, and what is wanted of it.
struct Question {
    name: &'static str,
    query: String,
    sql: String,
    runs: usize,
    bound: Bound,
}

/// What the median is to be at most.
#[derive(Clone, Copy)]
enum Bound {
    Milliseconds(f64),
    /// Of the yardstick.
    Ratio(f64),
}

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let given = |name: &str| arguments.iter().skip_while(|word| *word != name).nth(1);
    let binary = given("--hub").map_or_else(build, |given| Ok(PathBuf::from(given)))?;
    let devices = given("--devices").and_then(|text| text.to_str()?.parse().ok());
    let devices = devices.unwrap_or(DEVICES);
    println!("load at the start: {}; {devices} devices; milliseconds", cpu::load());
    let fleet = Fleet::make(&binary, devices);
    for question in questions(devices) {
        fleet.compare(&question);
    }
    fleet.pages(devices);
    fleet.stream(devices);
    fleet.index(devices);
    println!("load at the end: {}", cpu::load());
    Ok(())
}

fn questions(devices: u32) -> [Question; 4] {
    const COLUMNS: &str = "SELECT d.device_id, t.tags FROM device d LEFT JOIN twin t \
        ON t.hub_id = d.hub_id AND t.device_id = d.device_id AND t.module_id = '' \
        WHERE d.hub_id = 0";
    let some = format!("device-{:05}", devices / 200);
    let one = format!("{some}42");
    [
        Question {
            name: "one device",
            query: format!("SELECT deviceId, tags FROM devices WHERE deviceId = '{one}'"),
            sql: format!("{COLUMNS} AND d.device_id = '{one}'"),
            runs: RUNS,
            bound: Bound::Milliseconds(1.0),
        },
        Question {
            name: "a hundred devices by the beginning of their ids",
            query: format!(
                "SELECT deviceId, tags FROM devices WHERE STARTSWITH(deviceId, '{some}')"
            ),
            sql: format!("{COLUMNS} AND d.device_id BETWEEN '{some}' AND '{some}~'"),
            runs: RUNS,
            bound: Bound::Milliseconds(20.0),
        },
        Question {
            name: "how many there are",
            query: "SELECT COUNT() AS n FROM devices".to_owned(),
            sql: "SELECT count(*) FROM device WHERE hub_id = 0".to_owned(),
            runs: SCANS,
            bound: Bound::Ratio(1.5),
        },
        Question {
            name: "how many have a tag",
            query: "SELECT COUNT() AS n FROM devices WHERE tags.n = 7".to_owned(),
            sql: format!("SELECT count(*) FROM ({COLUMNS} AND t.tags ->> '$.n' = 7)"),
            runs: SCANS,
            bound: Bound::Ratio(1.5),
        },
    ]
}

impl Bound {
    fn judge(self, pairs: &[(f64, f64)]) {
        let median = |values: Vec<f64>| quartiles(values).1;
        match self {
            Self::Milliseconds(most) => {
                let ours = median(pairs.iter().map(|pair| pair.0).collect());
                judge(ours, most, "ms");
            }
            Self::Ratio(most) => {
                let ratio = median(pairs.iter().map(|pair| pair.0 / pair.1).collect());
                judge(ratio, most, "times the yardstick");
            }
        }
    }
}

impl Fleet {
    fn make(binary: &Path, devices: u32) -> Self {
        let began = Instant::now();
        let mut hub = Hub::start_with(binary, SHARDS, "info");
        let data = hub.home().join("data");
        let path = data.join("registry").join(REGISTRY_FILE);
        hub.restart_after(|| fill(&path, devices));
        println!("the fleet was there after {:.0} s", began.elapsed().as_secs_f64());
        let target = Target::local(&data).expect("the hub wrote its endpoints");
        let direct = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let direct = direct.expect("the registry can be read");
        Self { hub, rest: RestClient::new(&target), direct }
    }

    /// Asks both in turn. A hub that refuses, because a scan takes longer than it allows, has
    /// missed its target, and the bench goes on.
    fn compare(&self, Question { name, query, sql, runs, bound }: &Question) {
        println!("{name}: {query}");
        let (mut pairs, mut refusals) = (Vec::new(), Vec::new());
        let mut cpu = [0.0, 0.0];
        // Nobody's first look at a page counts.
        for run in 0..=*runs {
            let own = cpu::seconds(std::process::id());
            let (bare, bare_found) = self.floor(sql);
            cpu[1] += cpu::seconds(std::process::id()) - own;
            let hub = self.hub.cpu_seconds();
            let asked = self.try_ask(query, None);
            cpu[0] += self.hub.cpu_seconds() - hub;
            match asked {
                Ok((time, page)) => {
                    assert_eq!(found(&page), bare_found, "both answer the same: {sql}");
                    pairs.extend((run > 0).then_some((time, bare)));
                }
                Err(error) => refusals.push((bare, error)),
            }
        }
        if let Some((bare, error)) = refusals.last() {
            let count = refusals.len();
            println!(
                "MISSED: {count} of {} times refused, bare SQLite took {bare:.0}: {error}",
                runs + 1
            );
        }
        if !pairs.is_empty() {
            report("ringhub", "bare SQLite", &pairs);
            let [ours, bare] = cpu.map(|seconds| seconds * 1e3 / (runs + 1) as f64);
            println!("{:>24}  {ours:.2} beside {bare:.2} each", "processor time");
            bound.judge(&pairs);
        }
    }

    /// Asks for a page: its time, and the page.
    fn ask(&self, query: &str, token: Option<&str>) -> (f64, Page) {
        self.try_ask(query, token).expect("the query is answered")
    }

    fn try_ask(&self, query: &str, token: Option<&str>) -> Result<(f64, Page), ClientError> {
        let body = json!({ "query": query });
        let began = Instant::now();
        let page = self.rest.query_page(&body, PAGE_ROWS, token)?;
        Ok((milliseconds(began), page))
    }

    /// The time of the same question in SQL, to its hundredth row, and what [`found`] tells of it.
    fn floor(&self, sql: &str) -> (f64, i64) {
        let mut statement = self.direct.prepare_cached(sql).expect("it is SQL");
        let began = Instant::now();
        let mut rows = statement.query([]).expect("it runs");
        let (mut count, mut only) = (0, None);
        while count < PAGE_ROWS as i64
            && let Some(row) = rows.next().expect("the registry can be read")
        {
            count += 1;
            only = row.get_ref(0).expect("there is a column").as_i64().ok();
        }
        (milliseconds(began), only.unwrap_or(count))
    }

    fn pages(&self, devices: u32) {
        let middle = format!("device-{:07}", devices / 2);
        let query = format!("SELECT * FROM devices WHERE deviceId >= '{middle}'");
        let token = self.ask(&query, None).1.continuation;
        let first = "SELECT * FROM devices";
        let pages = |_| (self.ask(first, None).0, self.ask(&query, token.as_deref()).0);
        println!("a page of {PAGE_ROWS}: the first, and one behind {} others", devices / 2);
        // The later one is what is judged.
        let pairs: Vec<_> = (0..RUNS).map(pages).map(|(first, later)| (later, first)).collect();
        report("later", "first", &pairs);
        Bound::Ratio(LATER_RATIO_MAX).judge(&pairs);
    }

    /// Reads all documents, page by page.
    fn stream(&self, devices: u32) {
        let before = self.memory_mib();
        let (began, cpu) = (Instant::now(), self.hub.cpu_seconds());
        let (mut rows, mut pages, mut most, mut token) = (0, 0, before, None);
        loop {
            let page = self.ask("SELECT * FROM devices", token.as_deref()).1;
            rows += page.items.len();
            pages += 1;
            if pages % LOOK_PAGES == 0 {
                most = most.max(self.memory_mib());
            }
            token = page.continuation;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(rows, devices as usize, "every document comes once");
        let rate = rows as f64 / began.elapsed().as_secs_f64();
        println!(
            "all documents in {pages} pages: {rate:.0} per second, {:.1} us of the hub each; \
             memory {before:.1} MiB before, at most {most:.1} MiB meanwhile",
            (self.hub.cpu_seconds() - cpu) * 1e6 / rows as f64
        );
        judge(most - before, STREAM_MIB_MAX, "MiB more");
    }

    /// Builds an index beside patches of twins, and asks it.
    fn index(&self, devices: u32) {
        let plain = self.patches(0);
        let bytes = self.database_bytes();
        let began = Instant::now();
        let body = json!({ "path": "tags.n" });
        self.send(Method::PUT, INDEX, &body);
        let mut beside = Vec::new();
        while self.rest.read(INDEX).expect("it is there")["state"] != "ready" {
            beside.push(self.patch(beside.len() as u32).0);
        }
        let built = began.elapsed();
        let bytes = (self.database_bytes() - bytes) as f64 / f64::from(devices);
        println!(
            "an index of {devices} twins: built in {:.1} s, {bytes:.0} bytes each",
            built.as_secs_f64()
        );
        print_times("patches alone", plain.0);
        print_times("patches beside its building", beside);
        let indexed = self.patches(PATCHES);
        print_times("patches with it", indexed.0);
        let [without, with] = [plain.1, indexed.1].map(|cpu| cpu * 1e6 / f64::from(PATCHES));
        println!("processor time of a patch: {without:.1} us without, {with:.1} us with the index");
        // One of the last thousand: the others have other tags by now. A key stands for the
        // beginning of a value, so that the tag has to be looked at.
        let known = devices / 1000 * 1000 - 993;
        let sql = format!(
            "SELECT k.device_id, t.tags ->> '$.n' FROM query_index_key k JOIN twin t \
            ON t.hub_id = 0 AND t.device_id = k.device_id AND t.module_id = '' \
            WHERE k.number = 1 AND k.key = (SELECT key FROM query_index_key \
            WHERE number = 1 AND device_id = 'device-{known:07}' AND module_id = '') \
            AND t.tags ->> '$.n' = 7"
        );
        let count = format!("SELECT count(*) FROM ({sql})");
        self.compare(&Question {
            name: "a hundred devices by an index",
            query: BY_TAG.to_owned(),
            sql,
            runs: RUNS,
            bound: Bound::Milliseconds(20.0),
        });
        self.compare(&Question {
            name: "how many have a tag, by an index",
            query: "SELECT COUNT() AS n FROM devices WHERE tags.n = 7".to_owned(),
            sql: count,
            runs: RUNS,
            bound: Bound::Milliseconds(20.0),
        });
        self.send(Method::DELETE, INDEX, &Value::Null);
    }

    /// Patches so many twins: the time of each, and processor time of the hub for all.
    fn patches(&self, first: u32) -> (Vec<f64>, f64) {
        let cpu = self.hub.cpu_seconds();
        let times = (first..first + PATCHES).map(|number| self.patch(number).0).collect();
        (times, self.hub.cpu_seconds() - cpu)
    }

    /// Gives a twin another tag of those that the others have.
    fn patch(&self, number: u32) -> (f64, Value) {
        let body = json!({ "tags": { "n": 1000 + number % 1000 } });
        let began = Instant::now();
        let twin = self.send(Method::PATCH, &format!("/twins/device-{number:07}"), &body);
        (milliseconds(began), twin)
    }

    fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.rest.send(method, path, Precondition::Absent, body);
        answer.expect("it is taken")
    }

    fn database_bytes(&self) -> i64 {
        let number = |name| -> i64 {
            let read = self.direct.pragma_query_value(None, name, |row| row.get(0));
            read.expect("SQLite knows it")
        };
        (number("page_count") - number("freelist_count")) * number("page_size")
    }

    /// What the hub holds in memory.
    fn memory_mib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.hub.process_id());
        let text = std::fs::read_to_string(path).expect("the hub runs");
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.expect("the kernel shows it in kB") / 1024.0
    }
}

/// The number that an aggregate has, or how many rows there are.
fn found(page: &Page) -> i64 {
    page.items.first().and_then(|row| row["n"].as_i64()).unwrap_or(page.items.len() as i64)
}

/// Writes devices and twins into the registry of a hub that does not run, each page once: a bench
/// that is ended meanwhile has no registry that counts.
fn fill(path: &Path, devices: u32) {
    let mut writer = Connection::open(path).expect("the registry is there");
    // The log that the hub has left goes first.
    for (name, value) in [("journal_mode", "DELETE"), ("journal_mode", "OFF")] {
        writer.pragma_update(None, name, value).expect("nobody else has the registry open");
    }
    writer.pragma_update(None, "synchronous", "OFF").expect("it is a setting");
    writer.pragma_update(None, "cache_size", -FILL_CACHE_KIB).expect("it is a setting");
    let transaction = writer.transaction().expect("nobody else writes");
    transaction.execute(FLEET, [devices]).expect("the columns are those of the registry");
    transaction.execute(TWINS, ["x".repeat(980)]).expect("the columns are those of a twin");
    transaction.commit().expect("the disk has room");
}

fn print_times(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let (median, late, last) = (at(0.5), at(0.99), at(1.0));
    println!("{what:>28}  median {median:.2}  p99 {late:.2}  longest {last:.2}");
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
