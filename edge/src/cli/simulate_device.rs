//! `ringhub simulate-device`.

mod device;
mod note;

use std::thread;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::identity::Identity;
use super::login::device_credential;
use super::output::{Format, Output, line};
use super::progress::Progress;
use super::target::TargetArguments;
use crate::client::{ClientError, Interrupt, Precondition, RestClient, Target};
use device::{Behaviour, Device};
use note::Note;

/// Each device is a thread of this process.
const COUNT_MAX: i64 = 1000;

/// Stack of a thread: a connection and its buffers are on the heap.
const STACK_BYTES: usize = 256 * 1024;

const EXAMPLES: &str = "\
Examples:
  ringhub simulate-device -d sim --create             registers it; until Ctrl-C
  ringhub simulate-device -d sim --create --count 20 --interval 1
                                                      sim-1 to sim-20
  ringhub simulate-device -d pump-7 --messages 0      sends nothing, shows what it is sent
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
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=COUNT_MAX))]
    count: u16,
    /// Register those that are not
    #[arg(long)]
    create: bool,
    /// Seconds between two messages of a device
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = super::seconds)]
    interval: f64,
    /// Messages of each device; without it they go on until Ctrl-C
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// What they send [default: a made-up temperature]
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// Status with which they answer methods
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    method_status: i32,
    /// What they answer, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = super::invoke_method::json_value)]
    method_payload: Value,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl SimulateDevice {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let target = self.target.target()?;
        let devices = self.devices(&target)?;
        let behaviour = self.behaviour();
        let (notes, received) = flume::bounded(usize::from(self.count) + 16);
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

    fn ids(&self) -> Vec<String> {
        match self.count {
            1 => vec![self.device_id.clone()],
            count => (1..=count).map(|number| format!("{}-{number}", self.device_id)).collect(),
        }
    }

    /// Finds the keys of all devices before the first one connects.
    fn devices(&self, target: &Target) -> Result<Vec<Device>, CliError> {
        let rest = RestClient::new(target);
        let mut progress = Progress::start();
        let device = |(index, id): (usize, String)| {
            progress.tell(|| format!("{index} of {} devices are ready to connect", self.count));
            let identity = Identity::device(&id);
            if self.create {
                create(&rest, &identity)?;
            }
            let credential = device_credential(target, &rest, &identity)?;
            Ok(Device { identity, credential })
        };
        let devices = self.ids().into_iter().enumerate().map(device).collect();
        progress.clear();
        devices
    }

    fn behaviour(&self) -> Behaviour {
        Behaviour {
            interval: std::time::Duration::from_secs_f64(self.interval),
            messages: self.messages,
            data: self.data.clone(),
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
            return Err(CliError::Items(format!("{failed} of {} devices failed", self.count)));
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
