//! `ringhub device-identity`.

use clap::{Args, Subcommand, ValueEnum};
use ringhub_control_plane::identity_file::set_parent;
use serde_json::{Value, json};

use super::device_family::{Children, Parent};
use super::device_list::ListDevices;
use super::edge_enabled::EdgeEnabled;
use super::error::CliError;
use super::export::Export;
use super::import::Import;
use super::names::DeviceName;
use super::registered::{Attributes, Create, Delete, Show, ShowConnectionString, Update};
use super::renew_key::RenewDeviceKeys;

const EXAMPLES: &str = "\
Examples:
  ringhub device-identity create -d pump-7            the hub makes its keys
  ringhub device-identity connection-string show -d pump-7
                                                      what an SDK starts from
  ringhub device-identity list                        the first thousand; --all for all
  ringhub device-identity update -d pump-7 --status disabled --status-reason stolen
                                                      its connections end at once
  ringhub device-identity renew-key -d pump-7 --key-type secondary
  ringhub device-identity parent set -d pump-7 --parent-device-id gate
  ringhub device-identity delete -d pump-7
  ringhub device-identity import --file devices.jsonl
                                                      a million, a line of JSON each
  ringhub device-identity export --file devices.jsonl
                                                      all of them, with their keys";

/// Register devices, and look after them
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeviceIdentity {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Register a device
    Create(Create<DeviceName, NewDevice>),
    /// Show one device
    Show(Show<DeviceName>),
    /// List devices in the order of their ids
    List(ListDevices),
    /// Change what is registered
    Update(Update<DeviceName, DeviceChanges>),
    /// Remove a device with its modules and its twin
    Delete(Delete<DeviceName>),
    /// Print what an SDK of the device starts from
    ConnectionString(ShowConnectionString<DeviceName>),
    /// Make new keys for devices
    RenewKey(RenewDeviceKeys),
    Parent(Parent),
    Children(Children),
    /// Register, change or remove many devices from a file
    Import(Import),
    /// Write all devices with their modules to a file that `import` takes
    Export(Export),
}

/// Whether a device may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// It may
    Enabled,
    /// It may not, and is cut off
    Disabled,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// What may be said of a new device.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct NewDevice {
    /// Whether it may connect
    #[arg(long, visible_alias = "sta", value_enum, default_value = "enabled")]
    status: Status,
    /// Why, for people
    #[arg(long, visible_alias = "star", value_name = "TEXT")]
    status_reason: Option<String>,
    #[command(flatten)]
    edge: EdgeEnabled,
    /// Scope of the edge device that it is below, as `deviceScope` of that one says it
    #[arg(long, value_name = "SCOPE")]
    device_scope: Option<String>,
}

/// What may be changed about a device.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct DeviceChanges {
    /// Whether it may connect
    #[arg(long, visible_alias = "sta", value_enum)]
    status: Option<Status>,
    /// Why, for people
    #[arg(long, visible_alias = "star", value_name = "TEXT")]
    status_reason: Option<String>,
    #[command(flatten)]
    edge: EdgeEnabled,
}

impl DeviceIdentity {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::Show(show) => show.run(),
            Action::List(list) => list.run(),
            Action::Update(update) => update.run(),
            Action::Delete(delete) => delete.run(),
            Action::ConnectionString(show) => show.run(),
            Action::RenewKey(renew) => renew.run(),
            Action::Parent(parent) => parent.run(),
            Action::Children(children) => children.run(),
            Action::Import(import) => import.run(),
            Action::Export(export) => export.run(),
        }
    }
}

impl Attributes for NewDevice {
    fn apply(&self, identity: &mut Value) {
        identity["status"] = self.status.name().into();
        identity["statusReason"] = json!(self.status_reason);
        identity["capabilities"] = json!({ "iotEdge": self.edge.is_wanted() });
        if let Some(scope) = &self.device_scope {
            set_parent(identity, scope);
        }
    }
}

impl Attributes for DeviceChanges {
    fn apply(&self, identity: &mut Value) {
        if let Some(status) = self.status {
            identity["status"] = status.name().into();
        }
        if let Some(reason) = &self.status_reason {
            identity["statusReason"] = reason.as_str().into();
        }
        if let Some(edge) = self.edge.edge_enabled {
            identity["capabilities"] = json!({ "iotEdge": edge });
        }
    }
}
