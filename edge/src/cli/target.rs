//! Arguments that say which hub a command is for.

use std::path::PathBuf;

use clap::Args;

use crate::client::{ClientError, Remote, RestClient, Target};
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
    #[arg(long, value_name = "TEXT")]
    connection_string: Option<String>,
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
}

impl TargetArguments {
    /// Finds the hub: what is given here stands over the environment, and that over the default
    /// data directory.
    pub(super) fn target(&self) -> Result<Target, ClientError> {
        if let Some(text) = self.connection_string() {
            return Target::remote(&text, &self.remote());
        }
        let mut target = Target::local(&self.local_directory()?)?;
        if let Some(ca) = &self.ca {
            target.trust(ca)?;
        }
        Ok(target)
    }

    /// A client of the hub's REST API; connects with its first request.
    pub(super) fn rest(&self) -> Result<RestClient, ClientError> {
        Ok(RestClient::new(&self.target()?))
    }

    /// The data directory; `None` when a connection string is given.
    pub(super) fn data_directory(&self) -> Result<Option<PathBuf>, ClientError> {
        match self.connection_string() {
            Some(_) => Ok(None),
            None => self.local_directory().map(Some),
        }
    }

    fn local_directory(&self) -> Result<PathBuf, ClientError> {
        let named = self.data_dir.clone();
        named.or_else(default_data_directory).ok_or(ClientError::NoDataDirectory)
    }

    fn connection_string(&self) -> Option<String> {
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
