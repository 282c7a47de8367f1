//! Requests to the resource provider through the whole control plane, as a shard submits them.

mod changing;
mod contract;
mod frame;
mod keys;
mod reading;
mod schema;
mod upload;

use http::header::{AUTHORIZATION, HOST, IF_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::ControlPlane;
use crate::api::tests::{body, call};
use crate::api::{Request, Response};
use crate::tests::{ADMIN_TOKEN, HOST_NAME, TempDir, open};

/// Where the hub of the configuration is.
const HUB: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ringhub/\
                   providers/Microsoft.Devices/IotHubs/hub";

const VERSION: &str = "2023-06-30";

/// A client of the provider.
struct Administrator<'c> {
    control: &'c ControlPlane,
}

impl Administrator<'_> {
    fn request(&self, verb: &str, path: &str, if_match: Option<&str>, body: &Value) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(HOST_NAME));
        let token = HeaderValue::try_from(format!("Bearer {ADMIN_TOKEN}")).expect("a header");
        headers.insert(AUTHORIZATION, token);
        if let Some(etag) = if_match {
            headers.insert(IF_MATCH, HeaderValue::try_from(etag).expect("a header"));
        }
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Request {
            method: Method::from_bytes(verb.as_bytes()).expect("a method"),
            path_and_query: format!("{path}?api-version={VERSION}"),
            headers,
            properties: Vec::new(),
            body: body.into(),
        }
    }

    fn send(&self, verb: &str, path: &str, if_match: Option<&str>, body: &Value) -> Response {
        call(self.control, self.request(verb, path, if_match, body))
    }

    fn get(&self, path: &str) -> Response {
        self.send("GET", path, None, &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, None, body)
    }

    /// The body of a good answer.
    fn read(&self, path: &str) -> Value {
        good(&self.get(path))
    }
}

/// The body of an answer, which must be good.
fn good(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{:?}", response.body);
    body(response)
}

/// Status and code of a refusal in either shape, and its text.
fn refusal(response: &Response) -> (u16, String, String) {
    let status = response.status.as_u16();
    let document = body(response);
    if let Some(error) = document.get("error") {
        let [code, message] = ["code", "message"].map(|name| error[name].as_str());
        let [code, message] = [code, message].map(|text| text.expect("a text").to_owned());
        return (status, code, message);
    }
    let number = document["code"].as_u64().expect("the code is a number");
    assert_eq!(number / 1000, u64::from(status), "{document}");
    let name = document["httpStatusCode"].as_str().expect("a name").to_owned();
    assert!(!name.contains(' ') && !name.is_empty(), "{document}");
    let message = document["message"].as_str().expect("a text").to_owned();
    assert!(message.ends_with(&format!("errorcode: IH{number}.")), "{message}");
    (status, number.to_string(), message)
}

/// Status and code of a refusal.
fn verdict(response: &Response) -> (u16, String) {
    let (status, code, _) = refusal(response);
    (status, code)
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
