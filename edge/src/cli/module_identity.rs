//! `ringhub module-identity`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::identity::AuthenticationArguments;
use super::names::{DeviceName, ModuleName, Named as _};
use super::output::{Column, Output};
use super::registered::{Delete, Show, ShowConnectionString};
use super::target::TargetArguments;
use crate::client::{Precondition, RestClient};

const COLUMNS: [Column; 4] = [
    ("MODULE ID", "/moduleId"),
    ("MANAGED BY", "/managedBy"),
    ("CONNECTION", "/connectionState"),
    ("LAST ACTIVITY", "/lastActivityTime"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub module-identity create -d pump-7 -m fan
  ringhub module-identity connection-string -d pump-7 -m fan
  ringhub module-identity list -d pump-7";

/// Register modules of devices, and look after them
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ModuleIdentity {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Register a module
    Create(Create),
    /// Show one module
    Show(Show<ModuleName>),
    /// List the modules of a device
    List(List),
    /// Change what is registered
    Update(Update),
    /// Remove a module with its twin
    Delete(Delete<ModuleName>),
    /// Print what an SDK of the module starts from
    ConnectionString(ShowConnectionString<ModuleName>),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Create {
    #[command(flatten)]
    name: ModuleName,
    /// Who looks after it, free text
    #[arg(long, value_name = "TEXT")]
    managed_by: Option<String>,
    #[command(flatten)]
    authentication: AuthenticationArguments,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Update {
    #[command(flatten)]
    name: ModuleName,
    /// Who looks after it, free text
    #[arg(long, value_name = "TEXT")]
    managed_by: Option<String>,
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

impl ModuleIdentity {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::Show(show) => show.run(),
            Action::List(list) => {
                let rest = RestClient::new(&list.target.target()?);
                let device = list.name.identity().path("devices");
                let found = rest.read(&format!("{device}/modules"))?;
                let modules = found.as_array().map_or(&[][..], Vec::as_slice);
                Ok(list.output.list(&COLUMNS, modules)?)
            }
            Action::Update(update) => update.run(),
            Action::Delete(delete) => delete.run(),
            Action::ConnectionString(show) => show.run(),
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
            "moduleId": self.name.module_id,
            "managedBy": self.managed_by,
        });
        if let Some(authentication) = self.authentication.object() {
            body["authentication"] = authentication;
        }
        body
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
        if let Some(managed_by) = &self.managed_by {
            body["managedBy"] = managed_by.as_str().into();
        }
        if let Some(authentication) = self.authentication.object() {
            body["authentication"] = authentication;
        }
    }
}
