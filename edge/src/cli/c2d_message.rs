//! `ringhub c2d-message`.

mod receive;
mod send;

use clap::{Args, Subcommand};
use http::Method;

use self::receive::{Receive, Settle, Verdict};
use self::send::Send;
use super::error::CliError;
use super::names::{DeviceName, Named as _};
use super::output::Output;
use super::target::TargetArguments;
use crate::client::Precondition;

const EXAMPLES: &str = "\
Examples:
  ringhub c2d-message send -d pump-7 --data 'night shift' --ack full --wait
                                                      until the device has taken it
  ringhub monitor-feedback                            tells what became of all, in another terminal
  ringhub c2d-message receive -d pump-7 --complete    takes the next one, in the place of the device
  ringhub c2d-message purge -d pump-7                 drops what waits for the device";

/// Send messages to devices, or take or drop those that wait
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct C2dMessage {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Send one message; done when it is in the queue of the device
    Send(Box<Send>),
    /// Take the next message over HTTPS, locked for a time or settled at once
    #[command(after_help = EXAMPLES)]
    Receive(Receive),
    /// Settle a message that was received: the device has taken it
    Complete(Settle),
    /// Settle a message that was received: the device does not want it
    Reject(Settle),
    /// Give a message that was received back, to come again
    Abandon(Settle),
    /// Drop all messages that wait for a device
    Purge(Purge),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Purge {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl C2dMessage {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Send(send) => send.run(),
            Action::Receive(receive) => receive.run(),
            Action::Complete(settle) => settle.run(Verdict::Complete),
            Action::Reject(settle) => settle.run(Verdict::Reject),
            Action::Abandon(settle) => settle.run(Verdict::Abandon),
            Action::Purge(purge) => {
                let rest = purge.target.rest()?;
                let path = format!("{}/commands", purge.name.identity().path("devices"));
                let answer = rest.send(Method::DELETE, &path, Precondition::Absent, None)?;
                Ok(purge.output.document(&answer)?)
            }
        }
    }
}
