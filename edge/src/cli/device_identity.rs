//! `ringhub device-identity`.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::identity::AuthenticationArguments;
use super::import::Import;
use super::names::{DeviceName, Named as _};
use super::output::{Column, Output};
use super::registered::{Delete, Show, ShowConnectionString};
use super::target::TargetArguments;
use crate::client::{Precondition, RestClient};

/// The most that the API lists in one answer, and there is no next page.
const LIST_MAX: u16 = 1000;

const COLUMNS: [Column; 5] = [
    ("DEVICE ID", "/deviceId"),
    ("STATUS", "/status"),
    ("CONNECTION", "/connectionState"),
    ("LAST ACTIVITY", "/lastActivityTime"),
    ("AUTHENTICATION", "/authentication/type"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub device-identity create -d pump-7            the hub makes its keys
  ringhub device-identity connection-string -d pump-7
                                                      what an SDK starts from
  ringhub device-identity list
  ringhub device-identity update -d pump-7 --status disabled --status-reason stolen
                                                      its connections end at once
  ringhub device-identity delete -d pump-7
  ringhub device-identity import --file devices.jsonl
                                                      a million, a line of JSON each";

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
    Create(Create),
    /// Show one device
    Show(Show<DeviceName>),
    /// List devices, at most 1000, in no order
    List(List),
    /// Change what is registered
    Update(Update),
    /// Remove a device with its modules and its twin
    Delete(Delete<DeviceName>),
    /// Print what an SDK of the device starts from
    ConnectionString(ShowConnectionString<DeviceName>),
    /// Register, change or remove many devices from a file
    Import(Import),
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

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Create {
    #[command(flatten)]
    name: DeviceName,
    /// Whether it may connect
    #[arg(long, value_enum, default_value = "enabled")]
    status: Status,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    status_reason: Option<String>,
    /// Mark it as an edge device
    #[arg(long)]
    edge_enabled: bool,
    #[command(flatten)]
    authentication: AuthenticationArguments,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = LIST_MAX, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Update {
    #[command(flatten)]
    name: DeviceName,
    /// Whether it may connect
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    status_reason: Option<String>,
    /// Whether it is an edge device
    #[arg(long, value_name = "BOOL")]
    edge_enabled: Option<bool>,
    /// Only if this is its ETag [default: the one that is read just before]
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    authentication: AuthenticationArguments,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
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
            Action::Import(import) => import.run(),
        }
    }
}

impl Create {
    fn run(&self) -> Result<(), CliError> {
        let rest = RestClient::new(&self.target.target()?);
        let path = self.name.identity().path("devices");
        let created = rest.send(Method::PUT, &path, Precondition::Absent, Some(&self.body()))?;
        Ok(self.output.document(&created)?)
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "deviceId": self.name.device_id,
            "status": self.status.name(),
            "statusReason": self.status_reason,
            "capabilities": { "iotEdge": self.edge_enabled },
        });
        if let Some(authentication) = self.authentication.object() {
            body["authentication"] = authentication;
        }
        body
    }
}

impl List {
    fn run(&self) -> Result<(), CliError> {
        let rest = RestClient::new(&self.target.target()?);
        let found = rest.read(&format!("/devices?top={}", self.top))?;
        let devices = found.as_array().map_or(&[][..], Vec::as_slice);
        self.output.list(&COLUMNS, devices)?;
        if devices.len() >= usize::from(LIST_MAX) {
            eprintln!("the hub lists {LIST_MAX} devices at most: there may be more");
        }
        Ok(())
    }
}

impl Update {
    fn run(&self) -> Result<(), CliError> {
        let rest = RestClient::new(&self.target.target()?);
        let identity = self.name.identity();
        let changed = identity.change(&rest, self.etag.as_deref(), |body| self.apply(body))?;
        Ok(self.output.document(&changed)?)
    }

    fn apply(&self, body: &mut Value) {
        if let Some(status) = self.status {
            body["status"] = status.name().into();
        }
        if let Some(reason) = &self.status_reason {
            body["statusReason"] = reason.as_str().into();
        }
        if let Some(edge) = self.edge_enabled {
            body["capabilities"] = json!({ "iotEdge": edge });
        }
        if let Some(authentication) = self.authentication.object() {
            body["authentication"] = authentication;
        }
    }
}
