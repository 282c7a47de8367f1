//! Tests of routes: what becomes of a message.
//!
//! Every message of a device goes to the built-in endpoint, whatever routes a description has, and
//! of other sources nothing is sent. That is what the tests say.
//!
//! Source: control-plane reference, "Route tests".

use http::StatusCode;
use serde_json::{Value, json};

use super::network::one_of;
use super::routing::{BUILT_IN, SOURCES, check_route, endpoints, fallback_route};
use super::{Found, ProviderError};
use crate::api::{Members, Response, parse_body};

const DEVICE_MESSAGES: &str = "DeviceMessages";

/// Answers which routes a message of a source takes.
pub(super) fn test_all_routes(body: &[u8]) -> Result<Response, ProviderError> {
    let body = parse_body(body)?;
    let members = Members::of(&body)?;
    let source = one_of(members, "routingSource", &SOURCES)?.unwrap_or(DEVICE_MESSAGES);
    let routes = if source.eq_ignore_ascii_case(DEVICE_MESSAGES) {
        json!([{ "properties": fallback_route(true) }])
    } else {
        json!([])
    };
    Ok(Response::json(StatusCode::OK, &json!({ "routes": routes })))
}

/// Answers whether a message takes the route in the body.
pub(super) fn test_route(found: &Found, body: &[u8]) -> Result<Response, ProviderError> {
    let body = parse_body(body)?;
    let route = Members::of(&body)?.object("route")?;
    let route = route.ok_or_else(|| ProviderError::member("route", "is required"))?;
    let known = match found.resource.properties.get("routing") {
        Some(routing) => endpoints(Members::of(routing)?)?,
        None => [BUILT_IN.to_owned()].into(),
    };
    check_route(route, &known)?;
    let (result, warning) = verdict(route)?;
    let condition = route.filled("condition")?.unwrap_or_default();
    let errors: Vec<Value> = warning
        .into_iter()
        .map(|message| {
            let end = condition.chars().count() + 1;
            json!({
                "message": message,
                "severity": "warning",
                "location": {
                    "start": { "line": 1, "column": 1 },
                    "end": { "line": 1, "column": end },
                },
            })
        })
        .collect();
    let answer = json!({ "result": result, "details": { "compilationErrors": errors } });
    Ok(Response::json(StatusCode::OK, &answer))
}

/// The result, and what is to be said to it.
fn verdict(route: Members<'_>) -> Result<(&'static str, Option<&'static str>), ProviderError> {
    let source = route.filled("source")?.unwrap_or_default();
    let condition = route.filled("condition")?.unwrap_or("true").trim();
    let targets = route.get("endpointNames").and_then(Value::as_array);
    let is_built_in =
        |name: &Value| name.as_str().is_some_and(|n| n.eq_ignore_ascii_case(BUILT_IN));
    Ok(if route.flag("isEnabled")? == Some(false) {
        ("false", None)
    } else if !source.eq_ignore_ascii_case(DEVICE_MESSAGES) {
        ("false", Some("of sources other than DeviceMessages this hub sends nothing"))
    } else if targets.is_some_and(|targets| !targets.iter().all(is_built_in)) {
        ("false", Some("this hub sends to the built-in endpoint events and to no other"))
    } else if condition.eq_ignore_ascii_case("true") {
        ("true", None)
    } else {
        let text = "conditions of routes are not evaluated: every message goes to the built-in \
                    endpoint events";
        ("undefined", Some(text))
    })
}
