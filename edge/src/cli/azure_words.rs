//! Words of the Azure CLI that have no meaning for a hub of one's own, so that its lines can be
//! typed as they are.

use std::convert::Infallible;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

/// What the root's help says about lines of the Azure CLI.
pub(super) const NOTES: &str = "\
Lines of the Azure CLI work with `ringhub` in place of `az iot hub` and `az iot device`. But:
  -l, --login takes a connection string, as there; without it the hub is the one on this machine
  -n, --hub-name is the name of a hub of the process on this machine
  -g, --subscription, --yes and --repair are passed over; --auth-type is `key`
  -o is `json` or `table`, and lists are tables unless -o says otherwise; in place of --query: `jq`
  single texts, such as connection strings and tokens, are printed bare unless -o json is said
  names of files stand for JSON wherever JSON is due, also as @FILE";

/// Words that say where in Azure a hub is, and how `az` behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct AzureWords {
    /// Passed over: the hub belongs to no resource group
    #[arg(long, short = 'g', value_name = "NAME", hide = true)]
    resource_group: Option<String>,
    /// Passed over: the hub belongs to no subscription
    #[arg(long, value_name = "NAME", hide = true)]
    subscription: Option<String>,
    /// `key`, which is the only way to log in
    #[arg(long, value_name = "TYPE", hide = true, value_parser = key_login)]
    auth_type: Option<String>,
    /// Refused
    #[arg(id = "jmes_query", long = "query", value_name = "JMESPATH", hide = true, value_parser = no_filter)]
    query: Option<Infallible>,
    /// What every command here does
    #[arg(long, hide = true)]
    only_show_errors: bool,
}

/// `--yes` and `--repair`, by which `az` takes care of its AMQP library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct LibraryWords {
    #[arg(long, short, hide = true, num_args = 0..=1, default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    yes: Option<bool>,
    #[arg(long, short, hide = true, num_args = 0..=1, default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    repair: Option<bool>,
}

impl AzureWords {
    /// Whether a resource group was named.
    pub(super) fn names_resource_group(&self) -> bool {
        self.resource_group.is_some()
    }

    /// Tells on standard error what is passed over.
    pub(super) fn tell(&self) {
        if self.resource_group.is_some() {
            eprintln!("--resource-group (-g) is passed over: the hub belongs to none");
        }
        if self.subscription.is_some() {
            eprintln!("--subscription is passed over: the hub belongs to none");
        }
    }
}

fn key_login(text: &str) -> Result<String, String> {
    match text {
        "key" => Ok(text.to_owned()),
        _ => {
            Err("is `key` here: there is no Azure AD to log in at; give a connection string with \
                  --login"
                .to_owned())
        }
    }
}

fn no_filter(_text: &str) -> Result<Infallible, String> {
    Err("has no meaning here: filter the JSON instead, as in `ringhub … -o json | jq …`; the query \
         language of the hub is `ringhub query -q`"
        .to_owned())
}
