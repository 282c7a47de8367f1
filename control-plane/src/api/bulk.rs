//! Bulk changes of identities and their twins.

use std::collections::HashSet;

use http::StatusCode;
use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::limits::BULK_ITEMS_MAX;
use ringhub_core::twin::{Mode, ServiceChange};
use serde_json::{Map, Value, json};

use super::devices::device_draft;
use super::json::{Members, parse};
use super::modules::module_draft;
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::registry::{
    BulkChange, Change, Existing, ItemOutcome, Missing, Outcome, Precondition, RegistryError,
};
use crate::twin::TwinChange;

/// How one item of a list is called in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ItemName {
    pub(super) device: String,
    pub(super) module: Option<String>,
}

/// An item of the list, read as far as it could be.
struct Item {
    name: ItemName,
    mode: String,
    change: Result<BulkChange, RegistryError>,
}

impl Api {
    pub(super) fn bulk_devices(&self, context: &Context) -> Result<Answer, ApiError> {
        let body = parse(&context.request.body)?;
        let list = items(&body)?;
        let items = list.iter().map(|value| item(context.hub, value));
        let items: Vec<_> = items.collect::<Result<_, _>>()?;
        check_once(items.iter().map(|item| &item.name))?;
        let take_apart = |item: Item| ((item.name, item.mode), item.change);
        let (names, changes): (Vec<_>, _) = items.into_iter().map(take_apart).unzip();
        let map = move |outcome| match outcome {
            Outcome::Bulk(outcomes) => Ok(bulk_response(&names, &outcomes)),
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(Change::Bulk(changes), Box::new(map)))
    }
}

/// The items of a list that is neither empty nor too long.
pub(super) fn items(list: &Value) -> Result<&[Value], ApiError> {
    match list.as_array().map(Vec::as_slice) {
        None => Err(RegistryError::Argument("the items must be an array").into()),
        Some([]) => Err(RegistryError::BodyMissing.into()),
        Some(items) if items.len() > BULK_ITEMS_MAX => Err(ApiError::TooManyItems),
        Some(items) => Ok(items),
    }
}

/// An identity may stand in a list once.
pub(super) fn check_once<'a>(names: impl Iterator<Item = &'a ItemName>) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(ApiError::DuplicateItem(twice.device.clone())),
        None => Ok(()),
    }
}

impl ItemName {
    pub(super) fn read(members: Members<'_>) -> Result<Self, ApiError> {
        let device = members.text("id")?.ok_or(RegistryError::Argument("an item has no id"))?;
        let module = members.filled("moduleId")?;
        Ok(Self { device: device.to_owned(), module: module.map(ToOwned::to_owned) })
    }

    pub(super) fn identity(&self) -> Result<Identity, RegistryError> {
        let module = self.module.as_deref().map(ModuleId::parse).transpose()?;
        Ok(Identity { device: DeviceId::parse(&self.device)?, module })
    }
}

/// Reads one item. A fault in it is the item's, except when it has no name to report it under.
fn item(hub: HubId, value: &Value) -> Result<Item, ApiError> {
    let members = Members::of(value)?;
    let name = ItemName::read(members)?;
    let mode = members.filled("importMode")?.unwrap_or("create");
    let change = name.identity().map_err(ApiError::from);
    let change = change.and_then(|identity| change_of(hub, members, identity, mode));
    let change = change.map_err(|error| match error {
        ApiError::Registry(error) => error,
        _ => RegistryError::Argument("the item cannot be understood"),
    });
    Ok(Item { name, mode: mode.to_owned(), change })
}

/// Source: control-plane reference, "Bulk".
fn change_of(
    hub: HubId,
    members: Members<'_>,
    identity: Identity,
    mode: &str,
) -> Result<BulkChange, ApiError> {
    let when = |member| match members.text(member)?.map(|text| text.trim_matches('"')) {
        None | Some("" | "*") => Ok::<_, ApiError>(Existing::Overwrite),
        Some(etag) => Ok(Existing::Match(etag.to_owned())),
    };
    let put = |missing, existing| put(hub, members, &identity, Precondition { missing, existing });
    match mode.to_ascii_lowercase().as_str() {
        "create" => put(Missing::Create, Existing::Refuse),
        "update" => put(Missing::Refuse, Existing::Overwrite),
        "updateifmatchetag" => put(Missing::Refuse, when("eTag")?),
        "createorupdate" => put(Missing::Create, Existing::Overwrite),
        "createorupdateifmatchetag" => put(Missing::Create, when("eTag")?),
        "delete" => Ok(delete(hub, identity, Existing::Overwrite)),
        "deleteifmatchetag" => Ok(delete(hub, identity, when("eTag")?)),
        "updatetwin" => twin_alone(hub, members, identity, Existing::Overwrite),
        "updatetwinifmatchetag" => twin_alone(hub, members, identity, when("twinETag")?),
        _ => Err(RegistryError::Argument("the importMode is unknown").into()),
    }
}

/// Identity and, if one is given, twin take the place of what is there.
fn put(
    hub: HubId,
    members: Members<'_>,
    identity: &Identity,
    when: Precondition,
) -> Result<BulkChange, ApiError> {
    let twin = twin_change(members, Mode::Replace)?.map(|change| {
        let when = Existing::Overwrite;
        TwinChange::Service { hub, identity: identity.clone(), change, when }
    });
    let Identity { device, module } = identity.clone();
    let change = match module {
        None => Change::PutDevice(hub, device_draft(members, device)?.into(), when),
        Some(module) => Change::PutModule(hub, module_draft(members, device, module)?.into(), when),
    };
    Ok(BulkChange { change, twin })
}

fn delete(hub: HubId, Identity { device, module }: Identity, when: Existing) -> BulkChange {
    let change = match module {
        None => Change::DeleteDevice(hub, device, when),
        Some(module) => Change::DeleteModule(hub, device, module, when),
    };
    BulkChange { change, twin: None }
}

fn twin_alone(
    hub: HubId,
    members: Members<'_>,
    identity: Identity,
    when: Existing,
) -> Result<BulkChange, ApiError> {
    let change = twin_change(members, Mode::Merge)?;
    let change = change.ok_or(RegistryError::Argument("the item has neither tags nor desired"))?;
    let change = Change::Twin(TwinChange::Service { hub, identity, change, when });
    Ok(BulkChange { change, twin: None })
}

/// What an item says about the twin; `None` when it says nothing.
fn twin_change(members: Members<'_>, mode: Mode) -> Result<Option<ServiceChange>, ApiError> {
    let given = |name: &str| Some((name.to_owned(), members.get(name)?.clone()));
    let body: Map<_, _> = ["tags", "properties"].into_iter().filter_map(given).collect();
    if body.is_empty() {
        return Ok(None);
    }
    Ok(Some(ServiceChange::of(mode, body).map_err(RegistryError::Twin)?))
}

fn bulk_response(names: &[(ItemName, String)], outcomes: &[ItemOutcome]) -> Response {
    let results = || names.iter().zip(outcomes);
    let error = |((name, mode), outcome): (&(ItemName, String), &ItemOutcome)| {
        let error = outcome.identity.as_ref().err()?;
        Some(json!({
            "deviceId": name.device,
            "moduleId": name.module,
            "errorCode": error.code().name,
            "errorStatus": error.to_string(),
            "operation": mode,
        }))
    };
    let warning = |((name, _), outcome): (&(ItemName, String), &ItemOutcome)| {
        let error = outcome.twin.as_ref()?.as_ref().err()?;
        Some(json!({
            "deviceId": name.device,
            "warningCode": "DeviceRegisteredWithoutTwin",
            "warningStatus": error.to_string(),
        }))
    };
    let errors: Vec<_> = results().filter_map(error).collect();
    let warnings: Vec<_> = results().filter_map(warning).collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let body = json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": warnings });
    Response::json(status, &body)
}
