//! Lists page by page.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::{Value, json};

use super::{Client, TempDir, body, call, open, refused, verdict};
use crate::api::Response;

impl Client<'_> {
    /// Asks for a page of the list; `query` begins with `&`.
    fn page(&self, query: &str, size: Option<&str>, token: Option<&str>) -> Response {
        let mut request = self.request("GET", "/devices", None, &Value::Null);
        request.path_and_query += query;
        for (name, value) in [("x-ms-max-item-count", size), ("x-ms-continuation", token)] {
            if let Some(value) = value {
                let value = HeaderValue::from_str(value).expect("a header value");
                request.headers.insert(name, value);
            }
        }
        call(self.control, request)
    }

    /// All pages, as the ids on each.
    fn pages(&self, query: &str, size: &str) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut token = None;
        loop {
            let page = self.page(query, Some(size), token.as_deref());
            assert_eq!(verdict(&page).0, 200);
            pages.push(ids(&body(&page)));
            token = continuation(&page);
            if token.is_none() {
                return pages;
            }
        }
    }
}

fn continuation(page: &Response) -> Option<String> {
    let value = page.headers.get("x-ms-continuation")?;
    Some(value.to_str().expect("a token is text").to_owned())
}

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|device| device["deviceId"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn pages_hold_every_device_once_in_the_order_of_ids() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "registryRead");
    let writer = Client::new(&control, "registryReadWrite");
    assert_eq!(client.pages("", "2"), [Vec::<String>::new()], "an empty hub has one empty page");
    for id in ["b", "a", "d'", "C", "a+"] {
        writer.put(&format!("/devices/{}", id.replace('+', "%2B")), None, &json!({}));
    }
    assert_eq!(client.pages("", "2"), [vec!["C", "a"], vec!["a+", "b"], vec!["d'"]]);
    assert_eq!(client.pages("", "5"), [["C", "a", "a+", "b", "d'"]], "no empty page at the end");
    for size in ["0", "-1", "1001", "many", ""] {
        assert_eq!(client.pages("", size)[0].len(), 5, "{size:?} means the most");
    }
    let plain = client.page("&top=2", None, None);
    assert_eq!((ids(&body(&plain)).len(), continuation(&plain)), (2, None), "nobody asked");
}

#[test]
fn a_token_outlives_its_device_and_nothing_comes_twice() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    for id in ["a", "c", "e"] {
        client.put(&format!("/devices/{id}"), None, &json!({}));
    }
    let first = client.page("", Some("2"), None);
    let token = continuation(&first);
    assert_eq!(ids(&body(&first)), ["a", "c"]);
    client.send("DELETE", "/devices/c", None, &Value::Null);
    client.put("/devices/b", None, &json!({}));
    client.put("/devices/d", None, &json!({}));
    let second = client.page("", None, token.as_deref());
    assert_eq!((ids(&body(&second)), continuation(&second)), (vec!["d".into(), "e".into()], None));
}

#[test]
fn malformed_tokens_and_unknown_inclusions_are_bad_arguments() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "registryRead");
    let token = |text: &str| URL_SAFE_NO_PAD.encode(text);
    for bad in ["", "!", "abc", &token("devices:"), &token("devices:a b"), &token("query:a")] {
        let page = client.page("", None, Some(bad));
        assert_eq!(verdict(&page), refused(400, "ArgumentInvalid"), "{bad:?}");
    }
    let page = client.page("&include=twins", Some("5"), None);
    assert_eq!(verdict(&page), refused(400, "ArgumentInvalid"));
}

#[test]
fn pages_with_modules_end_where_a_device_ends() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    // Together more modules than a page holds.
    for device in 0..25 {
        client.put(&format!("/devices/d{device:02}"), None, &json!({}));
        let item =
            |module| json!({"id": format!("d{device:02}"), "moduleId": format!("m{module}")});
        let items: Vec<_> = (0..50).map(item).collect();
        assert_eq!(client.send("POST", "/devices", None, &json!(items)).status, 200);
    }
    client.put("/devices/z", None, &json!({}));
    let mut found = BTreeSet::new();
    let mut pages = 0;
    let mut token = None;
    loop {
        let page = client.page("&include=modules", Some("1000"), token.as_deref());
        pages += 1;
        for device in body(&page).as_array().expect("a list") {
            let modules = device["modules"].as_array().expect("modules").len();
            assert_eq!(modules, if device["deviceId"] == "z" { 0 } else { 50 }, "{device}");
            assert!(found.insert(device["deviceId"].to_string()), "twice: {device}");
        }
        token = continuation(&page);
        if token.is_none() {
            break;
        }
    }
    assert_eq!((found.len(), pages), (26, 2));
}
