//! What can be done to any registered identity, a device or a module.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::assignment::Assignment;
use super::error::CliError;
use super::identity::{AuthenticationArguments, WhichKey};
use super::names::Named;
use super::output::Output;
use super::target::TargetArguments;
use crate::client::{Precondition, RestClient};

/// What people may say of an identity besides its name and how it proves itself.
pub(super) trait Attributes: Args {
    /// Puts what was said into the identity as the API knows it; the rest stays.
    fn apply(&self, identity: &mut Value);
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Create<N: Named, A: Attributes> {
    #[command(flatten)]
    name: N,
    #[command(flatten)]
    attributes: A,
    #[command(flatten)]
    authentication: AuthenticationArguments,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Update<N: Named, A: Attributes> {
    #[command(flatten)]
    name: N,
    #[command(flatten)]
    attributes: A,
    /// Any member of what is registered, by its path: `status=disabled`; may come several times
    #[arg(long, value_name = "PATH=VALUE", num_args = 1..)]
    set: Vec<Assignment>,
    /// Only if this is its ETag [default: the one that is read just before]
    #[arg(long, short, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    authentication: AuthenticationArguments,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

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
    #[arg(long, short, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct ShowConnectionString<N: Named> {
    /// As in the Azure CLI; may be left out
    #[arg(value_name = "show", value_parser = ["show"], hide_possible_values = true)]
    show: Option<String>,
    #[command(flatten)]
    name: N,
    #[command(flatten)]
    key: WhichKey,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl<N: Named, A: Attributes> Create<N, A> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let identity = self.name.identity();
        let mut body = identity.unregistered();
        self.attributes.apply(&mut body);
        if let Some(authentication) = self.authentication.document()? {
            body["authentication"] = authentication;
        }
        let rest = self.target.rest()?;
        let path = identity.path("devices");
        let created = rest.send(Method::PUT, &path, Precondition::Absent, Some(&body))?;
        Ok(self.output.document(&created)?)
    }
}

impl<N: Named, A: Attributes> Update<N, A> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let authentication = self.authentication.document()?;
        let change = |identity: &mut Value| {
            self.attributes.apply(identity);
            if let Some(authentication) = &authentication {
                identity["authentication"] = authentication.clone();
            }
            self.set.iter().for_each(|assignment| assignment.apply(identity));
        };
        let rest = self.target.rest()?;
        let changed = self.name.identity().change(&rest, self.etag.as_deref(), change)?;
        Ok(self.output.document(&changed)?)
    }
}

impl<N: Named> Show<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        Ok(self.output.document(&self.name.identity().read(&rest)?)?)
    }
}

impl<N: Named> Delete<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let path = self.name.identity().path("devices");
        let when = Precondition::of(self.etag.as_deref());
        Ok(rest.send(Method::DELETE, &path, when, None).map(drop)?)
    }
}

impl<N: Named> ShowConnectionString<N> {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let target = self.target.target()?;
        let identity = self.name.identity();
        let registered = identity.read(&RestClient::new(&target))?;
        let found = identity.connection_string_of(&registered, &target, self.key.key);
        Ok(self.output.text("connectionString", &found)?)
    }
}
