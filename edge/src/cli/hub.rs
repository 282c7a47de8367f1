//! `ringhub hub`.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Column, Output};
use super::progress::Progress;
use super::target::AdminArguments;
use crate::client::{Administrator, ClientError, Precondition};

const COLUMNS: [Column; 5] = [
    ("NAME", "/name"),
    ("HOST NAME", "/properties/hostName"),
    ("SKU", "/sku/name"),
    ("PARTITIONS", "/properties/eventHubEndpoints/events/partitionCount"),
    ("DAYS", "/properties/eventHubEndpoints/events/retentionTimeInDays"),
];

/// Time between two looks at an operation.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  ringhub hub create -n plant-2                       a second hub beside the first
  ringhub hub list
  ringhub connection-string show -n plant-2           what its SDKs and tools start from
  ringhub device-identity create -d pump-7 -n plant-2  each command takes the name of a hub
  ringhub hub create -n plant-3 --partition-count 8 --retention-day 7 --tags site=north
  ringhub hub update -n plant-2 --retention-day 3
  ringhub hub update -n plant-2 --fcs \"$ACCOUNT\" --fc files   devices upload there
  ringhub hub show -n plant-2
  ringhub hub delete -n plant-2                       with devices, keys and events, for good

A hub is called NAME.DOMAIN, where DOMAIN is `hub.domain` of the configuration. Clients have to find
that name: by DNS, or by a line such as `127.0.0.1 plant-2.localhost` in /etc/hosts.";

/// Look after the hubs of this process
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Hub {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Make one
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// Show one
    #[command(after_help = EXAMPLES)]
    Show(Named),
    /// List them
    #[command(after_help = EXAMPLES)]
    List(List),
    /// Change one; what is not said stays as it is
    #[command(after_help = EXAMPLES)]
    Update(Update),
    /// Delete one, with all that it has
    #[command(after_help = EXAMPLES)]
    Delete(Named),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Named {
    /// The hub: 3 to 50 letters, digits and `-`
    #[arg(long, short, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: AdminArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: AdminArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Create {
    #[command(flatten)]
    named: Named,
    /// Where it is said to be
    #[arg(long, short, value_name = "TEXT", default_value = "local")]
    location: String,
    /// Number of partitions, for good [default: 4]
    #[arg(long, value_name = "N")]
    partition_count: Option<u16>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Update {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    settings: Settings,
}

/// What can be said at any time.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Settings {
    /// F1, S1, S2, S3, B1, B2 or B3 [default: S1]
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// Units of the SKU [default: 1]
    #[arg(long, value_name = "N")]
    unit: Option<u64>,
    /// Days for which events are kept, 1 to 7 [default: 1]
    #[arg(long, visible_alias = "rd", value_name = "DAYS")]
    retention_day: Option<u8>,
    /// Life of a message to a device whose sender sets none, such as PT1H [default: PT1H]
    #[arg(long, visible_alias = "ct", value_name = "SPAN")]
    c2d_ttl: Option<String>,
    /// How often a device may abandon a message, 1 to 100 [default: 10]
    #[arg(long, visible_alias = "cdd", value_name = "N")]
    c2d_max_delivery_count: Option<u8>,
    /// Tags, in place of all that there are
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., value_parser = tag)]
    tags: Option<Vec<(String, String)>>,
    #[command(flatten)]
    upload: UploadSettings,
    /// Refuse tokens that policies have signed; this stops the other commands for the hub as well
    #[arg(long, visible_alias = "dla", value_name = "true|false")]
    disable_local_auth: Option<bool>,
    /// Refuse tokens that keys of devices have signed
    #[arg(long, visible_alias = "dds", value_name = "true|false")]
    disable_device_sas: Option<bool>,
    /// Refuse tokens that keys of modules have signed
    #[arg(long, visible_alias = "dms", value_name = "true|false")]
    disable_module_sas: Option<bool>,
}

/// Where files of devices go, and who is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct UploadSettings {
    /// Connection string of the storage account for files of devices, or @FILE with it; empty: the
    /// account that the hub has of its own
    #[arg(long, visible_alias = "fcs", value_name = "TEXT|@FILE", value_parser = text_or_file)]
    fileupload_storage_connectionstring: Option<String>,
    /// Container of that account
    #[arg(long, visible_alias = "fc", value_name = "NAME")]
    fileupload_storage_container_name: Option<String>,
    /// Whether back ends are told of files
    #[arg(long, visible_alias = "fn", value_name = "true|false")]
    fileupload_notifications: Option<bool>,
}

/// A text, or what is in the file that `@` stands before.
fn text_or_file(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        None => Ok(text.to_owned()),
        Some(file) => match fs::read_to_string(file) {
            Ok(content) => Ok(content.trim().to_owned()),
            Err(error) => Err(format!("cannot read {file}: {error}")),
        },
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("is not like site=north".to_owned()),
    }
}

impl Hub {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::Show(named) => {
                let hub = named.target.administrator()?.hub(&named.name)?;
                Ok(named.output.document(&hub)?)
            }
            Action::List(List { output, target }) => {
                Ok(output.page(&COLUMNS, &target.administrator()?.hubs()?)?)
            }
            Action::Update(update) => update.run(),
            Action::Delete(named) => named.delete(),
        }
    }
}

impl Create {
    fn run(&self) -> Result<(), CliError> {
        let Self { named, location, partition_count, settings } = self;
        let mut body = json!({ "location": location, "sku": { "name": "S1", "capacity": 1 } });
        if let Some(count) = partition_count {
            body["properties"]["eventHubEndpoints"]["events"]["partitionCount"] = json!(count);
        }
        settings.write_into(&mut body);
        let administrator = named.target.administrator()?;
        let path = Administrator::path_of(&named.name);
        // An update is another command: what is there must not lose its settings by accident.
        match administrator.hub(&named.name) {
            Ok(_) => {
                let text = format!("there is a hub called {} already", named.name);
                return Err(CliError::Argument(text));
            }
            Err(ClientError::Refused(why)) if why.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let made = administrator.put(&path, Precondition::Absent, &body)?;
        Ok(named.output.document(&made)?)
    }
}

impl Update {
    fn run(&self) -> Result<(), CliError> {
        let Self { named, settings } = self;
        let administrator = named.target.administrator()?;
        let mut hub = administrator.hub(&named.name)?;
        settings.write_into(&mut hub);
        let path = hub["id"].as_str().unwrap_or_default().to_owned();
        let etag = hub["etag"].as_str().unwrap_or_default().to_owned();
        let made = administrator.put(&path, Precondition::Matches(&etag), &hub)?;
        Ok(named.output.document(&made)?)
    }
}

impl Named {
    fn delete(&self) -> Result<(), CliError> {
        let administrator = self.target.administrator()?;
        let hub = administrator.hub(&self.name)?;
        let begun = administrator.delete(hub["id"].as_str().unwrap_or_default())?;
        let mut progress = Progress::start();
        while !administrator.is_done(&begun)? {
            progress.tell(|| format!("removing what {} had", self.name));
            thread::sleep(LOOK_INTERVAL);
        }
        progress.clear();
        Ok(())
    }
}

impl Settings {
    /// Puts what was said into a description.
    fn write_into(&self, body: &mut Value) {
        let mut say = |pointer: &[&str], value: Value| {
            let place = pointer.iter().fold(&mut *body, |at, name| &mut at[*name]);
            *place = value;
        };
        if let Some(sku) = &self.sku {
            say(&["sku", "name"], json!(sku));
        }
        if let Some(unit) = self.unit {
            say(&["sku", "capacity"], json!(unit));
        }
        if let Some(days) = self.retention_day {
            let place = ["properties", "eventHubEndpoints", "events", "retentionTimeInDays"];
            say(&place, json!(days));
        }
        if let Some(ttl) = &self.c2d_ttl {
            say(&["properties", "cloudToDevice", "defaultTtlAsIso8601"], json!(ttl));
        }
        if let Some(count) = self.c2d_max_delivery_count {
            say(&["properties", "cloudToDevice", "maxDeliveryCount"], json!(count));
        }
        if let Some(tags) = &self.tags {
            let tags: BTreeMap<_, _> = tags.iter().cloned().collect();
            say(&["tags"], json!(tags));
        }
        for (name, value) in [
            ("disableLocalAuth", self.disable_local_auth),
            ("disableDeviceSAS", self.disable_device_sas),
            ("disableModuleSAS", self.disable_module_sas),
            ("enableFileUploadNotifications", self.upload.fileupload_notifications),
        ] {
            if let Some(value) = value {
                say(&["properties", name], json!(value));
            }
        }
        let [one, two, three] = ["properties", "storageEndpoints", "$default"];
        if let Some(string) = &self.upload.fileupload_storage_connectionstring {
            say(&[one, two, three, "connectionString"], json!(string));
            if string.is_empty() {
                say(&[one, two, three, "containerName"], json!(""));
            }
        }
        if let Some(container) = &self.upload.fileupload_storage_container_name {
            say(&[one, two, three, "containerName"], json!(container));
        }
    }
}
