//! What devices say.

use serde_json::Value;

use super::UploadError;
use crate::api::{Members, parse_body};
use crate::registry::RegistryError;

/// The end of an upload, as its device tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finish {
    pub(super) correlation_id: String,
    pub(super) is_success: bool,
}

/// The name that a body gives the file.
pub(super) fn blob_name(body: &[u8]) -> Result<String, RegistryError> {
    if body.is_empty() {
        return Err(RegistryError::BodyMissing);
    }
    let body = parse_body(body)?;
    let name = Members::of(&body)?.filled("blobName")?;
    name.map(ToOwned::to_owned).ok_or(RegistryError::Argument("blobName is missing"))
}

/// The end of the upload that the path names, or the body.
pub(super) fn finish(in_path: Option<String>, body: &[u8]) -> Result<Finish, RegistryError> {
    if body.is_empty() {
        return Err(RegistryError::BodyMissing);
    }
    let body = parse_body(body)?;
    let members = Members::of(&body)?;
    let correlation_id = match in_path {
        Some(id) => id,
        None => {
            let id = members.filled("correlationId")?;
            id.ok_or(RegistryError::Argument("correlationId is missing"))?.to_owned()
        }
    };
    let is_success =
        members.get("isSuccess").and_then(Value::as_bool).ok_or(UploadError::Status)?;
    Ok(Finish { correlation_id, is_success })
}
