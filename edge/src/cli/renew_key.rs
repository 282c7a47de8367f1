//! `renew-key` of devices and modules.

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use http::Method;
use ringhub_core::limits::BULK_ITEMS_MAX;
use serde_json::{Value, json};

use super::error::CliError;
use super::identity::Identity;
use super::output::Output;
use super::progress::Progress;
use super::target::TargetArguments;
use crate::client::{Pages, Precondition, RestClient};

const PATH: &str = "/devices/keys/regenerate";

/// Stands for all devices, or all modules of one.
const ALL: &str = "*";

/// Which keys are to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The first
    Primary,
    /// The second
    Secondary,
    /// The first takes the place of the second, and the other way round
    Swap,
    /// Both at once
    Both,
}

/// What is said of keys that are to be new.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Renewal {
    /// Which keys are to be new; `swap` exchanges the two of one identity
    #[arg(long = "key-type", visible_alias = "kt", value_enum, ignore_case = true)]
    which: Which,
    /// With `swap`: only if this is its ETag
    #[arg(long, short, value_name = "ETAG")]
    etag: Option<String>,
    /// Show no progress
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    no_progress: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

/// `ringhub device-identity renew-key`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct RenewDeviceKeys {
    /// Ids of the devices; `*` stands for all that have keys
    #[arg(long, short, value_name = "ID", num_args = 1.., required = true)]
    device_id: Vec<String>,
    /// With `*`: the keys of their modules, too
    #[arg(long, visible_alias = "im", num_args = 0..=1, default_value = "false",
        default_missing_value = "true", action = ArgAction::Set,
        value_parser = BoolishValueParser::new())]
    include_modules: bool,
    #[command(flatten)]
    renewal: Renewal,
}

/// `ringhub module-identity renew-key`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct RenewModuleKeys {
    /// Id of the device
    #[arg(long, short, value_name = "ID")]
    device_id: String,
    /// Ids of its modules; `*` stands for all that have keys
    #[arg(long, short, value_name = "ID", num_args = 1.., required = true)]
    module_id: Vec<String>,
    #[command(flatten)]
    renewal: Renewal,
}

impl RenewDeviceKeys {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.renewal.target.rest()?;
        let identities = match is_all(&self.device_id) {
            true => all_devices(&rest, self.include_modules)?,
            false => self.device_id.iter().map(|id| Identity::device(id)).collect(),
        };
        self.renewal.run(&rest, identities, is_all(&self.device_id))
    }
}

impl RenewModuleKeys {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.renewal.target.rest()?;
        let device = Identity::device(&self.device_id);
        let identities = match is_all(&self.module_id) {
            true => {
                let modules = rest.read(&format!("{}/modules", device.path("devices")))?;
                with_keys(&modules).collect()
            }
            false => {
                let module = |id: &String| Identity::module(&self.device_id, id);
                self.module_id.iter().map(module).collect()
            }
        };
        self.renewal.run(&rest, identities, is_all(&self.module_id))
    }
}

fn is_all(ids: &[String]) -> bool {
    ids.iter().any(|id| id == ALL)
}

fn all_devices(rest: &RestClient, include_modules: bool) -> Result<Vec<Identity>, CliError> {
    let mut identities = Vec::new();
    for page in Pages::of_devices_with_modules(rest) {
        let devices = Value::Array(page?);
        identities.extend(with_keys(&devices));
        if include_modules {
            let modules = devices.as_array().into_iter().flatten().map(|device| &device["modules"]);
            identities.extend(modules.flat_map(with_keys));
        }
    }
    Ok(identities)
}

/// Those of a list that prove themselves by keys.
fn with_keys(list: &Value) -> impl Iterator<Item = Identity> {
    let has_keys = |item: &&Value| item.pointer("/authentication/type") == Some(&"sas".into());
    let identity = |item: &Value| {
        let text = |name| item[name].as_str().map(ToOwned::to_owned);
        Some(Identity { device: text("deviceId")?, module: text("moduleId") })
    };
    list.as_array().into_iter().flatten().filter(has_keys).filter_map(identity)
}

impl Renewal {
    fn run(
        &self,
        rest: &RestClient,
        identities: Vec<Identity>,
        is_all: bool,
    ) -> Result<(), CliError> {
        let shown = match (self.which, identities.as_slice()) {
            (Which::Swap, [identity]) if !is_all => self.swap(rest, identity)?,
            (Which::Swap, _) => {
                let text = "--key-type swap is for one identity at a time";
                return Err(CliError::Argument(text.to_owned()));
            }
            (_, identities) => {
                let renewed = self.renew(rest, identities)?;
                match identities {
                    [identity] if !is_all => identity.read(rest)?,
                    _ => renewed,
                }
            }
        };
        Ok(self.output.document(&shown)?)
    }

    fn swap(&self, rest: &RestClient, identity: &Identity) -> Result<Value, CliError> {
        let registered = identity.read(rest)?;
        if registered.pointer("/authentication/type") != Some(&"sas".into()) {
            let name = identity.name();
            return Err(CliError::Argument(format!("{name} has no keys that could be swapped")));
        }
        let swap = |identity: &mut Value| {
            let keys = &mut identity["authentication"]["symmetricKey"];
            let primary = keys["primaryKey"].take();
            keys["primaryKey"] = keys["secondaryKey"].take();
            keys["secondaryKey"] = primary;
        };
        Ok(identity.change(rest, self.etag.as_deref(), swap)?)
    }

    /// Source: control-plane reference, "Key regeneration".
    fn renew(&self, rest: &RestClient, identities: &[Identity]) -> Result<Value, CliError> {
        let policy_key = match self.which {
            Which::Primary => "primaryKey",
            Which::Secondary => "secondaryKey",
            Which::Swap | Which::Both => "both",
        };
        let (mut rotated, mut errors) = (Vec::new(), Vec::new());
        let mut progress = Progress::start();
        for batch in identities.chunks(BULK_ITEMS_MAX) {
            if !self.no_progress {
                progress
                    .tell(|| format!("{} of {} have new keys", rotated.len(), identities.len()));
            }
            let item =
                |identity: &Identity| json!({ "id": identity.device, "moduleId": identity.module });
            let items: Vec<_> = batch.iter().map(item).collect();
            let body = json!({ "policyKey": policy_key, "devices": items });
            let mut answer = rest.send(Method::POST, PATH, Precondition::Absent, Some(&body))?;
            let mut take = |name: &str| match answer[name].take() {
                Value::Array(found) => found,
                _ => Vec::new(),
            };
            rotated.extend(take("rotatedKeys"));
            errors.extend(take("errors"));
        }
        progress.clear();
        Ok(json!({ "policyKey": policy_key, "rotatedKeys": rotated, "errors": errors }))
    }
}
