//! What is true now, and long queries beside short ones.

use std::time::{Duration, Instant};

use ringhub_core::id::HubId;
use ringhub_core::limits::{QUERY_GROUP_TIME_MAX, QUERY_GROUPS_MAX, QUERY_PAGE_TIME_MAX};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::super::{Execution, Plan, Query, Sources};
use super::fleet::Asker;
use crate::api::tests::{body, verdict};
use crate::store::{REGISTRY_FILE, SqliteStore};
use crate::tests::{TempDir, open};

fn execution(query: &str) -> Execution {
    let plan = Plan::new(Query::parse(query).expect("it is a query"));
    Execution::new(HubId(0), plan, 100, None)
}

/// A connection that only reads.
fn store(dir: &TempDir) -> SqliteStore {
    let path = dir.path().join(REGISTRY_FILE);
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    SqliteStore::new(connection.expect("the registry can be read"))
}

/// Works on a query in turns of no time, each of which is one document.
fn turns(asker: &Asker<'_>, dir: &TempDir, query: &str) -> (usize, Value) {
    let mut execution = execution(query);
    let store = store(dir);
    let sources = Sources { store: &store, directory: asker.directory() };
    for turn in 1.. {
        match execution.work(sources, Duration::ZERO) {
            Ok(None) => {}
            Ok(Some(page)) => {
                assert_eq!(page.next, None, "{query}");
                return (turn, serde_json::from_str(&page.body).expect("a page is JSON"));
            }
            Err(failure) => panic!("{query}: {failure}"),
        }
    }
    unreachable!("every query ends")
}

#[test]
fn a_query_goes_on_where_its_turn_has_ended() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    for number in 0..20 {
        asker.device(&format!("d{number:02}"), &json!({"tags": {"n": number}}));
    }
    for query in [
        "SELECT deviceId FROM devices",
        "SELECT deviceId FROM devices WHERE tags.n > 17",
        "SELECT SUM(tags.n) AS s, COUNT() AS c FROM devices WHERE tags.n >= 0",
        "SELECT tags.n FROM devices GROUP BY tags.n",
    ] {
        let (turns, rows) = turns(&asker, &dir, query);
        assert!(turns >= 20, "{query} took {turns} turns");
        assert_eq!(rows, json!(asker.rows(query)), "{query}");
    }
}

#[test]
fn a_short_query_does_not_wait_for_long_ones() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    let tags = json!({"tags": {"list": vec!["x".repeat(40); 60]}});
    for number in 0..300 {
        asker.device(&format!("d{number:03}"), &tags);
    }
    // Each has to look for what is not there many times in every document.
    let slow = vec!["array_contains(tags.list, 'y')"; 200].join(" or ");
    let slow = format!("SELECT COUNT() AS n FROM devices WHERE {slow}");
    let long: Vec<_> = (0..4).map(|_| asker.begin(&slow)).collect();
    let began = Instant::now();
    assert_eq!(asker.ids("deviceId = 'd007'"), ["d007"]);
    let short = began.elapsed();
    let still = long.iter().filter(|answer| answer.is_empty()).count();
    for answer in long {
        let answer = answer.recv().expect("every query is answered");
        assert_eq!(body(&answer), json!([{"n": 0}]));
    }
    let all = began.elapsed();
    assert!(still > 0, "the long ones were too short: {short:?} of {all:?}");
}

#[test]
fn aggregates_are_bounded_and_the_bound_is_named() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    let ids: Vec<_> = (0..=QUERY_GROUPS_MAX).map(|number| format!("d{number}")).collect();
    asker.devices(&ids);
    let response = asker.page("SELECT deviceId FROM devices GROUP BY deviceId", 1, None);
    assert_eq!(verdict(&response), (400, "ArgumentInvalid".to_owned()));
    let message = body(&response)["Message"].as_str().map(ToOwned::to_owned);
    let message = message.expect("errors have a message");
    assert!(message.contains("more than 10000 groups"), "{message}");
    let store = store(&dir);
    let sources = Sources { store: &store, directory: asker.directory() };
    // As if it had worked for so long before this turn.
    let late = |query: &str, spent: Duration| {
        let mut execution = execution(query);
        execution.spent = spent + Duration::from_nanos(1);
        execution.work(sources, Duration::ZERO)
    };
    let count = "SELECT COUNT() AS n FROM devices WHERE deviceId != 'x'";
    let refused = late(count, QUERY_GROUP_TIME_MAX).expect_err("it is late");
    assert!(refused.to_string().contains("has worked for 30 s"), "{refused}");
    let rows = "SELECT deviceId FROM devices WHERE deviceId = 'd1' or tags.none = 1";
    let page = late(rows, QUERY_PAGE_TIME_MAX).expect("a page is an answer").expect("it is late");
    assert_eq!(page.body, "[]", "a page may be empty");
    assert!(page.next.is_some(), "and the next one goes on");
}
