//! Message routing in the description of a hub. Routes are checked, kept and given back; messages
//! go to the built-in endpoint.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::ProviderError;
use super::network::one_of;
use crate::api::Members;

const MEMBER: &str = "properties.routing";
/// The endpoint that every hub has, and that messages go to.
pub(super) const BUILT_IN: &str = "events";
const ENDPOINTS_MAX: usize = 10;
const ROUTES_MAX: usize = 100;
const ENRICHMENTS_MAX: usize = 10;

/// Endpoints that every hub has, and that no other may be called.
const RESERVED: [&str; 3] = [BUILT_IN, "fileNotifications", "$default"];

pub(super) const SOURCES: [&str; 6] = [
    "Invalid",
    "DeviceMessages",
    "TwinChangeEvents",
    "DeviceLifecycleEvents",
    "DeviceJobLifecycleEvents",
    "DeviceConnectionStateEvents",
];

/// Checks the routing, if there is any, and adds the fallback route that it leaves out: switched
/// off, as by the original.
///
/// # Errors
/// [`ProviderError`] that names what cannot be.
///
/// Source: control-plane reference, "IotHubDescription".
pub(super) fn complete_routing(kept: &mut Map<String, Value>) -> Result<(), ProviderError> {
    let Some(routing) = kept.get_mut("routing") else { return Ok(()) };
    let members = Members::of(routing)?;
    let endpoints = endpoints(members)?;
    let mut names = HashSet::new();
    for route in list(members.get("routes"), ROUTES_MAX, "routes")? {
        let name = check_route(Members::of(route)?, &endpoints)?;
        if !names.insert(name.to_ascii_lowercase()) {
            return refused(format!("the route '{name}' comes twice"));
        }
    }
    for enrichment in list(members.get("enrichments"), ENRICHMENTS_MAX, "enrichments")? {
        let enrichment = Members::of(enrichment)?;
        let named = [enrichment.filled("key")?, enrichment.filled("value")?];
        if named.contains(&None) {
            return refused("each enrichment has a key, a value and endpointNames");
        }
        targets(enrichment, &endpoints)?;
    }
    if members.object("fallbackRoute")?.is_none()
        && let Some(routing) = routing.as_object_mut()
    {
        routing.insert("fallbackRoute".to_owned(), fallback_route(false));
    }
    Ok(())
}

/// The route of what no other route takes.
pub(super) fn fallback_route(is_enabled: bool) -> Value {
    json!({
        "name": "$fallback",
        "source": "DeviceMessages",
        "condition": "true",
        "endpointNames": [BUILT_IN],
        "isEnabled": is_enabled,
    })
}

/// The names of all endpoints, in lower case.
pub(super) fn endpoints(members: Members<'_>) -> Result<HashSet<String>, ProviderError> {
    let mut names: HashSet<String> = [BUILT_IN.to_owned()].into();
    let kinds = members.get("endpoints").and_then(Value::as_object);
    for endpoint in kinds.into_iter().flat_map(Map::values).filter_map(Value::as_array).flatten() {
        let name = Members::of(endpoint)?.filled("name")?.unwrap_or_default();
        if !is_name(name) || RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name)) {
            return refused(format!(
                "the endpoint '{}' needs another name: 1 to 64 letters, digits and -._, and none \
                 of {}",
                name.chars().take(64).collect::<String>(),
                RESERVED.join(", ")
            ));
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return refused(format!("the endpoint '{name}' comes twice"));
        }
    }
    if names.len() > ENDPOINTS_MAX + 1 {
        return refused(format!("a hub has at most {ENDPOINTS_MAX} endpoints of its user's own"));
    }
    Ok(names)
}

/// Checks a route and gives its name.
pub(super) fn check_route<'v>(
    route: Members<'v>,
    endpoints: &HashSet<String>,
) -> Result<&'v str, ProviderError> {
    let name = route.filled("name")?.unwrap_or_default();
    if !is_name(name) {
        return refused("each route has a name of 1 to 64 letters, digits and -._");
    }
    one_of(route, "source", &SOURCES)?
        .ok_or_else(|| ProviderError::member(MEMBER, "each route has a source"))?;
    route
        .flag("isEnabled")?
        .ok_or_else(|| ProviderError::member(MEMBER, "each route has isEnabled"))?;
    targets(route, endpoints)?;
    Ok(name)
}

fn targets(members: Members<'_>, endpoints: &HashSet<String>) -> Result<(), ProviderError> {
    let names = members.get("endpointNames").and_then(Value::as_array);
    let names = names.filter(|names| !names.is_empty());
    let Some(names) = names else { return refused("endpointNames names at least one endpoint") };
    for name in names {
        let name = name.as_str().unwrap_or_default();
        if !endpoints.contains(&name.to_ascii_lowercase()) {
            let name: String = name.chars().take(64).collect();
            return refused(format!("the hub has no endpoint '{name}'"));
        }
    }
    Ok(())
}

fn list<'v>(
    value: Option<&'v Value>,
    most: usize,
    what: &str,
) -> Result<&'v [Value], ProviderError> {
    let Some(value) = value else { return Ok(&[]) };
    match value.as_array() {
        Some(items) if items.len() <= most => Ok(items),
        _ => refused(format!("{what} is a list of at most {most}")),
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn refused<T>(rule: impl Into<String>) -> Result<T, ProviderError> {
    Err(ProviderError::member(MEMBER, rule))
}
