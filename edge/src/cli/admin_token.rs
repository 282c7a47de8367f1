//! `ringhub admin-token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{read_admin_token, read_endpoints};
use crate::startup::{AdminTokenFile, Endpoints};

/// Where clients of the real service dial.
const HTTPS_PORT: u16 = 443;

const EXAMPLES: &str = "\
Examples:
  export ADMIN_TOKEN=$(ringhub admin-token show)
  export ADMIN_URL=$(ringhub admin-token show --url)  what SDKs take as base_url or endpoint
  curl --cacert \"$(ringhub ca show --path)\" -H \"Authorization: Bearer $ADMIN_TOKEN\" \\
    \"$ADMIN_URL/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Devices/IotHubs?api-version=2023-06-30\"
  ringhub admin-token renew                           a running hub takes it within seconds

The token opens the resource provider, which gives the keys of all hubs: keep it as you keep those.
Hubs themselves do not know it.";

/// Print what administrators of hubs prove themselves with
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct AdminToken {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Print the token
    #[command(after_help = EXAMPLES)]
    Show(Show),
    /// Make another one, and print it: the old one opens nothing any more
    #[command(after_help = EXAMPLES)]
    Renew(Renew),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    /// Print the base address of the resource provider
    #[arg(long)]
    url: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Renew {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl AdminToken {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Show(Show { url, output, target }) => {
                let directory = directory(target)?;
                let endpoints = read_endpoints(&directory)?;
                target.check_name(&endpoints.host_name)?;
                if *url {
                    return Ok(output.text("url", &base_url(&endpoints))?);
                }
                Ok(output.text("token", &read_admin_token(&directory)?)?)
            }
            Action::Renew(Renew { output, target }) => {
                let directory = directory(target)?;
                target.check_name(&read_endpoints(&directory)?.host_name)?;
                let token = AdminTokenFile::of(&directory).renew();
                let token = token.map_err(|error| CliError::Argument(error.to_string()))?;
                Ok(output.text("token", &token)?)
            }
        }
    }
}

fn directory(target: &TargetArguments) -> Result<PathBuf, CliError> {
    target.data_directory()?.ok_or_else(|| {
        let text = "the token is shown on the machine of the hub only, from its data directory (--data-dir)";
        CliError::Argument(text.to_owned())
    })
}

/// The address that SDKs of the resource provider are given.
fn base_url(endpoints: &Endpoints) -> String {
    let name = &endpoints.host_name;
    let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    match endpoints.https.port() {
        HTTPS_PORT => format!("https://{name}"),
        port => format!("https://{name}:{port}"),
    }
}
