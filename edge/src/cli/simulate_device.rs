//! `ringhub simulate-device`.

mod device;
mod note;

use std::thread;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::identity::Identity;
use super::json_argument::{json_object, json_value};
use super::login::DeviceLogin;
use super::output::{Format, Output, line};
use super::progress::Progress;
use super::properties::MessageProperties;
use super::target::TargetArguments;
use crate::client::{ClientError, Interrupt, Precondition, RestClient, Target};
use device::{Behaviour, Device};
use note::Note;

/// Each device is a thread of this process.
const DEVICES_MAX: i64 = 1000;

/// As many as the Azure CLI sends.
const MESSAGES: u64 = 100;

/// Stack of a thread: a connection and its buffers are on the heap.
const STACK_BYTES: usize = 256 * 1024;

const EXAMPLES: &str = "\
Examples:
  ringhub simulate-device -d sim --create             registers it; a hundred messages
  ringhub simulate-device -d sim --create --endless --msg-interval 10
                                                      until Ctrl-C
  ringhub simulate-device -d sim --create --devices 20 --msg-count 5 --msg-interval 1
                                                      sim-1 to sim-20
  ringhub simulate-device -d pump-7 --msg-count 0     sends nothing, shows what it is sent
  ringhub c2d-message send -d sim --data hello        reaches it
  ringhub invoke-device-method -d sim --method-name reboot
                                                      is answered by it

For thousands of connections there is `ringhub-loadgen`.";

/// Be a device: send telemetry, show what comes, answer methods
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct SimulateDevice {
    /// Id of the device; with several, the beginning of their ids
    #[arg(long, short, value_name = "ID")]
    device_id: String,
    /// How many devices; their ids end in -1, -2 and so on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=DEVICES_MAX))]
    devices: u16,
    /// Register those that are not
    #[arg(long)]
    create: bool,
    /// Messages of each device; 0 sends none and stays until Ctrl-C [default: 100]
    #[arg(long = "msg-count", visible_aliases = ["mc", "messages"], value_name = "N")]
    messages: Option<u64>,
    /// The same as --msg-count; for several devices say --devices
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Send until Ctrl-C
    #[arg(long, conflicts_with_all = ["messages", "count"])]
    endless: bool,
    /// Seconds between two messages of a device
    #[arg(long = "msg-interval", visible_aliases = ["mi", "interval"], value_name = "SECONDS", default_value_t = 3.0, value_parser = super::seconds)]
    interval: f64,
    /// What they send [default: a made-up temperature]
    #[arg(long, visible_alias = "da", value_name = "TEXT")]
    data: Option<String>,
    /// Properties of their messages, as `name=value;name=value`
    #[arg(long, short, visible_alias = "props", value_name = "PAIRS")]
    properties: Option<MessageProperties>,
    /// Status with which they answer methods
    #[arg(long = "method-response-code", visible_aliases = ["mrc", "method-status"], value_name = "STATUS", default_value_t = 200)]
    method_status: i32,
    /// What they answer, as JSON or the name of a file with it
    #[arg(long = "method-response-payload", visible_aliases = ["mrp", "method-payload"], value_name = "JSON", default_value = "{}", value_parser = json_value)]
    method_payload: Value,
    /// What they report in their twins when they connect, as JSON or the name of a file with it
    #[arg(long, visible_alias = "irp", value_name = "JSON", value_parser = json_object)]
    init_reported_properties: Option<Value>,
    /// `mqtt`, which is what they speak
    #[arg(long, alias = "proto", value_name = "PROTOCOL", hide = true, value_parser = mqtt_only)]
    protocol: Option<String>,
    /// `complete`, which is what becomes of messages over MQTT
    #[arg(long, alias = "rs", value_name = "VERDICT", hide = true, value_parser = complete_only)]
    receive_settle: Option<String>,
    #[command(flatten)]
    login: DeviceLogin,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl SimulateDevice {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let messages = self.messages()?;
        let interrupt = Interrupt::install()?;
        let target = self.target.target()?;
        let devices = self.devices(&target)?;
        let behaviour = self.behaviour(messages);
        let (notes, received) = flume::bounded(usize::from(self.devices) + 16);
        thread::scope(|scope| {
            let start = |device: Device| {
                let (notes, target, interrupt) = (notes.clone(), &target, &interrupt);
                let behaviour = &behaviour;
                let run = move || device.run(target, behaviour, interrupt, &notes);
                thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run).map(drop)
            };
            let started = devices.into_iter().try_for_each(start);
            if started.is_err() {
                interrupt.set();
            }
            drop(notes);
            let shown = self.show_all(&received);
            // Nobody reads any more, so nobody may wait for a reader.
            drop(received);
            interrupt.set();
            started.map_err(CliError::from).and(shown)
        })
    }

    /// How many messages each device sends; `None` for no end.
    fn messages(&self) -> Result<Option<u64>, CliError> {
        match (self.count, self.messages) {
            (Some(_), Some(_)) => {
                let text = "--count is the number of messages, as --msg-count is: for several \
                            devices say --devices";
                Err(CliError::Argument(text.to_owned()))
            }
            (Some(count), None) => {
                eprintln!("--count is the number of messages; for several devices say --devices");
                Ok(Some(count))
            }
            (None, Some(messages)) => Ok(Some(messages)),
            (None, None) => Ok((!self.endless).then_some(MESSAGES)),
        }
    }

    fn ids(&self) -> Vec<String> {
        match self.devices {
            1 => vec![self.device_id.clone()],
            count => (1..=count).map(|number| format!("{}-{number}", self.device_id)).collect(),
        }
    }

    /// Finds the keys of all devices before the first one connects.
    fn devices(&self, target: &Target) -> Result<Vec<Device>, CliError> {
        let rest = RestClient::new(target);
        let mut progress = Progress::start();
        let device = |(index, id): (usize, String)| {
            progress.tell(|| format!("{index} of {} devices are ready to connect", self.devices));
            let identity = Identity::device(&id);
            if self.create {
                create(&rest, &identity)?;
            }
            let credential = self.login.credential(target, &rest, &identity)?;
            Ok(Device { identity, credential })
        };
        let devices = self.ids().into_iter().enumerate().map(device).collect();
        progress.clear();
        devices
    }

    fn behaviour(&self, messages: Option<u64>) -> Behaviour {
        let mut properties = self.properties.clone().unwrap_or_default();
        properties.add_default("$.ct", "application/json");
        properties.add_default("$.ce", "utf-8");
        Behaviour {
            interval: std::time::Duration::from_secs_f64(self.interval),
            messages,
            data: self.data.clone(),
            properties: properties.bag(),
            model_id: self.login.model_id.clone(),
            reported: self.init_reported_properties.as_ref().map(ToString::to_string),
            method_status: self.method_status,
            method_payload: self.method_payload.to_string(),
        }
    }

    /// Prints what the devices tell, until all have ended.
    fn show_all(&self, notes: &flume::Receiver<Note>) -> Result<(), CliError> {
        let mut failed = 0;
        for note in notes {
            match note {
                Note::Failed { device, error } => {
                    eprintln!("{device}: {error}");
                    failed += 1;
                }
                note => line(&match self.output.or(Format::Table) {
                    Format::Table => note.line(),
                    Format::Json => note.json().to_string(),
                })?,
            }
        }
        if failed > 0 {
            return Err(CliError::Items(format!("{failed} of {} devices failed", self.devices)));
        }
        Ok(())
    }
}

/// Registers a device unless it is.
fn create(rest: &RestClient, identity: &Identity) -> Result<(), ClientError> {
    const CONFLICT: u16 = 409;
    let body = json!({ "deviceId": identity.device });
    match rest.send(Method::PUT, &identity.path("devices"), Precondition::Absent, Some(&body)) {
        Err(ClientError::Refused(refusal)) if refusal.status == CONFLICT => Ok(()),
        other => other.map(drop),
    }
}

fn mqtt_only(text: &str) -> Result<String, String> {
    match text.eq_ignore_ascii_case("mqtt") {
        true => Ok(text.to_owned()),
        false => {
            Err("is `mqtt` here; over HTTPS a device sends with `curl`, as in the README"
                .to_owned())
        }
    }
}

fn complete_only(text: &str) -> Result<String, String> {
    match text {
        "complete" => Ok(text.to_owned()),
        _ => {
            Err("is `complete` over MQTT; `ringhub c2d-message receive --reject` and `--abandon` \
                  do the others"
                .to_owned())
        }
    }
}
