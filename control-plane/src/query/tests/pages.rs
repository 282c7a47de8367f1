//! Pages and the tokens between them.

use http::HeaderValue;
use serde_json::{Value, json};

use super::fleet::{Asker, token_of};
use crate::api::tests::{body, verdict};
use crate::tests::{TempDir, open};

fn numbered(asker: &Asker<'_>, count: usize) {
    for number in 0..count {
        let id = format!("d{number:03}");
        asker.device(&id, &json!({"tags": {"n": number, "even": number % 2 == 0}}));
    }
}

#[test]
fn pages_of_any_size_have_every_row_once_and_in_order() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    numbered(&asker, 12);
    for id in ["d003", "d007"] {
        for module in ["a", "b", "c"] {
            asker.module(id, module, &json!({"tags": {"m": module}}));
        }
    }
    for query in [
        "SELECT * FROM devices",
        "SELECT deviceId FROM devices WHERE tags.even",
        "SELECT TOP 7 deviceId FROM devices",
        "SELECT deviceId FROM devices WHERE deviceId IN ['d011', 'd001', 'no', 'd005']",
        "SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, 'd00')",
        "SELECT deviceId, moduleId FROM devices.modules",
        "SELECT moduleId FROM devices.modules WHERE deviceId >= 'd007'",
        "SELECT tags.n, COUNT() AS c FROM devices GROUP BY tags.n",
        "SELECT TOP 5 tags.n FROM devices GROUP BY tags.n",
    ] {
        let whole = asker.rows(query);
        assert!(whole.len() >= 3, "{query}");
        for size in 1..=13 {
            assert_eq!(asker.rows_by(query, size), whole, "{query} by {size}");
        }
    }
    // The last page has no token, also when it is full.
    let exactly = asker.page("SELECT deviceId FROM devices", 12, None);
    assert_eq!(token_of(&exactly), None);
}

#[test]
fn what_comes_and_goes_between_pages_moves_nothing_else() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    numbered(&asker, 9);
    let query = "SELECT deviceId FROM devices";
    let first = asker.page(query, 5, None);
    asker.device("d001a", &json!({}));
    asker.device("d006a", &json!({}));
    let client = crate::api::tests::Client::new(&control, "iothubowner");
    for gone in ["d004", "d007"] {
        let deleted = client.send("DELETE", &format!("/devices/{gone}"), None, &Value::Null);
        assert_eq!(verdict(&deleted).0, 204);
    }
    control.shutdown();
    // Tokens survive a restart.
    let control = open(&dir);
    let asker = Asker::new(&control);
    let second = body(&asker.page(query, 100, token_of(&first).as_ref()));
    let ids = ["d005", "d006", "d006a", "d008"].map(|id| json!({"deviceId": id}));
    assert_eq!(second, json!(ids));
}

#[test]
fn tokens_of_other_queries_and_forged_ones_are_refused() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    numbered(&asker, 3);
    let query = "SELECT deviceId FROM devices";
    let token = token_of(&asker.page(query, 1, None)).expect("there are more rows");
    let refused = (400, "ArgumentInvalid".to_owned());
    for other in ["SELECT deviceId FROM devices ", "SELECT * FROM devices.modules"] {
        assert_eq!(verdict(&asker.page(other, 1, Some(&token))), refused);
    }
    let text = token.to_str().expect("it is text");
    for at in 0..text.len() {
        let mut forged = text.as_bytes().to_vec();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = HeaderValue::from_bytes(&forged).expect("still text");
        assert_eq!(verdict(&asker.page(query, 1, Some(&forged))), refused, "{forged:?}");
    }
    for forged in ["x", "====", "AAAA", &"A".repeat(600)] {
        let forged = HeaderValue::from_str(forged).expect("it is text");
        assert_eq!(verdict(&asker.page(query, 1, Some(&forged))), refused, "{forged:?}");
    }
    // An empty token is none, as some clients send it.
    let empty = HeaderValue::from_static("");
    assert_eq!(body(&asker.page(query, 9, Some(&empty))).as_array().map(Vec::len), Some(3));
    let other_dir = TempDir::new();
    let other_hub = open(&other_dir);
    assert_eq!(verdict(&Asker::new(&other_hub).page(query, 1, Some(&token))), refused);
}

#[test]
fn a_page_has_at_most_a_hundred_rows() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    for number in 0..103 {
        let id = format!("d{number:03}");
        asker.identity(&format!("/devices/{id}"), &json!({"deviceId": id}));
    }
    for size in [0, 101, 5000] {
        let page = body(&asker.page("SELECT deviceId FROM devices", size, None));
        assert_eq!(page.as_array().map(Vec::len), Some(100), "{size}");
    }
}
