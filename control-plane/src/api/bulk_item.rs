//! One item of a list of changes, and one line of a file that is imported.

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};
use ringhub_core::twin::{Mode, ServiceChange};
use serde_json::{Map, Value};

use super::ApiError;
use super::devices::device_draft;
use super::json::Members;
use super::modules::module_draft;
use crate::identity_file::ImportMode;
use crate::registry::{BulkChange, Change, Existing, Missing, Precondition, RegistryError};
use crate::twin::TwinChange;

/// How one item of a list is called in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ItemName {
    pub(crate) device: String,
    pub(crate) module: Option<String>,
}

/// An item, read as far as it could be.
pub(crate) struct BulkItem {
    pub(crate) name: ItemName,
    /// As it was written.
    pub(crate) mode: String,
    pub(crate) change: Result<BulkChange, RegistryError>,
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

impl BulkItem {
    /// Reads one item; where it says no mode, `default` counts. A fault in it is the item's, except
    /// when it has no name to report it under.
    pub(crate) fn read(hub: HubId, value: &Value, default: ImportMode) -> Result<Self, ApiError> {
        let members = Members::of(value)?;
        let name = ItemName::read(members)?;
        let mode = members.filled("importMode")?.unwrap_or_else(|| default.name());
        let change = name.identity().map_err(ApiError::from);
        let change = change.and_then(|identity| change_of(hub, members, identity, mode));
        let change = change.map_err(|error| match error {
            ApiError::Registry(error) => error,
            _ => RegistryError::Argument("the item cannot be understood"),
        });
        Ok(Self { name, mode: mode.to_owned(), change })
    }
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
    let mode = ImportMode::of_name(mode);
    match mode.ok_or(RegistryError::Argument("the importMode is unknown"))? {
        ImportMode::Create => put(Missing::Create, Existing::Refuse),
        ImportMode::Update => put(Missing::Refuse, Existing::Overwrite),
        ImportMode::UpdateIfMatchETag => put(Missing::Refuse, when("eTag")?),
        ImportMode::CreateOrUpdate => put(Missing::Create, Existing::Overwrite),
        ImportMode::CreateOrUpdateIfMatchETag => put(Missing::Create, when("eTag")?),
        ImportMode::Delete => Ok(delete(hub, identity, Existing::Overwrite)),
        ImportMode::DeleteIfMatchETag => Ok(delete(hub, identity, when("eTag")?)),
        ImportMode::UpdateTwin => twin_alone(hub, members, identity, Existing::Overwrite),
        ImportMode::UpdateTwinIfMatchETag => twin_alone(hub, members, identity, when("twinETag")?),
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
