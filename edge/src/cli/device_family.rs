//! `ringhub device-identity parent` and `children`: which edge device is above which device.

use clap::{Args, Subcommand};
use http::Method;
use ringhub_control_plane::identity_file::{clear_parent, is_edge, parent, set_parent};
use serde_json::Value;

use super::error::CliError;
use super::identity::Identity;
use super::names::{DeviceName, Named as _};
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{ClientError, Pages, Precondition, RestClient};

const EXAMPLES: &str = "\
Examples:
  ringhub device-identity create -d gate --edge-enabled
  ringhub device-identity parent set -d pump-7 --parent-device-id gate
  ringhub device-identity children add -d gate --child-list pump-8 pump-9
  ringhub device-identity children list -d gate
  ringhub device-identity children remove -d gate --remove-all";

/// Say which edge device is above a device
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Parent {
    #[command(subcommand)]
    action: ParentAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum ParentAction {
    /// Show the edge device above a device
    Show(ShowParent),
    /// Put a device below an edge device
    Set(SetParent),
}

/// Say which devices are below an edge device
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Children {
    #[command(subcommand)]
    action: ChildrenAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum ChildrenAction {
    /// List the ids of the devices below an edge device
    List(ListChildren),
    /// Put devices below an edge device
    Add(AddChildren),
    /// Take devices away from an edge device
    Remove(RemoveChildren),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct ShowParent {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct SetParent {
    #[command(flatten)]
    name: DeviceName,
    /// Id of the edge device
    #[arg(long, visible_alias = "pd", value_name = "ID")]
    parent_device_id: String,
    /// Also if it has another parent
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct ListChildren {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct AddChildren {
    #[command(flatten)]
    name: DeviceName,
    /// Ids of the devices
    #[arg(long, visible_alias = "cl", value_name = "ID", num_args = 1.., required = true)]
    child_list: Vec<String>,
    /// Also those that have another parent
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct RemoveChildren {
    #[command(flatten)]
    name: DeviceName,
    /// Ids of the devices
    #[arg(long, visible_alias = "cl", value_name = "ID", num_args = 1..,
        required_unless_present = "remove_all")]
    child_list: Vec<String>,
    /// All of them
    #[arg(long, short = 'a')]
    remove_all: bool,
    #[command(flatten)]
    target: TargetArguments,
}

impl Parent {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            ParentAction::Show(show) => {
                let rest = show.target.rest()?;
                let device = show.name.identity();
                let above = parent(&device.read(&rest)?, &device.device);
                let above = above.ok_or_else(|| {
                    CliError::Argument(format!("{} has no parent", device.device))
                })?;
                Ok(show.output.document(&Identity::device(&above).read(&rest)?)?)
            }
            ParentAction::Set(set) => {
                let rest = set.target.rest()?;
                let scope = scope(&rest, &Identity::device(&set.parent_device_id))?;
                let child = read_child(&rest, &set.name.device_id, set.force)?;
                Ok(put(&rest, child, Some(&scope))?)
            }
        }
    }
}

impl Children {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            ChildrenAction::List(list) => {
                let rest = list.target.rest()?;
                let ids = below(&rest, &scope(&rest, &list.name.identity())?)?;
                Ok(list.output.lines(&ids)?)
            }
            ChildrenAction::Add(add) => {
                let rest = add.target.rest()?;
                let scope = scope(&rest, &add.name.identity())?;
                // All are looked at before the first is changed.
                let ids = add.child_list.iter().map(|id| id.trim());
                let children = ids.map(|id| read_child(&rest, id, add.force));
                let children = children.collect::<Result<Vec<_>, _>>()?;
                Ok(children.into_iter().try_for_each(|child| put(&rest, child, Some(&scope)))?)
            }
            ChildrenAction::Remove(remove) => remove.run(),
        }
    }
}

impl RemoveChildren {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let edge = &self.name.device_id;
        let scope = scope(&rest, &self.name.identity())?;
        let ids = if self.remove_all { below(&rest, &scope)? } else { self.child_list.clone() };
        if ids.is_empty() {
            return Err(CliError::Argument(format!("no device is below {edge}")));
        }
        let mut children = Vec::new();
        for id in ids.iter().map(|id| id.trim()) {
            let child = Identity::device(id).read(&rest)?;
            if parent(&child, id).as_ref() != Some(edge) {
                return Err(CliError::Argument(format!("{id} is not below {edge}")));
            }
            children.push(child);
        }
        Ok(children.into_iter().try_for_each(|child| put(&rest, child, None))?)
    }
}

/// The scope of an edge device, by which others name it.
fn scope(rest: &RestClient, edge: &Identity) -> Result<String, CliError> {
    let device = edge.read(rest)?;
    let scope = device["deviceScope"].as_str().filter(|_| is_edge(&device));
    scope.map(ToOwned::to_owned).ok_or_else(|| {
        let name = edge.name();
        CliError::Argument(format!(
            "{name} is no edge device; `ringhub device-identity update -d {name} --edge-enabled true` \
             makes it one"
        ))
    })
}

/// The ids of the devices below the edge device with this scope.
fn below(rest: &RestClient, scope: &str) -> Result<Vec<String>, ClientError> {
    let query =
        format!("SELECT deviceId FROM devices WHERE ARRAY_CONTAINS(parentScopes, '{scope}')");
    let mut ids = Vec::new();
    for page in Pages::of_query(rest, &query, u64::MAX) {
        let rows = page?;
        let found = rows.iter().filter_map(|row| row["deviceId"].as_str());
        ids.extend(found.map(ToOwned::to_owned));
    }
    Ok(ids)
}

fn read_child(rest: &RestClient, id: &str, force: bool) -> Result<Value, CliError> {
    let child = Identity::device(id).read(rest)?;
    match parent(&child, id) {
        Some(above) if !force => Err(CliError::Argument(format!(
            "{id} is below {above} already; --force puts it below another one"
        ))),
        _ => Ok(child),
    }
}

/// Puts a device below the edge device with `scope`, or below none, if it still is what was read.
///
/// Source: control-plane reference, "Device object".
fn put(rest: &RestClient, mut device: Value, scope: Option<&str>) -> Result<(), ClientError> {
    match scope {
        Some(scope) => set_parent(&mut device, scope),
        None => clear_parent(&mut device),
    }
    let identity = Identity::device(device["deviceId"].as_str().unwrap_or_default());
    let etag = device["etag"].as_str().map(ToOwned::to_owned);
    let when = Precondition::of(etag.as_deref());
    rest.send(Method::PUT, &identity.path("devices"), when, Some(&device)).map(drop)
}
