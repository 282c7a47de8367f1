//! What can be done to any registered identity, a device or a module.

use clap::Args;
use http::Method;

use super::error::CliError;
use super::identity::Key;
use super::names::Named;
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{Precondition, RestClient};

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Show<N: Named> {
    #[command(flatten)]
    name: N,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Delete<N: Named> {
    #[command(flatten)]
    name: N,
    /// Only if this is its ETag
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct ShowConnectionString<N: Named> {
    #[command(flatten)]
    name: N,
    /// With which of its keys
    #[arg(long, value_enum, default_value = "primary")]
    key: Key,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl<N: Named> Show<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = RestClient::new(&self.target.target()?);
        Ok(self.output.document(&self.name.identity().read(&rest)?)?)
    }
}

impl<N: Named> Delete<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = RestClient::new(&self.target.target()?);
        let path = self.name.identity().path("devices");
        let when = Precondition::of(self.etag.as_deref());
        Ok(rest.send(Method::DELETE, &path, when, None).map(drop)?)
    }
}

impl<N: Named> ShowConnectionString<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let target = self.target.target()?;
        let rest = RestClient::new(&target);
        let found = self.name.identity().connection_string(&rest, &target, self.key)?;
        Ok(self.output.text("connectionString", &found.to_string())?)
    }
}
