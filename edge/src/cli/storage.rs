//! `ringhub storage`.

use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use ringhub_core::storage::{
    ContainerName, StorageAccount, signed_account_query, signed_container_query,
};
use ringhub_core::time::UnixMillis;

use super::error::CliError;
use super::output::{Output, line};
use super::target::TargetArguments;
use crate::client::{ClientError, Precondition, RestClient};
use crate::storage::time_after;

/// Longest time for the making of a container.
const PATIENCE: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  ringhub storage show                                how much the files of devices take
  ringhub storage show-connection-string              for tools of Azure Storage
  az storage blob list -c uploads --connection-string \"$(ringhub storage show-connection-string)\"
  ringhub storage container-uri -c fleet              for exports and imports of identities, an hour
  ringhub storage container-uri -c uploads --permissions rl --duration 86400

Whoever has the connection string can read, write and delete all blobs of the hub.";

/// Look at the hub's own storage account, where devices upload files to
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Storage {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Show address, key, container, and how much of the quota is used
    #[command(after_help = EXAMPLES)]
    Show(Show),
    /// Print what tools of Azure Storage start from, and nothing else
    #[command(after_help = EXAMPLES)]
    ShowConnectionString(ShowConnectionString),
    /// Print the URI of a container with a signature that opens it; makes the container if need be
    #[command(after_help = EXAMPLES)]
    ContainerUri(ContainerUri),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct ShowConnectionString {
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct ContainerUri {
    /// Name of the container: 3 to 63 lower-case letters, digits and single hyphens
    #[arg(long, short, value_name = "NAME", value_parser = ContainerName::parse)]
    container_name: ContainerName,
    /// What its holder may do, of r(ead), c(reate), w(rite), d(elete) and l(ist)
    #[arg(long, value_name = "LETTERS", default_value = "rcwl", value_parser = permissions)]
    permissions: String,
    /// Seconds for which it holds
    #[arg(long, visible_alias = "du", value_name = "SECONDS", default_value_t = 3600)]
    duration: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ContainerUri {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let keys = keys(&rest)?;
        let account = StorageAccount::parse(keys["connectionString"].as_str().unwrap_or_default());
        let account = account.map_err(|error| CliError::Argument(error.to_string()))?;
        let too_long = || CliError::Argument("--duration ends after the year 9999".to_owned());
        let expiry = time_after(Duration::from_secs(self.duration.into()));
        let named = (&self.container_name, self.permissions.as_str());
        let signature = signed_container_query(account.key(), &account.name, named, expiry);
        let signature = signature.ok_or_else(too_long)?;
        self.make(&rest, &account, expiry)?;
        let container = account.container_path(self.container_name.as_str());
        let uri = format!("https://{}/{container}?{signature}", account.host());
        Ok(self.output.text("containerUri", &uri)?)
    }

    fn make(
        &self,
        rest: &RestClient,
        account: &StorageAccount,
        expiry: UnixMillis,
    ) -> Result<(), CliError> {
        let signature = signed_account_query(account.key(), &account.name, expiry);
        let container = account.container_path(self.container_name.as_str());
        let path = format!("/{container}?restype=container&{}", signature.unwrap_or_default());
        let made = rest.exchange(Method::PUT, &path, Precondition::Absent, None, PATIENCE)?;
        // 409: it is there.
        if matches!(made.status, 201 | 409) {
            return Ok(());
        }
        Err(ClientError::from(made.refusal()).into())
    }
}

/// Letters that a signature may have, in the order that the service wants.
fn permissions(text: &str) -> Result<String, String> {
    const ALL: &str = "rcwdl";
    if text.is_empty() || text.chars().any(|letter| !ALL.contains(letter)) {
        return Err(format!("is some of the letters {ALL}"));
    }
    Ok(ALL.chars().filter(|letter| text.contains(*letter)).collect())
}

impl Storage {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Show(show) => Ok(show.output.document(&keys(&show.target.rest()?)?)?),
            Action::ShowConnectionString(show) => {
                let keys = keys(&show.target.rest()?)?;
                Ok(line(keys["connectionString"].as_str().unwrap_or_default())?)
            }
            Action::ContainerUri(uri) => uri.run(),
        }
    }
}

fn keys(rest: &RestClient) -> Result<serde_json::Value, CliError> {
    Ok(rest.send(Method::POST, "/storage/listkeys", Precondition::Absent, None)?)
}
