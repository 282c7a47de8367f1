//! Module identities.

use http::StatusCode;
use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use serde_json::{Value, json};

use super::devices::{authentication_json, check_same, connection_state, credentials_draft};
use super::json::{Members, parse, time_text};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::directory::{Directory, IdentityRef};
use crate::registry::{Change, EDGE_MODULES, Module, ModuleDraft, Outcome, RegistryError};
use crate::store::Store as _;

impl Api {
    pub(super) fn list_modules(
        &self,
        context: &Context,
        device: &DeviceId,
    ) -> Result<Answer, ApiError> {
        self.check_device(context.hub, device)?;
        let modules =
            self.store.modules(context.hub, device).map_err(|error| self.unreadable(&error))?;
        let body: Vec<_> = modules
            .iter()
            .map(|module| module_json(&self.directory, context.hub, module))
            .collect();
        Ok(Answer::Ready(Response::json(StatusCode::OK, &body)))
    }

    pub(super) fn show_module(
        &self,
        context: &Context,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Result<Answer, ApiError> {
        let module =
            self.store.module(context.hub, device, id).map_err(|error| self.unreadable(&error))?;
        let Some(module) = module else {
            self.check_device(context.hub, device)?;
            return Err(RegistryError::ModuleNotFound.into());
        };
        Ok(Answer::Ready(module_response(&self.directory, context.hub, &module)))
    }

    pub(super) fn put_module(
        &self,
        context: &Context,
        device: DeviceId,
        id: ModuleId,
    ) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        check_same(members.filled("deviceId")?, device.as_str())?;
        check_same(members.filled("moduleId")?, id.as_str())?;
        if EDGE_MODULES.contains(&id.as_str()) {
            self.check_device(context.hub, &device)?;
            return Err(RegistryError::SystemModule.into());
        }
        let draft = module_draft(members, device, id)?;
        let (hub, directory) = (context.hub, self.directory.clone());
        let change = Change::PutModule(hub, draft.into(), context.put_precondition());
        let map = move |outcome| match outcome {
            Outcome::Module(module) => Ok(module_response(&directory, hub, &module)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }

    pub(super) fn delete_module(
        &self,
        context: &Context,
        device: DeviceId,
        id: ModuleId,
    ) -> Result<Answer, ApiError> {
        let change = Change::DeleteModule(context.hub, device, id, context.change_precondition());
        Ok(Answer::After(change, Box::new(|_| Ok(Response::empty(StatusCode::NO_CONTENT)))))
    }

    fn check_device(&self, hub: HubId, device: &DeviceId) -> Result<(), ApiError> {
        let name = IdentityRef { device: device.as_str(), module: None };
        let found = self.directory.presence(hub, name);
        found.map(drop).ok_or_else(|| RegistryError::DeviceNotFound.into())
    }
}

/// Reads the members that a module may set.
pub(super) fn module_draft(
    members: Members<'_>,
    device: DeviceId,
    id: ModuleId,
) -> Result<ModuleDraft, ApiError> {
    let managed_by = members.text("managedBy")?.map(ToOwned::to_owned);
    Ok(ModuleDraft { device, id, managed_by, credentials: credentials_draft(members)? })
}

fn module_response(directory: &Directory, hub: HubId, module: &Module) -> Response {
    let body = module_json(directory, hub, module);
    Response::json(StatusCode::OK, &body).with_etag(&module.etag.text())
}

/// A module as clients see it; nulls are written.
///
/// Source: control-plane reference, "Modules".
pub(crate) fn module_json(directory: &Directory, hub: HubId, module: &Module) -> Value {
    let name = IdentityRef { device: module.device.as_str(), module: Some(module.id.as_str()) };
    let presence = directory.presence(hub, name).unwrap_or_default();
    let identity = Identity { device: module.device.clone(), module: Some(module.id.clone()) };
    json!({
        "moduleId": module.id.as_str(),
        "managedBy": module.managed_by,
        "deviceId": module.device.as_str(),
        "generationId": module.generation.0.to_string(),
        "etag": module.etag.text(),
        "connectionState": connection_state(presence),
        "connectionStateUpdatedTime": time_text(presence.changed),
        "lastActivityTime": time_text(presence.last_activity),
        "cloudToDeviceMessageCount": directory.queued_messages(hub, &identity),
        "authentication": authentication_json(&module.credentials),
    })
}
