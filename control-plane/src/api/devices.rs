//! Device identities.

use http::StatusCode;
use ringhub_core::auth::KeyPair;
use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::limits::STATUS_REASON_CHARS_MAX;
use serde_json::{Value, json};

use super::json::{Members, parse, time_text};
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::credentials::Credentials;
use crate::directory::{Directory, IdentityRef, Presence, Status};
use crate::registry::{
    AuthenticationKind, AuthenticationText, Change, CredentialsDraft, Device, DeviceDraft, Outcome,
    RegistryError,
};
use crate::store::{Store as _, StoreError};

impl Api {
    pub(super) fn show_device(&self, context: &Context, id: &DeviceId) -> Result<Answer, ApiError> {
        let device = self.store.device(context.hub, id).map_err(|error| self.unreadable(&error))?;
        let device = device.ok_or(RegistryError::DeviceNotFound)?;
        Ok(Answer::Ready(device_response(&self.directory, context.hub, &device)))
    }

    pub(super) fn put_device(&self, context: &Context, id: DeviceId) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let members = Members::of(&body)?;
        check_same(members.filled("deviceId")?, id.as_str())?;
        let draft = device_draft(members, id)?;
        let (hub, directory) = (context.hub, self.directory.clone());
        let change = Change::PutDevice(hub, draft.into(), context.put_precondition());
        let map = move |outcome| match outcome {
            Outcome::Device(device) => Ok(device_response(&directory, hub, &device)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }

    pub(super) fn delete_device(
        &self,
        context: &Context,
        id: DeviceId,
    ) -> Result<Answer, ApiError> {
        let change = Change::DeleteDevice(context.hub, id, context.change_precondition());
        Ok(Answer::After(change, Box::new(|_| Ok(Response::empty(StatusCode::NO_CONTENT)))))
    }

    /// A failed read; the reason, with file and remedy, is for the log only.
    pub(super) fn unreadable(&self, error: &StoreError) -> ApiError {
        let error = self.store.explain(error);
        tracing::error!(%error, "the registry could not be read");
        RegistryError::Storage.into()
    }
}

/// An id in the body must be the one of the path.
pub(super) fn check_same(body: Option<&str>, path: &str) -> Result<(), ApiError> {
    match body {
        Some(id) if id != path => {
            Err(RegistryError::Argument("the ids of path and body differ").into())
        }
        _ => Ok(()),
    }
}

/// Reads the members that a device may set; the others are the hub's.
///
/// Source: control-plane reference, "Device object".
pub(super) fn device_draft(members: Members<'_>, id: DeviceId) -> Result<DeviceDraft, ApiError> {
    let status_reason = members.text("statusReason")?.map(ToOwned::to_owned);
    if status_reason.as_ref().is_some_and(|text| text.chars().count() > STATUS_REASON_CHARS_MAX) {
        return Err(RegistryError::Argument("statusReason has more than 128 characters").into());
    }
    let capabilities = members.object("capabilities")?;
    Ok(DeviceDraft {
        id,
        status: status(members.filled("status")?)?,
        status_reason,
        credentials: credentials_draft(members)?,
        iot_edge: capabilities.map(|members| members.flag("iotEdge")).transpose()?.flatten(),
        device_scope: members.text("deviceScope")?.map(ToOwned::to_owned),
        parent_scope: parent_scope(members)?,
    })
}

fn status(text: Option<&str>) -> Result<Status, ApiError> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("enabled") => Ok(Status::Enabled),
        Some("disabled") => Ok(Status::Disabled),
        Some(_) => Err(RegistryError::Argument("status is enabled or disabled").into()),
    }
}

fn parent_scope(members: Members<'_>) -> Result<Option<String>, ApiError> {
    const SHAPE: RegistryError = RegistryError::Argument("parentScopes holds at most one text");
    match members.get("parentScopes").map(Value::as_array) {
        None => Ok(None),
        Some(Some(scopes)) if scopes.is_empty() => Ok(None),
        Some(Some(scopes)) if scopes.len() == 1 => {
            let scope = scopes[0].as_str().ok_or(SHAPE)?;
            Ok(Some(scope.to_owned()).filter(|scope| !scope.is_empty()))
        }
        Some(_) => Err(SHAPE.into()),
    }
}

/// Reads `authentication`; `None` when there is none.
pub(super) fn credentials_draft(
    members: Members<'_>,
) -> Result<Option<CredentialsDraft>, ApiError> {
    let Some(authentication) = members.object("authentication")? else { return Ok(None) };
    let keys = authentication.object("symmetricKey")?;
    let thumbprints = authentication.object("x509Thumbprint")?;
    let text = |object: Option<Members<'_>>, name| match object {
        None => Ok::<_, RegistryError>(None),
        Some(object) => object.text(name).map(|text| text.map(ToOwned::to_owned)),
    };
    let [primary_key, secondary_key] = [text(keys, "primaryKey")?, text(keys, "secondaryKey")?];
    let [primary_thumbprint, secondary_thumbprint] =
        [text(thumbprints, "primaryThumbprint")?, text(thumbprints, "secondaryThumbprint")?];
    let texts = AuthenticationText {
        kind: authentication.filled("type")?.map(kind).transpose()?,
        primary_key: primary_key.as_deref(),
        secondary_key: secondary_key.as_deref(),
        primary_thumbprint: primary_thumbprint.as_deref(),
        secondary_thumbprint: secondary_thumbprint.as_deref(),
    };
    Ok(Some(texts.resolve()?))
}

fn kind(text: &str) -> Result<AuthenticationKind, ApiError> {
    match text.to_ascii_lowercase().as_str() {
        "sas" => Ok(AuthenticationKind::Sas),
        "selfsigned" => Ok(AuthenticationKind::SelfSigned),
        "certificateauthority" => Ok(AuthenticationKind::CertificateAuthority),
        "none" => Ok(AuthenticationKind::None),
        _ => Err(RegistryError::Argument("the authentication type is unknown").into()),
    }
}

fn device_response(directory: &Directory, hub: HubId, device: &Device) -> Response {
    let body = device_json(directory, hub, device);
    Response::json(StatusCode::OK, &body).with_etag(&device.etag.text())
}

/// A device as clients see it; nulls are written.
///
/// Source: control-plane reference, "Device object".
pub(crate) fn device_json(directory: &Directory, hub: HubId, device: &Device) -> Value {
    let name = IdentityRef { device: device.id.as_str(), module: None };
    let presence = directory.presence(hub, name).unwrap_or_default();
    let identity = Identity { device: device.id.clone(), module: None };
    let parents: Vec<_> = device.parent_scope.iter().collect();
    json!({
        "deviceId": device.id.as_str(),
        "generationId": device.generation.0.to_string(),
        "etag": device.etag.text(),
        "connectionState": connection_state(presence),
        "status": match device.status {
            Status::Enabled => "enabled",
            Status::Disabled => "disabled",
        },
        "statusReason": device.status_reason,
        "connectionStateUpdatedTime": time_text(presence.changed),
        "statusUpdatedTime": time_text(device.status_updated),
        "lastActivityTime": time_text(presence.last_activity),
        "cloudToDeviceMessageCount": directory.queued_messages(hub, &identity),
        "authentication": authentication_json(&device.credentials),
        "capabilities": { "iotEdge": device.iot_edge },
        "deviceScope": device.device_scope,
        "parentScopes": parents,
    })
}

pub(crate) fn connection_state(presence: Presence) -> &'static str {
    if presence.seat.is_some() { "Connected" } else { "Disconnected" }
}

/// Source: control-plane reference, "Authentication object".
pub(crate) fn authentication_json(credentials: &Credentials) -> Value {
    let (kind, keys, thumbprints) = match credentials {
        Credentials::Keys(keys) => ("sas", Some(keys), None),
        Credentials::Thumbprints(pair) => ("selfSigned", None, Some(pair)),
        Credentials::CertificateAuthority => ("certificateAuthority", None, None),
        Credentials::None => ("none", None, None),
    };
    json!({
        "symmetricKey": {
            "primaryKey": keys.map(KeyPair::primary_text),
            "secondaryKey": keys.map(KeyPair::secondary_text),
        },
        "x509Thumbprint": {
            "primaryThumbprint": thumbprints.map(|pair| &pair.primary),
            "secondaryThumbprint": thumbprints.and_then(|pair| pair.secondary.as_ref()),
        },
        "type": kind,
    })
}
