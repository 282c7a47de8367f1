//! Bulk changes of identities.

use std::collections::HashSet;

use http::StatusCode;
use ringhub_core::id::{DeviceId, HubId, ModuleId};
use ringhub_core::limits::BULK_ITEMS_MAX;
use serde_json::{Value, json};

use super::devices::device_draft;
use super::json::{Members, parse};
use super::modules::module_draft;
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::registry::{Change, Existing, Missing, Outcome, Precondition, RegistryError};

/// How one item of the list is called in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ItemName {
    device: String,
    module: Option<String>,
}

/// An item of the list, read as far as it could be.
struct Item {
    name: ItemName,
    mode: String,
    /// A twin came with the item and is not stored.
    has_twin: bool,
    change: Result<Change, RegistryError>,
}

impl Api {
    pub(super) fn bulk_devices(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let list = body.as_array().ok_or(RegistryError::Argument("the body must be an array"))?;
        if list.is_empty() {
            return Err(RegistryError::BodyMissing.into());
        }
        if list.len() > BULK_ITEMS_MAX {
            return Err(ApiError::TooManyItems);
        }
        let items: Vec<_> =
            list.iter().map(|value| item(context.hub, value)).collect::<Result<_, _>>()?;
        let mut seen = HashSet::new();
        if let Some(twice) = items.iter().find(|item| !seen.insert(&item.name)) {
            return Err(ApiError::DuplicateItem(twice.name.device.clone()));
        }
        let change = Change::Bulk(items.iter().map(|item| item.change.clone()).collect());
        let map = move |outcome| match outcome {
            Outcome::Bulk(refusals) => Ok(bulk_response(&items, &refusals)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }
}

/// Reads one item. A fault in it is the item's, except when it has no name to report it under.
fn item(hub: HubId, value: &Value) -> Result<Item, ApiError> {
    let members = Members::of(value)?;
    let device = members.text("id")?.ok_or(RegistryError::Argument("an item has no id"))?;
    let module = members.text("moduleId")?.filter(|id| !id.is_empty());
    let mode = members.text("importMode")?.unwrap_or("create");
    let has_twin = members.get("tags").is_some() || members.get("properties").is_some();
    let change = change(hub, members, (device, module), mode).map_err(|error| match error {
        ApiError::Registry(error) => error,
        _ => RegistryError::Argument("the item cannot be understood"),
    });
    let name = ItemName { device: device.to_owned(), module: module.map(ToOwned::to_owned) };
    Ok(Item { name, mode: mode.to_owned(), has_twin, change })
}

/// Source: control-plane reference, "Bulk".
fn change(
    hub: HubId,
    members: Members<'_>,
    (device, module): (&str, Option<&str>),
    mode: &str,
) -> Result<Change, ApiError> {
    let device = DeviceId::parse(device).map_err(RegistryError::Id)?;
    let module = module.map(ModuleId::parse).transpose().map_err(RegistryError::Id)?;
    let etag = match members.text("eTag")?.map(|text| text.trim_matches('"')) {
        None | Some("*") => Existing::Overwrite,
        Some(etag) => Existing::Match(etag.to_owned()),
    };
    let (missing, existing) = match mode.to_ascii_lowercase().as_str() {
        "create" => (Missing::Create, Existing::Refuse),
        "update" => (Missing::Refuse, Existing::Overwrite),
        "updateifmatchetag" => (Missing::Refuse, etag),
        "createorupdate" => (Missing::Create, Existing::Overwrite),
        "createorupdateifmatchetag" => (Missing::Create, etag),
        "delete" => return Ok(delete(hub, device, module, Existing::Overwrite)),
        "deleteifmatchetag" => return Ok(delete(hub, device, module, etag)),
        _ => return Err(RegistryError::Argument("the importMode is unknown").into()),
    };
    let when = Precondition { missing, existing };
    Ok(match module {
        None => Change::PutDevice(hub, device_draft(members, device)?, when),
        Some(module) => Change::PutModule(hub, module_draft(members, device, module)?, when),
    })
}

fn delete(hub: HubId, device: DeviceId, module: Option<ModuleId>, when: Existing) -> Change {
    match module {
        None => Change::DeleteDevice(hub, device, when),
        Some(module) => Change::DeleteModule(hub, device, module, when),
    }
}

fn bulk_response(items: &[Item], refusals: &[Option<RegistryError>]) -> Response {
    let results = || items.iter().zip(refusals);
    let errors: Vec<_> = results()
        .filter_map(|(item, refusal)| {
            let error = refusal.as_ref()?;
            Some(json!({
                "deviceId": item.name.device,
                "moduleId": item.name.module,
                "errorCode": error.code().name,
                "errorStatus": error.to_string(),
                "operation": item.mode,
            }))
        })
        .collect();
    let warnings: Vec<_> = results()
        .filter(|(item, refusal)| item.has_twin && refusal.is_none())
        .map(|(item, _)| {
            json!({
                "deviceId": item.name.device,
                "warningCode": "DeviceRegisteredWithoutTwin",
                "warningStatus": "the twin of the item was not stored",
            })
        })
        .collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let body = json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": warnings });
    Response::json(status, &body)
}
