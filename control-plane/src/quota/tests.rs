//! Limits as requests meet them, through the whole control plane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::RETRY_AFTER;
use ringhub_core::id::HubId;
use ringhub_core::quota::{Day, Imitated, OperationClass, QuotaPlan, Rate, Shaping};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::api::tests::{Client, body};
use crate::clock;
use crate::tests::{NoShards, TempDir, config, this_binary};
use crate::{ControlPlane, REGISTRY_FILE};

const HUB: HubId = HubId(0);

fn open(dir: &TempDir, quotas: QuotaPlan) -> ControlPlane {
    let config = crate::ControlPlaneConfig { quotas, ..config(dir.path()) };
    ControlPlane::open(&config, Arc::new(NoShards)).expect("the directory opens")
}

fn used(control: &ControlPlane) -> u64 {
    let hub = control.directory().hub(HUB).expect("it is there");
    hub.quota().expect("it has limits").used(Day::of(clock::now())).messages
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn requests_wait_in_a_row_and_those_that_would_wait_too_long_are_429() {
    let dir = TempDir::new();
    let half = Duration::from_millis(500);
    let shaping = Shaping { burst: Duration::ZERO, wait_max: Duration::from_secs(60) };
    let mut quotas = QuotaPlan { shaping, ..QuotaPlan::default() };
    quotas.rates[OperationClass::IdentityRegistry as usize] = Some(Rate { count: 1, per: half });
    quotas.rates[OperationClass::Configurations as usize] = Some(Rate { count: 1, per: HOUR });
    let control = open(&dir, quotas);
    let client = Client::new(&control, "iothubowner");
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(client.get("/devices").status, 200));
        }
    });
    assert!(began.elapsed() >= 3 * half, "all but the first wait");
    assert_eq!(client.get("/configurations").status, 200, "other requests have their own rate");
    let refused = client.get("/configurations");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["iothub-errorcode"], "ThrottlingException");
    let after = refused.headers[RETRY_AFTER].to_str().expect("a number");
    assert!((1..3600).contains(&after.parse().expect("a number")), "{after}");
    assert_eq!(body(&refused)["Message"], "ErrorCode:ThrottlingException;Throttled");
    control.shutdown();
}

/// Goal: the day is charged for what the reference charges, to the message, and a restart does not
/// forget it.
#[test]
fn a_day_is_used_up_by_what_is_charged_and_stays_so_over_a_restart() {
    let dir = TempDir::new();
    let quotas = QuotaPlan { messages_per_day: Some(4), ..QuotaPlan::default() };
    let control = open(&dir, quotas);
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/d", None, &json!({}));
    assert_eq!(used(&control), 0, "the registry costs nothing");
    assert_eq!(client.get("/twins/d").status, 200);
    let large = json!({ "tags": { "text": "x".repeat(4000), "more": "y".repeat(200) } });
    let large = client.send("PATCH", "/twins/d", None, &large);
    assert_eq!(large.status, 200, "{:?}", large.body);
    assert_eq!(used(&control), 3, "a change of more than 4 KB is two messages");
    control.shutdown();

    let control = open(&dir, quotas);
    let client = Client::new(&control, "iothubowner");
    assert_eq!(used(&control), 3);
    assert_eq!(client.send("PATCH", "/twins/d", None, &json!({ "tags": {} })).status, 200);
    let refused = client.get("/twins/d");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.headers["iothub-errorcode"], "IotHubQuotaExceeded");
    assert_eq!(client.get("/devices/d").status, 200);
    control.shutdown();
}

const CHILD_DIR: &str = "RINGHUB_TEST_QUOTA_DIR";
const DAY_OF_FOUR: QuotaPlan = QuotaPlan {
    imitated: Imitated::Nothing,
    rates: [None; OperationClass::COUNT],
    messages_per_day: Some(4),
    shaping: Shaping { burst: HOUR, wait_max: Duration::ZERO },
};

#[test]
fn the_process_that_is_killed_with_messages_left() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let config = crate::ControlPlaneConfig { quotas: DAY_OF_FOUR, ..config(dir.as_ref()) };
    let control = ControlPlane::open(&config, Arc::new(NoShards)).expect("the directory opens");
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/d", None, &json!({}));
    for _ in 0..3 {
        assert_eq!(client.get("/twins/d").status, 200);
    }
    loop {
        std::thread::park();
    }
}

/// What the file says that hubs have used; nothing while there is no file yet.
fn stored(dir: &TempDir) -> Option<i64> {
    let file = dir.path().join(REGISTRY_FILE);
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    connection.query_row("SELECT sum(messages) FROM quota_usage", [], |row| row.get(0)).ok()?
}

/// Goal: what was stored of a day is used up after a `kill -9` too. Method: another process uses
/// three messages of four, and is killed once the file says so.
#[test]
fn a_kill_gives_no_messages_anew() {
    let dir = TempDir::new();
    let mut child = this_binary("the_process_that_is_killed_with_messages_left")
        .env(CHILD_DIR, dir.path())
        .spawn()
        .expect("the test binary starts");
    while stored(&dir) != Some(3) {
        assert!(child.try_wait().expect("it is a child of this process").is_none(), "it waits");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("the process runs still");
    child.wait().expect("it is a child of this process");
    let control = open(&dir, DAY_OF_FOUR);
    let client = Client::new(&control, "iothubowner");
    assert_eq!(client.get("/twins/d").status, 200);
    assert_eq!(client.get("/twins/d").status, StatusCode::FORBIDDEN);
    control.shutdown();
}

#[test]
fn a_hub_is_like_its_own_sku_where_that_is_wanted() {
    let dir = TempDir::new();
    let sku = QuotaPlan { imitated: Imitated::Sku, ..QuotaPlan::default() };
    let control = open(&dir, sku);
    let hub = control.directory().hub(HUB).expect("it is there");
    let limit = || hub.quota().and_then(ringhub_core::quota::HubQuota::messages_per_day);
    assert_eq!(limit(), Some(400_000));
    control.shutdown();

    let basic = "B1".parse().expect("a tier");
    let control = open(&dir, QuotaPlan { imitated: Imitated::Tier(basic), ..sku });
    let client = Client::new(&control, "iothubowner");
    let refused = client.get("/twins/d");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.headers["iothub-errorcode"], "OperationNotAvailableInCurrentTier");
    assert_eq!(client.get("/devices").status, 200);
    control.shutdown();
}

#[test]
fn items_of_a_bulk_request_count() {
    let dir = TempDir::new();
    let mut quotas = QuotaPlan::default();
    quotas.rates[OperationClass::IdentityRegistry as usize] = Some(Rate { count: 3, per: HOUR });
    quotas.shaping = Shaping { burst: HOUR, wait_max: Duration::ZERO };
    let control = open(&dir, quotas);
    let client = Client::new(&control, "iothubowner");
    let item = |id: &str| json!({ "id": id, "importMode": "create" });
    let two = client.send("POST", "/devices", None, &json!([item("a"), item("b")]));
    assert_eq!(two.status, 200, "{:?}", two.body);
    assert_eq!(client.get("/devices").status, 200);
    assert_eq!(client.get("/devices").status, StatusCode::TOO_MANY_REQUESTS);
    control.shutdown();
}
