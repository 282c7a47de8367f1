//! Imports and exports with the storage accounts that the hubs of a process have of their own,
//! which are found by their signatures: no name has an address here.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use http::Method;
use ringhub_core::storage::{
    ContainerName, StorageAccount, signed_account_query, signed_container_query,
};
use ringhub_core::time::UnixMillis;
use ringhub_edge::client::{Precondition, RestClient, Target};
use serde_json::{Value, json};
use support::patience::PATIENCE;
use support::registry_job::{export_to, import_from};
use support::tenants::Tenants;
use time::OffsetDateTime;

const TWO: &str = "two.test";
const HOUR: i64 = 3600;

/// The account of a hub, as its owner has it.
struct Account {
    rest: RestClient,
    host_name: String,
    account: StorageAccount,
}

impl Account {
    fn of(target: &Target) -> Self {
        let rest = RestClient::new(target);
        let keys = rest.send(Method::POST, "/storage/listkeys", Precondition::Absent, None);
        let keys = keys.expect("the owner may");
        let account = StorageAccount::parse(keys["connectionString"].as_str().expect("a text"));
        let host_name = target.host_name.clone();
        Self { rest, host_name, account: account.expect("tools can read it") }
    }

    fn make(&self, container: &str) {
        let signed = signed_account_query(self.account.key(), &self.account.name, after(HOUR));
        let container = self.account.container_path(container);
        let path = format!("/{container}?restype=container&{}", signed.expect("it is soon"));
        let made = self.rest.exchange(Method::PUT, &path, Precondition::Absent, None, PATIENCE);
        assert_eq!(made.expect("the hub answers").status, 201);
    }

    /// The URI of a container, by the name that the hub has, wherever it listens.
    fn uri(&self, container: &str, rights: &str, life_secs: i64) -> String {
        let name = ContainerName::parse(container).expect("valid");
        let (key, account) = (self.account.key(), &self.account.name);
        let query = signed_container_query(key, account, (&name, rights), after(life_secs));
        let path = self.account.container_path(container);
        format!("https://{}/{path}?{}", self.host_name, query.expect("it is soon"))
    }

    /// What is in a blob of the container of this URI.
    fn read(&self, uri: &str, blob: &str) -> Vec<u8> {
        let path = uri.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
        let (container, query) = path.expect("a path").1.split_once('?').expect("a signature");
        let path = format!("/{container}/{blob}?{query}");
        let answer = self.rest.exchange(Method::GET, &path, Precondition::Absent, None, PATIENCE);
        let answer = answer.expect("the hub answers");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.body
    }

    /// Does a job of this hub, to its end.
    fn job(&self, request: &Value) -> Value {
        let made =
            self.rest.send(Method::POST, "/jobs/create", Precondition::Absent, Some(request));
        let made = made.expect("the job is made");
        let path = format!("/jobs/{}", made["jobId"].as_str().expect("an id"));
        let until = Instant::now() + 4 * PATIENCE;
        loop {
            let job = self.rest.read(&path).expect("it is there");
            if matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
                return job;
            }
            assert!(Instant::now() < until, "not in time: {job}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn complete(&self, request: &Value) {
        let job = self.job(request);
        assert_eq!(job["status"], "completed", "{job}");
    }

    #[track_caller]
    fn fail(&self, request: &Value, parts: &[&str]) {
        let job = self.job(request);
        let reason = job["failureReason"].as_str().unwrap_or_default();
        assert_eq!(job["status"], "failed", "{job}");
        for part in parts {
            assert!(reason.contains(part), "{part} is missing in: {reason}");
        }
    }
}

fn after(secs: i64) -> UnixMillis {
    UnixMillis::from_millis((OffsetDateTime::now_utc().unix_timestamp() + secs) * 1000)
}

fn register(rest: &RestClient, count: usize) {
    for n in 0..count {
        let id = format!("pump-{n:03}");
        let device = json!({ "deviceId": id });
        let path = format!("/devices/{id}");
        rest.send(Method::PUT, &path, Precondition::Absent, Some(&device)).expect("it is made");
    }
}

/// Goal: what one hub of a process exports to the account of another one, that one imports, under
/// names that nobody can resolve. Compared are ids and keys.
#[test]
fn hubs_of_a_process_reach_their_accounts_without_names() {
    const DEVICES: usize = 40;
    let tenants = Tenants::start();
    let (one, two) = (tenants.configured(), tenants.create(TWO));
    let (one, two) = (Account::of(&one), Account::of(&two));
    register(&one.rest, DEVICES);
    two.make("fleet");
    let fleet = two.uri("fleet", "rcw", HOUR);
    one.complete(&export_to(&fleet));
    two.complete(&import_from(&fleet));
    assert_eq!(two.read(&fleet, "importErrors.log"), b"");
    let devices = |account: &Account| -> Vec<Value> {
        let Value::Array(devices) = account.rest.read("/devices?top=1000").expect("a list") else {
            panic!("not a list")
        };
        let kept = |device: &Value| json!([device["deviceId"], device["authentication"]]);
        devices.iter().map(kept).collect()
    };
    assert_eq!(devices(&two), devices(&one));
    assert_eq!(devices(&two).len(), DEVICES);
    assert_eq!(two.read(&fleet, "devices.txt").split(|b| *b == b'\n').count(), DEVICES + 1);
    // The port that a client has written says nothing: it may be that of a proxy.
    one.complete(&export_to(&fleet.replacen(TWO, "Two.Test:8443", 1)));
}

/// Goal: the account of a hub checks what it would check of a client.
#[test]
fn signatures_count_for_what_they_say_without_a_connection() {
    let tenants = Tenants::start();
    let target = tenants.create(TWO);
    let two = Account::of(&target);
    register(&two.rest, 1);
    two.make("fleet");
    let fleet = two.uri("fleet", "rcw", HOUR);
    two.fail(
        &export_to(&two.uri("fleet", "r", HOUR)),
        &["cannot write", "403", "create and write"],
    );
    two.fail(&export_to(&two.uri("fleet", "rcw", -HOUR)), &["403 AuthenticationFailed", "expired"]);
    two.fail(&export_to(&two.uri("nothing", "rcw", HOUR)), &["404 ContainerNotFound"]);
    two.fail(&import_from(&fleet), &["cannot read", "404"]);
    // With another key it is no account of this process; nobody else has that name.
    let foreign = Account::of(&tenants.configured()).uri("fleet", "rcw", HOUR);
    let foreign = foreign.replacen(&tenants.configured().host_name, TWO, 1);
    two.fail(&export_to(&foreign), &["https://two.test/", "tried 6 times"]);
    // Who may only make new blobs replaces none.
    two.complete(&export_to(&fleet));
    two.fail(&export_to(&two.uri("fleet", "c", HOUR)), &["409 BlobAlreadyExists"]);
}
