//! Hubs are made, changed and deleted.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::draft::{HubDraft, is_same_location, tags};
use super::name::HubName;
use super::operation::{Operation, Verb};
use super::properties::PropertiesDraft;
use super::resource::{Resource, ResourcePath};
use super::storage::{leave_to_configuration, unmask};
use super::{Found, Governing, Provider, ProviderError};
use crate::api::{Members, Request, Response, condition, parse_body};
use crate::directory::Hub;
use crate::hub::{HubUpdate, NewHub};
use crate::registry::{Existing, Mint, RegistryError};

/// Partitions of a hub that says nothing about them, and of one that is free.
const PARTITIONS: u16 = 4;
const PARTITIONS_OF_FREE: u16 = 2;

const DAY: Duration = Duration::from_hours(24);

impl Provider<'_> {
    /// Makes a hub, or changes the one that is there. It is done when this returns.
    ///
    /// Source: control-plane reference, "Long-running operations".
    pub(super) fn put(
        &self,
        path: &ResourcePath,
        request: &Request,
    ) -> Result<Response, ProviderError> {
        let draft = HubDraft::parse(&request.body, &path.name)?;
        let _turn = self.turn();
        let (status, hub) = match self.find(path) {
            Ok(found) => (StatusCode::OK, self.update(found, draft, request)?),
            Err(ProviderError::HubNotFound(_)) => {
                (StatusCode::CREATED, self.create(path, draft, request)?)
            }
            Err(error) => return Err(error),
        };
        let mut response = Response::json(status, &self.describe(&hub));
        let Found { hub, resource } = hub;
        let operation = Operation { verb: Verb::Put, hub: hub.id };
        operation.announce(&mut response, request, &path.subscription, &resource.location);
        Ok(response)
    }

    /// Puts other tags in the place of all that a hub has.
    pub(super) fn patch(
        &self,
        path: &ResourcePath,
        request: &Request,
    ) -> Result<Response, ProviderError> {
        let body = parse_body(&request.body)?;
        let tags = tags(Members::of(&body)?)?;
        let _turn = self.turn();
        let found = self.find(path)?;
        check_etag(&found.resource, request)?;
        let resource = Resource { tags, ..found.resource };
        let hub = self.store(&found.hub, resource, HubUpdate::default())?;
        Ok(Response::json(StatusCode::OK, &self.describe(&hub)))
    }

    /// Deletes a hub. Nobody finds it any more when this returns; what it had goes afterwards.
    pub(super) fn delete(
        &self,
        path: &ResourcePath,
        request: &Request,
    ) -> Result<Response, ProviderError> {
        let _turn = self.turn();
        let found = match self.find(path) {
            Err(ProviderError::HubNotFound(_)) => {
                return Ok(Response::empty(StatusCode::NO_CONTENT));
            }
            found => found?,
        };
        if found.hub.is_configured {
            return Err(ProviderError::ConfiguredHub);
        }
        check_etag(&found.resource, request)?;
        self.state.hubs.delete(found.hub.id)?;
        let mut response = Response::json(StatusCode::ACCEPTED, &Value::Null);
        let operation = Operation { verb: Verb::Delete, hub: found.hub.id };
        operation.announce(&mut response, request, &path.subscription, &found.resource.location);
        Ok(response)
    }

    fn create(
        &self,
        path: &ResourcePath,
        draft: HubDraft,
        request: &Request,
    ) -> Result<Found, ProviderError> {
        let name = HubName::parse(&path.name)?;
        if matches!(condition(&request.headers), Some(Existing::Match(_))) {
            return Err(RegistryError::ETag.into());
        }
        if self.is_taken(&name) {
            return Err(ProviderError::NameTaken(name.to_string()));
        }
        let HubDraft { location, sku, tags, identity, properties } = draft;
        let PropertiesDraft { policies, retention, partition_count, cloud_to_device, kept } =
            properties;
        Governing::of(&kept)?;
        let usual = if sku.is_free() { PARTITIONS_OF_FREE } else { PARTITIONS };
        let partition_count = partition_count.unwrap_or(usual);
        if sku.is_free() && partition_count != PARTITIONS_OF_FREE {
            return Err(ProviderError::member("partitionCount", "a free hub has 2 partitions"));
        }
        let resource = Resource {
            subscription: path.subscription.clone(),
            group: path.group.clone(),
            name: path.name.clone(),
            location,
            sku,
            tags,
            etag: Mint::etag().map_err(|_| RegistryError::Storage)?.0,
            properties: kept,
            identity,
        };
        let new = NewHub {
            partition_count,
            retention: retention.unwrap_or(DAY),
            cloud_to_device: cloud_to_device.unwrap_or_default(),
            policies,
            resource: resource.text()?,
            ..NewHub::named(&format!("{name}.{}", self.state.settings.domain))
        };
        let hub = self.state.hubs.create(new)?;
        Ok(Found { hub, resource })
    }

    fn update(
        &self,
        found: Found,
        draft: HubDraft,
        request: &Request,
    ) -> Result<Found, ProviderError> {
        let Found { hub, resource } = found;
        check_etag(&resource, request)?;
        let HubDraft { location, sku, tags, identity, properties } = draft;
        if !is_same_location(&location, &resource.location) {
            let rule = format!("is '{}', and a hub does not move", resource.location);
            return Err(ProviderError::member("location", rule));
        }
        if sku.is_free() != resource.sku.is_free() {
            return Err(ProviderError::member("sku.name", "a free hub stays one, and others too"));
        }
        let PropertiesDraft { policies, retention, partition_count, cloud_to_device, mut kept } =
            properties;
        if partition_count.is_some_and(|count| count != hub.partition_count) {
            let rule = format!("is {} for the life of the hub", hub.partition_count);
            return Err(ProviderError::member("partitionCount", rule));
        }
        unmask(&mut kept, &resource.properties);
        if hub.is_configured {
            let shown = self.describe(&Found { hub: Arc::clone(&hub), resource: resource.clone() });
            leave_to_configuration(&mut kept, &shown["properties"])?;
        }
        Governing::of(&kept)?;
        let update =
            governing(&hub, HubUpdate { retention, cloud_to_device, policies, resource: None })?;
        let resource = Resource { sku, tags, identity, properties: kept, ..resource };
        self.store(&hub, resource, update)
    }

    fn store(
        &self,
        hub: &Hub,
        resource: Resource,
        update: HubUpdate,
    ) -> Result<Found, ProviderError> {
        let resource = Resource { etag: resource.etag.wrapping_add(1), ..resource };
        let update = HubUpdate { resource: Some(resource.text()?), ..update };
        let hub = self.state.hubs.update(hub.id, update)?;
        Ok(Found { hub, resource })
    }

    /// Held from the look at an etag to the write, so that of two changes with the same etag one is
    /// refused.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.state.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be changed of what the hub lives by. Where the configuration file decides, only what
/// it says already may be said.
fn governing(hub: &Hub, update: HubUpdate) -> Result<HubUpdate, ProviderError> {
    if !hub.is_configured {
        // What a PUT leaves out has the value of a new hub.
        return Ok(HubUpdate {
            retention: Some(update.retention.unwrap_or(DAY)),
            cloud_to_device: Some(update.cloud_to_device.unwrap_or_default()),
            ..update
        });
    }
    let properties = hub.properties();
    let days = properties.retention.as_secs().div_ceil(DAY.as_secs());
    if update.retention.is_some_and(|said| said.as_secs() != days * DAY.as_secs()) {
        let (member, key) = ("retentionTimeInDays", "hub.retention");
        return Err(ProviderError::Configured { member, key });
    }
    let present = properties.cloud_to_device;
    if let Some(said) = update.cloud_to_device {
        let differs = [
            ("cloudToDevice.defaultTtlAsIso8601", "cloud_to_device.default_ttl", {
                said.default_ttl != present.default_ttl
            }),
            ("cloudToDevice.maxDeliveryCount", "cloud_to_device.max_delivery_count", {
                said.max_delivery_count != present.max_delivery_count
            }),
            ("cloudToDevice.feedback.ttlAsIso8601", "cloud_to_device.feedback_ttl", {
                said.feedback.ttl != present.feedback.ttl
            }),
            (
                "cloudToDevice.feedback.lockDurationAsIso8601",
                "cloud_to_device.feedback_lock_duration",
                said.feedback.lock_time != present.feedback.lock_time,
            ),
            (
                "cloudToDevice.feedback.maxDeliveryCount",
                "cloud_to_device.feedback_max_delivery_count",
                said.feedback.delivery_count_max != present.feedback.delivery_count_max,
            ),
        ];
        if let Some((member, key, _)) = differs.into_iter().find(|(.., differs)| *differs) {
            return Err(ProviderError::Configured { member, key });
        }
    }
    Ok(HubUpdate { retention: None, cloud_to_device: None, ..update })
}

fn check_etag(resource: &Resource, request: &Request) -> Result<(), ProviderError> {
    match condition(&request.headers) {
        Some(Existing::Match(etag)) if etag != resource.etag_text() => {
            Err(RegistryError::ETag.into())
        }
        _ => Ok(()),
    }
}
