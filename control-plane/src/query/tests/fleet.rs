//! A hub with a few devices, and clients that ask it.

use std::thread;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::ControlPlane;
use crate::api::Response;
use crate::api::tests::{Client, body, call, verdict};
use crate::directory::Directory;

const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
const PAGE_SIZE: HeaderName = HeaderName::from_static("x-ms-max-item-count");

/// Asks the hub as the owner of all rights.
pub(super) struct Asker<'c> {
    control: &'c ControlPlane,
    client: Client<'c>,
}

impl<'c> Asker<'c> {
    pub(super) fn new(control: &'c ControlPlane) -> Self {
        Self { control, client: Client::new(control, "iothubowner") }
    }

    /// Registers a device and gives it a twin.
    pub(super) fn device(&self, id: &str, twin: &Value) {
        self.identity(&format!("/devices/{id}"), &json!({ "deviceId": id }));
        self.change(&format!("/twins/{id}"), twin);
    }

    pub(super) fn module(&self, device: &str, id: &str, twin: &Value) {
        let identity = json!({ "deviceId": device, "moduleId": id });
        self.identity(&format!("/devices/{device}/modules/{id}"), &identity);
        self.change(&format!("/twins/{device}/modules/{id}"), twin);
    }

    pub(super) fn identity(&self, path: &str, identity: &Value) {
        assert_eq!(verdict(&self.client.put(path, None, identity)).0, 200, "{path}");
    }

    pub(super) fn change(&self, path: &str, twin: &Value) {
        let changed = self.client.send("PATCH", path, None, twin);
        assert_eq!(verdict(&changed), (200, String::new()), "{twin}");
    }

    pub(super) fn read(&self, path: &str) -> Value {
        body(&self.client.get(path))
    }

    /// Asks for the page of `size` rows that `token` names.
    pub(super) fn page(&self, query: &str, size: usize, token: Option<&HeaderValue>) -> Response {
        let mut request =
            self.client.request("POST", "/devices/query", None, &json!({ "query": query }));
        request.headers.insert(PAGE_SIZE, size.into());
        if let Some(token) = token {
            request.headers.insert(CONTINUATION, token.clone());
        }
        call(self.control, request)
    }

    /// Begins to ask for the first page; the answer comes through the channel.
    pub(super) fn begin(&self, query: &str) -> flume::Receiver<Response> {
        let request =
            self.client.request("POST", "/devices/query", None, &json!({ "query": query }));
        let (sender, receiver) = flume::bounded(1);
        self.control.submit(request, Box::new(move |response| drop(sender.send(response))));
        receiver
    }

    pub(super) fn directory(&self) -> &'c Directory {
        self.control.directory()
    }

    /// Registers devices by the hundred, without twins of their own.
    pub(super) fn devices(&self, ids: &[String]) {
        for some in ids.chunks(100) {
            self.bulk(&some.iter().map(|id| json!({ "id": id, "importMode": "create" })).collect());
        }
    }

    pub(super) fn bulk(&self, items: &Value) {
        assert_eq!(verdict(&self.client.send("POST", "/devices", None, items)).0, 200);
    }

    pub(super) fn delete(&self, path: &str) {
        assert_eq!(verdict(&self.client.send("DELETE", path, Some("\"*\""), &Value::Null)).0, 204);
    }

    /// How a query is answered.
    pub(super) fn explain(&self, query: &str) -> Value {
        let asked = json!({ "query": query, "explain": true });
        body(&self.client.send("POST", "/devices/query", None, &asked))[0].take()
    }

    /// Makes an index and gives the number of twins that its building has looked at.
    pub(super) fn index(&self, name: &str, path: &str, from: &str) -> u64 {
        self.begin_index(name, path, from);
        self.await_index(name)
    }

    pub(super) fn begin_index(&self, name: &str, path: &str, from: &str) {
        let index = json!({ "path": path, "from": from });
        let answer = self.client.put(&format!("/queryIndexes/{name}"), None, &index);
        assert_eq!(verdict(&answer), (202, String::new()), "{index}");
    }

    pub(super) fn await_index(&self, name: &str) -> u64 {
        loop {
            let index = self.read(&format!("/queryIndexes/{name}"));
            match index["state"].as_str() {
                Some("ready") => return index["twins"].as_u64().expect("a number"),
                Some("building") => thread::sleep(Duration::from_millis(1)),
                other => panic!("{name} is {other:?}"),
            }
        }
    }

    pub(super) fn drop_index(&self, name: &str) {
        self.delete(&format!("/queryIndexes/{name}"));
    }

    /// All rows of a query, in pages of `size`.
    pub(super) fn rows_by(&self, query: &str, size: usize) -> Vec<Value> {
        let (mut rows, mut token) = (Vec::new(), None);
        loop {
            let response = self.page(query, size, token.as_ref());
            assert_eq!(verdict(&response), (200, String::new()), "{query}: {response:?}");
            let Value::Array(page) = body(&response) else { panic!("a page is an array") };
            assert!(page.len() <= size, "{query}");
            rows.extend(page);
            token = token_of(&response);
            if token.is_none() {
                return rows;
            }
        }
    }

    pub(super) fn rows(&self, query: &str) -> Vec<Value> {
        self.rows_by(query, 100)
    }

    /// Ids of the devices of a query, in order.
    pub(super) fn ids(&self, condition: &str) -> Vec<String> {
        let rows = self.rows(&format!("SELECT deviceId FROM devices WHERE {condition}"));
        let id = |row: &Value| row["deviceId"].as_str().expect("devices have ids").to_owned();
        rows.iter().map(id).collect()
    }
}

pub(super) fn token_of(response: &Response) -> Option<HeaderValue> {
    response.headers.get(CONTINUATION).cloned()
}

/// Value of `x-ms-item-type`.
pub(super) fn item_type(response: &Response) -> &str {
    let header = response.headers.get("x-ms-item-type").expect("every page says what it has");
    header.to_str().expect("it is text")
}
