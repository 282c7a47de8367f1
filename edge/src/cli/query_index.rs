//! `ringhub query-index`.

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Column, Output};
use super::progress::Progress;
use super::target::TargetArguments;
use crate::client::{Interrupt, Precondition, RestClient, encode_segment};

/// Of ringhub alone.
const PATH: &str = "/queryIndexes";

/// Time between two looks at an index that is being built.
const INTERVAL: Duration = Duration::from_millis(200);

const COLUMNS: [Column; 5] = [
    ("NAME", "/name"),
    ("PATH", "/path"),
    ("FROM", "/from"),
    ("STATE", "/state"),
    ("TWINS", "/twins"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub query-index create -n building --path tags.building
  ringhub query-index create -n firmware --path properties.reported.fw --no-wait
  ringhub query-index create -n role --path tags.role --from devices.modules
  ringhub query-index list
  ringhub query 'SELECT * FROM devices WHERE tags.building = 43' --explain
  ringhub query-index drop -n building

An index answers conditions that ask for values of its path: `tags.building = 43`, `IN [43, 44]`, or
several of them with OR, alone or with AND beside others. Each index is kept up to date with every
change of a twin, which costs the hub time and about 70 bytes of disk for each twin that has the
path: make one for what is asked often, and few.";

/// Look after the indexes that make queries over many twins fast
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct QueryIndex {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// List them
    #[command(after_help = EXAMPLES)]
    List(List),
    /// Make one, at most 16, and wait until queries use it
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// Remove one; queries go on without it
    #[command(after_help = EXAMPLES, visible_alias = "delete")]
    Drop(Named),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Create {
    /// What conditions ask for, below tags, properties.desired or properties.reported
    #[arg(long, value_name = "PATH")]
    path: String,
    /// Twins of devices or of modules
    #[arg(long, value_name = "COLLECTION", default_value = "devices")]
    from: String,
    /// End at once: the hub goes on building it
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    named: Named,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(mut_arg("hub_name", |name| name.short(None)))]
struct Named {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`, without regard to case
    #[arg(long, short, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    target: TargetArguments,
}

impl QueryIndex {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::List(list) => {
                Ok(list.output.page(&COLUMNS, &list.target.rest()?.read(PATH)?)?)
            }
            Action::Create(create) => create.run(),
            Action::Drop(named) => {
                let rest = named.target.rest()?;
                rest.send(Method::DELETE, &named.path(), Precondition::Absent, None)?;
                Ok(())
            }
        }
    }
}

impl Create {
    fn run(&self) -> Result<(), CliError> {
        let rest = self.named.target.rest()?;
        let path = self.named.path();
        let body = json!({ "path": self.path, "from": self.from });
        rest.send(Method::PUT, &path, Precondition::Absent, Some(&body))?;
        let index = if self.no_wait { rest.read(&path)? } else { self.wait(&rest, &path)? };
        Ok(self.output.document(&index)?)
    }

    /// Gives the index as it is when it is built.
    fn wait(&self, rest: &RestClient, path: &str) -> Result<Value, CliError> {
        let interrupt = Interrupt::install()?;
        let mut progress = Progress::start();
        loop {
            let index = rest.read(path)?;
            if index["state"] == "ready" {
                progress.clear();
                return Ok(index);
            }
            if interrupt.is_set() {
                progress.clear();
                let name = &self.named.name;
                return Err(CliError::Interrupted(format!("the hub goes on building {name}")));
            }
            let name = &self.named.name;
            progress.tell(|| format!("{name}  {} twins looked at", index["twins"]));
            thread::sleep(INTERVAL);
        }
    }
}

impl Named {
    fn path(&self) -> String {
        format!("{PATH}/{}", encode_segment(&self.name))
    }
}
