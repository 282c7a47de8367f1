//! Twins of devices and modules, for back ends.

use http::StatusCode;
use ringhub_core::id::{HubId, Identity};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{Mode, SectionView, ServiceChange, Tags, Twin};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::devices::{authentication_json, connection_state};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::directory::{Directory, IdentityRef, Status};
use crate::registry::{Change, ChangeError, Outcome, RegistryError};
use crate::store::{ConfigurationTargets as _, TwinStore as _};
use crate::twin::{Changed, TwinChange, TwinOutcome, TwinOwner, owner};

impl Api {
    pub(super) fn show_twin(
        &self,
        context: &Context,
        identity: &Identity,
    ) -> Result<Answer, ApiError> {
        let hub = context.hub;
        let owner = owner(&self.store, hub, identity).map_err(|error| match error {
            ChangeError::Refused(why) => ApiError::Registry(why),
            ChangeError::Store(error) => self.unreadable(&error),
        })?;
        let twin = self.store.twin(hub, IdentityRef::from(identity), owner.generation());
        let twin = twin.map_err(|error| self.unreadable(&error))?;
        let configurations = self.store.configuration_statuses(hub, IdentityRef::from(identity));
        let configurations = configurations.map_err(|error| self.unreadable(&error))?;
        let shown =
            Changed { hub, identity: identity.clone(), owner, twin, desired: None, configurations };
        Ok(Answer::Ready(twin_response(&self.directory, &shown)))
    }

    pub(super) fn change_twin(
        &self,
        context: &Context,
        identity: Identity,
        mode: Mode,
    ) -> Result<Answer, ApiError> {
        let hub = context.hub;
        if context.request.body.is_empty() {
            return Err(RegistryError::BodyMissing.into());
        }
        let change = ServiceChange::parse(mode, &context.request.body);
        let change = change.map_err(RegistryError::Twin)?;
        let when = context.change_precondition();
        let directory = self.directory.clone();
        let change = Change::Twin(TwinChange::Service { hub, identity, change, when });
        let map = move |outcome| match outcome {
            Outcome::Twin(TwinOutcome::Changed(changed)) => Ok(twin_response(&directory, &changed)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }
}

fn twin_response(directory: &Directory, shown: &Changed) -> Response {
    let Changed { hub, identity, owner, twin, configurations, .. } = shown;
    let json = TwinJson::new(directory, *hub, identity, owner, twin)
        .with_configurations(configurations.as_deref());
    Response::json(StatusCode::OK, &json).with_etag(&twin.etag.text())
}

/// A twin as back ends see it; what is absent is left out.
///
/// Source: control-plane reference, "Twin document".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TwinJson<'a> {
    device_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_id: Option<&'a str>,
    etag: String,
    device_etag: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    status_update_time: String,
    connection_state: &'static str,
    last_activity_time: String,
    cloud_to_device_message_count: usize,
    authentication_type: Value,
    x509_thumbprint: Value,
    model_id: Box<str>,
    version: u64,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: &'a Tags,
    properties: Properties<'a>,
    capabilities: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    configurations: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parent_scopes: Vec<&'a str>,
}

#[derive(Serialize)]
struct Properties<'a> {
    desired: SectionView<'a>,
    reported: SectionView<'a>,
}

impl<'a> TwinJson<'a> {
    pub(crate) fn new(
        directory: &Directory,
        hub: HubId,
        identity: &'a Identity,
        owner: &'a TwinOwner,
        twin: &'a Twin,
    ) -> Self {
        let (device, module) = match owner {
            TwinOwner::Device(device) => (Some(&**device), None),
            TwinOwner::Module(module) => (None, Some(&**module)),
        };
        let (etag, credentials) = match owner {
            TwinOwner::Device(device) => (device.etag, &device.credentials),
            TwinOwner::Module(module) => (module.etag, &module.credentials),
        };
        let name = IdentityRef::from(identity);
        let presence = directory.presence(hub, name).unwrap_or_default();
        let mut authentication = authentication_json(credentials);
        let is_disabled = device.is_some_and(|device| device.status == Status::Disabled);
        Self {
            device_id: name.device,
            module_id: module.map(|module| module.id.as_str()),
            etag: twin.etag.text(),
            device_etag: etag.text(),
            status: if is_disabled { "disabled" } else { "enabled" },
            status_reason: device.and_then(|device| device.status_reason.as_deref()),
            status_update_time: twin_time_text(device.and_then(|device| device.status_updated)),
            connection_state: connection_state(presence),
            last_activity_time: twin_time_text(presence.last_activity),
            cloud_to_device_message_count: directory.queued_messages(hub, identity),
            authentication_type: authentication["type"].take(),
            x509_thumbprint: authentication["x509Thumbprint"].take(),
            model_id: directory.model(hub, name).unwrap_or_default(),
            version: twin.version(),
            tags: &twin.tags,
            properties: Properties { desired: twin.desired.view(), reported: twin.reported.view() },
            capabilities: json!({ "iotEdge": device.is_some_and(|device| device.iot_edge) }),
            configurations: None,
            device_scope: device.and_then(|device| device.device_scope.as_deref()),
            parent_scopes: device.iter().filter_map(|d| d.parent_scope.as_deref()).collect(),
        }
    }

    /// The same with what configurations have done, as the store keeps it.
    pub(crate) fn with_configurations(self, json: Option<&'a str>) -> Self {
        let configurations = json.and_then(|json| serde_json::from_str(json).ok());
        Self { configurations, ..self }
    }
}

/// A time as twins show it: "never" has a zone here.
pub(crate) fn twin_time_text(time: Option<UnixMillis>) -> String {
    time.and_then(UnixMillis::to_iso8601).unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned())
}
