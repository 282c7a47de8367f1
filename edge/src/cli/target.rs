//! Arguments that say which hub a command is for.

use std::path::{Path, PathBuf};

use clap::Args;

use super::azure_words::AzureWords;
use crate::client::{Administrator, ClientError, Remote, RestClient, Target, read_endpoints};
use crate::startup::default_data_directory;

/// Holds a connection string that is not to be seen in the list of processes.
const VARIABLE: &str = "RINGHUB_CONNECTION_STRING";

/// Which hub: one on this machine by its data directory, or any by a connection string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Which hub")]
pub(super) struct TargetArguments {
    /// Data directory of a hub on this machine [default: as for `ringhub serve`]
    #[arg(long, value_name = "DIR", conflicts_with = "connection_string")]
    data_dir: Option<PathBuf>,
    /// Connection string of a hub anywhere; better in the variable RINGHUB_CONNECTION_STRING, where
    /// other users do not see it
    #[arg(long, short = 'l', visible_alias = "login", alias = "cs", value_name = "TEXT")]
    connection_string: Option<String>,
    /// Hub of the process on this machine [default: that of its configuration]; with a connection
    /// string of the variable the name that its hub must have
    #[arg(long, short = 'n', value_name = "NAME")]
    hub_name: Option<String>,
    /// CA that has signed the hub's certificate, in PEM [default: that of the data directory, or
    /// those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Port of REST, with a connection string [default: 443]
    #[arg(long, value_name = "PORT")]
    https_port: Option<u16>,
    /// Port of AMQP, with a connection string [default: 5671]
    #[arg(long, value_name = "PORT")]
    amqp_port: Option<u16>,
    /// Port of MQTT, with a connection string [default: 8883]
    #[arg(long, value_name = "PORT")]
    mqtt_port: Option<u16>,
    #[command(flatten)]
    azure: AzureWords,
}

/// Whose hubs a command looks after: those of a process on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Which process")]
pub(super) struct AdminArguments {
    /// Data directory of the process [default: as for `ringhub serve`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    azure: AzureWords,
}

impl AdminArguments {
    /// A client of the resource provider; connects with its first request.
    pub(super) fn administrator(&self) -> Result<Administrator, ClientError> {
        self.azure.tell();
        Administrator::local(&local_directory(self.data_dir.as_deref())?)
    }
}

impl TargetArguments {
    /// Finds the hub: what is given here stands over the environment, and that over the default
    /// data directory.
    pub(super) fn target(&self) -> Result<Target, ClientError> {
        self.azure.tell();
        let target = match self.login() {
            Some(text) => Target::remote(&text, &self.remote())?,
            None => {
                let directory = self.local_directory()?;
                let mut target = match self.other_hub(&directory)? {
                    None => Target::local(&directory)?,
                    Some(name) => Target::other(&directory, name)?,
                };
                if let Some(ca) = &self.ca {
                    target.trust(ca)?;
                }
                target
            }
        };
        self.check_name(&target.host_name)?;
        Ok(target)
    }

    /// The name of a hub of this process that is not the one of its configuration.
    pub(super) fn other_hub(&self, directory: &Path) -> Result<Option<&str>, ClientError> {
        let Some(named) = self.hub_name.as_deref() else { return Ok(None) };
        let configured = read_endpoints(directory)?.host_name;
        Ok(if is_called(&configured, named) { None } else { Some(named) })
    }

    /// Refuses a hub that has another name than the user has said, in full or up to its first dot.
    /// A connection string that was given beside it stands over the name, as in the Azure CLI.
    pub(super) fn check_name(&self, found: &str) -> Result<(), ClientError> {
        let Some(named) = self.hub_name.as_ref().filter(|_| self.connection_string.is_none())
        else {
            return Ok(());
        };
        if is_called(found, named) {
            return Ok(());
        }
        Err(ClientError::OtherHub { named: named.clone(), found: found.to_owned() })
    }

    /// Whether a resource group was named, which has no meaning.
    pub(super) fn names_resource_group(&self) -> bool {
        self.azure.names_resource_group()
    }

    /// A client of the hub's REST API; connects with its first request.
    pub(super) fn rest(&self) -> Result<RestClient, ClientError> {
        Ok(RestClient::new(&self.target()?))
    }

    /// The data directory; `None` when a connection string is given.
    pub(super) fn data_directory(&self) -> Result<Option<PathBuf>, ClientError> {
        match self.login() {
            Some(_) => Ok(None),
            None => self.local_directory().map(Some),
        }
    }

    /// The data directory, whatever connection string there is.
    pub(super) fn local_directory(&self) -> Result<PathBuf, ClientError> {
        local_directory(self.data_dir.as_deref())
    }

    /// The connection string to log in with, if it is not the data directory.
    pub(super) fn login(&self) -> Option<String> {
        if self.data_dir.is_some() {
            return None;
        }
        self.connection_string.clone().or_else(|| std::env::var(VARIABLE).ok())
    }

    fn remote(&self) -> Remote {
        Remote {
            ca: self.ca.clone(),
            https_port: self.https_port,
            amqp_port: self.amqp_port,
            mqtt_port: self.mqtt_port,
        }
    }
}

fn local_directory(named: Option<&Path>) -> Result<PathBuf, ClientError> {
    let named = named.map(Path::to_owned);
    named.or_else(default_data_directory).ok_or(ClientError::NoDataDirectory)
}

/// Whether a hub has this name, in full or up to its first dot.
fn is_called(host_name: &str, named: &str) -> bool {
    let label = host_name.split('.').next().unwrap_or_default();
    [host_name, label].iter().any(|name| name.eq_ignore_ascii_case(named))
}
