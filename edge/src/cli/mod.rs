//! The command line: `ringhub serve`, and the commands by which people use a hub.
//!
//! One file per noun, named and used as in the Azure CLI. What they share to talk to a hub is in
//! [`client`](crate::client).

mod admin_token;
mod assignment;
mod azure_words;
mod backup;
mod c2d_message;
mod ca;
mod certificate;
mod completion;
mod config;
mod configuration;
mod connection_string;
mod consumer_group;
mod device_family;
mod device_identity;
mod device_list;
mod device_twin;
mod edge_enabled;
mod error;
mod event;
mod export;
mod generate_sas_token;
mod health;
mod hub;
mod identity;
mod import;
mod invoke_method;
mod job;
mod json_argument;
mod login;
mod message_data;
mod module_identity;
mod module_twin;
mod monitor_events;
mod monitor_feedback;
mod monitor_file_notifications;
mod names;
mod new_file;
mod output;
mod policy;
mod progress;
mod properties;
mod query;
mod query_index;
mod registered;
mod renew_key;
mod restore;
mod send_d2c_message;
mod serve;
mod simulate_device;
mod storage;
mod target;
mod top;
mod top_count;
mod tune;
mod twin;
mod twin_list;

use clap::{Parser, Subcommand};

pub use error::CliError;
pub use serve::ServeArguments;

const EXAMPLES: &str = "\
Five minutes with a hub:
  ringhub serve                                       leave it running; then, elsewhere:
  ringhub device-identity create -d pump-7
  ringhub monitor-events                              leave it running; then, elsewhere:
  ringhub send-d2c-message -d pump-7 --data '{\"bar\": 2.4}'
  ringhub connection-string show -d pump-7            what the SDK of a device starts from";

/// Arguments of the process.
#[derive(Debug, Parser)]
#[command(
    name = "ringhub",
    version,
    about = "An IoT hub for your own machine that speaks the protocols of Azure IoT Hub",
    args_conflicts_with_subcommands = true,
    after_help = [EXAMPLES, serve::EXAMPLES, azure_words::NOTES, error::EXIT_CODES].join("\n\n")
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

/// What the process is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub (this is what happens when no command is given)
    Serve(ServeArguments),
    /// Use a hub, or look at one
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// A command that talks to a hub, or looks at what one has written.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each variant is the command that its arguments document")]
pub enum ClientCommand {
    ConnectionString(connection_string::ConnectionStrings),
    DeviceIdentity(device_identity::DeviceIdentity),
    ModuleIdentity(module_identity::ModuleIdentity),
    MonitorEvents(monitor_events::MonitorEvents),
    #[command(name = "send-d2c-message")]
    SendD2cMessage(send_d2c_message::SendD2cMessage),
    #[command(visible_alias = "simulate")]
    SimulateDevice(simulate_device::SimulateDevice),
    DeviceTwin(device_twin::DeviceTwin),
    ModuleTwin(module_twin::ModuleTwin),
    InvokeDeviceMethod(invoke_method::InvokeDeviceMethod),
    InvokeModuleMethod(invoke_method::InvokeModuleMethod),
    #[command(name = "c2d-message")]
    C2dMessage(c2d_message::C2dMessage),
    MonitorFeedback(monitor_feedback::MonitorFeedback),
    MonitorFileNotifications(monitor_file_notifications::MonitorFileNotifications),
    Storage(storage::Storage),
    Query(query::Query),
    QueryIndex(query_index::QueryIndex),
    Job(job::Job),
    GenerateSasToken(generate_sas_token::GenerateSasToken),
    Configuration(configuration::Configuration),
    Ca(ca::Ca),
    Certificate(certificate::Certificate),
    Policy(policy::Policy),
    ConsumerGroup(consumer_group::ConsumerGroup),
    Hub(hub::Hub),
    AdminToken(admin_token::AdminToken),
    Config(config::Config),
    Health(health::Health),
    Top(top::Top),
    Tune(tune::Tune),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completion(completion::Completion),
}

impl Cli {
    /// The command, `serve` when none was given.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

impl ClientCommand {
    /// Runs the command; blocks until it is done, or interrupted.
    ///
    /// # Errors
    /// [`CliError`], whose text names the remedy.
    pub fn run(&self) -> Result<(), CliError> {
        match self {
            Self::ConnectionString(command) => command.run(),
            Self::DeviceIdentity(command) => command.run(),
            Self::ModuleIdentity(command) => command.run(),
            Self::MonitorEvents(command) => command.run(),
            Self::SendD2cMessage(command) => command.run(),
            Self::SimulateDevice(command) => command.run(),
            Self::DeviceTwin(command) => command.run(),
            Self::ModuleTwin(command) => command.run(),
            Self::InvokeDeviceMethod(command) => command.run(),
            Self::InvokeModuleMethod(command) => command.run(),
            Self::C2dMessage(command) => command.run(),
            Self::MonitorFeedback(command) => command.run(),
            Self::MonitorFileNotifications(command) => command.run(),
            Self::Storage(command) => command.run(),
            Self::Query(command) => command.run(),
            Self::QueryIndex(command) => command.run(),
            Self::Job(command) => command.run(),
            Self::GenerateSasToken(command) => command.run(),
            Self::Configuration(command) => command.run(),
            Self::Ca(command) => command.run(),
            Self::Certificate(command) => command.run(),
            Self::Policy(command) => command.run(),
            Self::ConsumerGroup(command) => command.run(),
            Self::Hub(command) => command.run(),
            Self::AdminToken(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Health(command) => command.run(),
            Self::Top(command) => command.run(),
            Self::Tune(command) => command.run(),
            Self::Backup(command) => command.run(),
            Self::Restore(command) => command.run(),
            Self::Completion(command) => command.run(),
        }
    }
}

/// Reads a time in seconds, such as `0.5`.
fn seconds(text: &str) -> Result<f64, String> {
    const SECONDS_MAX: f64 = 1e9;
    match text.parse() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(seconds),
        _ => Err("is not a number of seconds, such as 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests;
