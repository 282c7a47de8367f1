//! `ringhub module-identity`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::error::CliError;
use super::names::{DeviceName, ModuleName, Named as _};
use super::output::{Column, Output};
use super::registered::{Attributes, Create, Delete, Show, ShowConnectionString, Update};
use super::renew_key::RenewModuleKeys;
use super::target::TargetArguments;
use super::top_count::Top;

const COLUMNS: [Column; 4] = [
    ("MODULE ID", "/moduleId"),
    ("MANAGED BY", "/managedBy"),
    ("CONNECTION", "/connectionState"),
    ("LAST ACTIVITY", "/lastActivityTime"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub module-identity create -d pump-7 -m fan
  ringhub module-identity connection-string show -d pump-7 -m fan
  ringhub module-identity renew-key -d pump-7 -m fan --key-type primary
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
    Create(Create<ModuleName, ModuleAttributes>),
    /// Show one module
    Show(Show<ModuleName>),
    /// List the modules of a device
    List(List),
    /// Change what is registered
    Update(Update<ModuleName, ModuleAttributes>),
    /// Remove a module with its twin
    Delete(Delete<ModuleName>),
    /// Print what an SDK of the module starts from
    ConnectionString(ShowConnectionString<ModuleName>),
    /// Make new keys for modules
    RenewKey(RenewModuleKeys),
}

/// What may be said of a module.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct ModuleAttributes {
    /// Who looks after it, free text
    #[arg(long, value_name = "TEXT")]
    managed_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    top: Top,
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
                let rest = list.target.rest()?;
                let device = list.name.identity().path("devices");
                let found = rest.read(&format!("{device}/modules"))?;
                let modules = found.as_array().map_or(&[][..], Vec::as_slice);
                let shown = usize::try_from(list.top.count()).unwrap_or(usize::MAX);
                Ok(list.output.list(&COLUMNS, &modules[..modules.len().min(shown)])?)
            }
            Action::Update(update) => update.run(),
            Action::Delete(delete) => delete.run(),
            Action::ConnectionString(show) => show.run(),
            Action::RenewKey(renew) => renew.run(),
        }
    }
}

impl Attributes for ModuleAttributes {
    fn apply(&self, identity: &mut Value) {
        if let Some(managed_by) = &self.managed_by {
            identity["managedBy"] = managed_by.as_str().into();
        }
    }
}
