//! The resource provider: hubs as resources, for administrators.
//!
//! Its paths begin with `/subscriptions` and `/providers`, under any host name of the process. The
//! token of administrators opens them and nothing else; keys of hubs do not. What clients may ask
//! of a hub itself goes on to the handlers of its REST API.
//!
//! ```text
//!  shard: token, version, path ── ProviderRequest ──▶ worker: Provider ──▶ Response
//!                                                        └── part of a hub ──▶ Api
//! ```
//!
//! Source: control-plane reference, "Resource provider (ARM)".

mod admin_token;
mod change;
mod description;
mod draft;
mod duration;
mod error;
mod governing;
mod hub_part;
mod jobs;
mod name;
mod name_check;
mod network;
mod operation;
mod operations;
mod policy;
mod properties;
mod request;
mod resource;
mod route;
mod route_test;
mod routing;
mod settings;
mod sku;
mod storage;
mod version;

use std::sync::{Arc, Mutex};

use http::StatusCode;
use ringhub_core::limits::HUBS_MAX;
use ringhub_core::quota::TierUnits;
use serde_json::{Value, json};

pub use admin_token::AdminToken;
pub(crate) use error::ProviderError;
pub(crate) use governing::Governing;
pub(crate) use request::ProviderRequest;
pub(crate) use route::is_of_provider;
pub use settings::ProviderSettings;

use crate::api::{Api, Reply, Response};
use crate::directory::Hub;
use crate::hub::HubLife;
use description::Description;
use resource::{Resource, ResourcePath};
use route::Route;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct ProviderState {
    settings: Arc<ProviderSettings>,
    hubs: Arc<HubLife>,
    /// Held from the look at an etag to the write.
    turn: Mutex<()>,
}

impl ProviderState {
    pub(crate) fn new(settings: Arc<ProviderSettings>, hubs: Arc<HubLife>) -> Self {
        Self { settings, hubs, turn: Mutex::default() }
    }
}

/// Answers requests of administrators, on the thread of a worker, which may wait for the disk.
pub(crate) struct Provider<'a> {
    pub(crate) api: &'a Api,
    pub(crate) state: &'a ProviderState,
}

/// A hub with its resource.
struct Found {
    hub: Arc<Hub>,
    resource: Resource,
}

impl Provider<'_> {
    /// Answers a request that was let in, now or from the writer's thread.
    pub(crate) fn handle(&self, request: ProviderRequest, reply: Reply) {
        let method = request.request.method.as_str();
        let answer = match (&request.route, method) {
            (Route::Part(path, part), _) => match self.find(path) {
                Ok(found) => return self.handle_part(&found, part, request.request, reply),
                Err(error) => Err(error),
            },
            (Route::Operations, "GET") => Ok(page(operations::operations())),
            (Route::Hubs { subscription, group }, "GET") => {
                Ok(page(self.descriptions(subscription, group.as_deref())))
            }
            (Route::NameCheck, "POST") => self.check_name(&request.request.body),
            (Route::Usages { subscription }, "GET") => Ok(page(self.usages(subscription))),
            (Route::OperationResult(id), "GET") => self.operation_result(id, &request.request),
            (Route::Hub(path), "GET") => self.show(path),
            (Route::Hub(path), "PUT") => self.put(path, &request.request),
            (Route::Hub(path), "PATCH") => self.patch(path, &request.request),
            (Route::Hub(path), "DELETE") => self.delete(path, &request.request),
            (route, _) => Err(ProviderError::Method(route.methods())),
        };
        reply(answer.unwrap_or_else(|error| error.response()));
    }

    fn show(&self, path: &ResourcePath) -> Result<Response, ProviderError> {
        let found = self.find(path)?;
        Ok(Response::json(StatusCode::OK, &self.describe(&found)))
    }

    fn describe(&self, found: &Found) -> Value {
        let Found { hub, resource } = found;
        Description { hub, resource, event_hub: &self.state.settings.event_hub }.json()
    }

    fn descriptions(&self, subscription: &str, group: Option<&str>) -> Vec<Value> {
        let all = self.all().filter(|found| found.resource.is_in(subscription, group));
        all.map(|found| self.describe(&found)).collect()
    }

    /// The hubs of a subscription, free ones apart from the others.
    fn usages(&self, subscription: &str) -> Vec<Value> {
        let all: Vec<_> =
            self.all().filter(|found| found.resource.is_in(subscription, None)).collect();
        let free = all.iter().filter(|found| found.resource.sku.is_free()).count();
        [
            ("FreeHubCount", "Free Hub Count", free),
            ("PaidHubCount", "Paid Hub Count", all.len() - free),
        ]
        .map(|(name, text, count)| {
            json!({
                "id": format!(
                    "/subscriptions/{subscription}/providers/Microsoft.Devices/usages/{name}"
                ),
                "type": "Microsoft.Devices/usages",
                "unit": "count",
                "currentValue": count,
                "limit": HUBS_MAX,
                "name": { "value": name, "localizedValue": text },
            })
        })
        .into()
    }

    fn all(&self) -> impl Iterator<Item = Found> {
        let hubs = self.api.directory().hubs().into_iter();
        hubs.filter_map(|hub| Resource::of(&hub).map(|resource| Found { hub, resource }))
    }

    fn find(&self, path: &ResourcePath) -> Result<Found, ProviderError> {
        let found = self.all().find(|found| found.resource.is_at(path));
        found.ok_or_else(|| ProviderError::HubNotFound(Box::new(path.clone())))
    }
}

/// The tier of a hub by its SKU.
pub(crate) fn tier_of(hub: &Hub) -> Option<TierUnits> {
    Resource::of(hub)?.sku.tier_units()
}

/// A list that has no next page.
fn page(items: Vec<Value>) -> Response {
    Response::json(StatusCode::OK, &json!({ "value": items, "nextLink": null }))
}

#[cfg(test)]
mod tests;
