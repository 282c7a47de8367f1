//! What belongs to one hub.

use http::{Method, StatusCode};
use ringhub_core::limits::{DEVICES_PER_HUB_MAX, LOCATION_CHARS_MAX};
use ringhub_core::quota::Day;
use serde_json::{Value, json};

use super::route::Part;
use super::route_test::{test_all_routes, test_route};
use super::{Found, Provider, ProviderError, page};
use crate::api::{Context, Members, Reply, Request, Resource, Response, parse_body, policy_json};
use crate::clock;
use crate::registry::RegistryError;

/// Arrays of `routing.endpoints` that hold endpoints of the user's own.
const ENDPOINTS: &str = "endpoints";

impl Provider<'_> {
    /// Answers what is asked of a hub, or hands it to the handlers of its API.
    pub(super) fn handle_part(&self, found: &Found, part: &Part, request: Request, reply: Reply) {
        if !part.methods().split(", ").any(|method| method == request.method.as_str()) {
            return reply(ProviderError::Method(part.methods()).response());
        }
        if let Part::JobOf(kind) = part {
            return self.make_job(found, *kind, &request.body, reply);
        }
        if let Some(resource) = resource_of(part) {
            let path = found.resource.path().to_string();
            let context = Context::of_provider(found.hub.id, resource, request, path);
            return self.api.handle(&context, reply);
        }
        let answer = self.own_part(found, part, &request);
        reply(answer.unwrap_or_else(|error| error.response()));
    }

    fn own_part(
        &self,
        found: &Found,
        part: &Part,
        request: &Request,
    ) -> Result<Response, ProviderError> {
        match part {
            Part::Key(name) => {
                let policy = found.hub.policy(name).ok_or(RegistryError::PolicyNotFound)?;
                Ok(Response::json(StatusCode::OK, &policy_json(&policy)))
            }
            Part::Skus => Ok(page(found.resource.sku.choices())),
            Part::QuotaMetrics => Ok(page(self.quota_metrics(found))),
            Part::EndpointsHealth => Ok(page(endpoints_health(found))),
            Part::Jobs => self.list_jobs(found),
            Part::Job(id) => self.show_job(found, id),
            Part::RoutesTest => test_all_routes(&request.body),
            Part::RouteTest => test_route(found, &request.body),
            Part::Failover => fail_over(found, &request.body),
            Part::PrivateLinkResources => {
                Ok(Response::json(StatusCode::OK, &json!({ "value": [] })))
            }
            // A list of this is the array itself.
            Part::PrivateEndpointConnections => Ok(Response::json(StatusCode::OK, &json!([]))),
            Part::PrivateEndpointConnection(_) if request.method == Method::DELETE => {
                Ok(Response::empty(StatusCode::NO_CONTENT))
            }
            Part::PrivateLinkResource(name) | Part::PrivateEndpointConnection(name) => {
                Err(ProviderError::NoPrivateLink(name.chars().take(64).collect()))
            }
            _ => Err(ProviderError::Path),
        }
    }

    fn quota_metrics(&self, found: &Found) -> Vec<Value> {
        let devices = self.api.directory().counts(found.hub.id).devices;
        let metric = |name: &str, value: u64, most: u64| json!({ "name": name, "currentValue": value, "maxValue": most });
        // Nothing counts messages for a day where nothing limits them.
        let messages = found.hub.quota().and_then(|quota| {
            let used = quota.used(Day::of(clock::now())).messages;
            Some(metric("TotalMessages", used, quota.messages_per_day()?))
        });
        let devices = metric("TotalDeviceCount", devices, DEVICES_PER_HUB_MAX);
        messages.into_iter().chain([devices]).collect()
    }
}

/// Endpoints of the user's own are kept and not used, so nobody knows how they are.
fn endpoints_health(found: &Found) -> Vec<Value> {
    let routing = found.resource.properties.get("routing");
    let kinds = routing.and_then(|routing| routing.get(ENDPOINTS)).and_then(Value::as_object);
    let named = kinds.into_iter().flat_map(|kinds| kinds.values()).filter_map(Value::as_array);
    let ids = named.flatten().filter_map(|endpoint| {
        endpoint.get("id").or_else(|| endpoint.get("name")).and_then(Value::as_str)
    });
    ids.map(|id| json!({ "endpointId": id, "healthStatus": "unknown" })).collect()
}

/// Refuses: the hub is where the process is.
fn fail_over(found: &Found, body: &[u8]) -> Result<Response, ProviderError> {
    let body = parse_body(body)?;
    let region = Members::of(&body)?.filled("failoverRegion")?.unwrap_or_default();
    let region: String = region.chars().take(LOCATION_CHARS_MAX).collect();
    let rule = format!(
        "'{region}' is no location of the hub: it has '{}' and no second one; `ringhub backup` and \
         `ringhub restore` bring a data directory to another machine",
        found.resource.location
    );
    Err(ProviderError::member("failoverRegion", rule))
}

/// What the REST API of the hub calls it.
fn resource_of(part: &Part) -> Option<Resource> {
    Some(match part {
        Part::Keys => Resource::Policies,
        Part::Statistics => Resource::DeviceStatistics,
        Part::ConsumerGroups => Resource::ConsumerGroups,
        Part::ConsumerGroup(name) => Resource::ConsumerGroup(name.clone()),
        Part::Certificates => Resource::Certificates,
        Part::Certificate(name) => Resource::Certificate(name.clone()),
        Part::VerificationCode(name) => Resource::VerificationCode(name.clone()),
        Part::Verification(name) => Resource::Verification(name.clone()),
        _ => return None,
    })
}
