//! `ringhub monitor-file-notifications`.

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::monitor_feedback::{Node, Wanted};
use super::output::{Format, Output, line};
use super::target::TargetArguments;
use crate::client::Interrupt;

const EXAMPLES: &str = "\
Examples:
  ringhub monitor-file-notifications                  until Ctrl-C
  ringhub monitor-file-notifications -d pump-7 --count 1 --timeout 60

Notifications are taken from the queue of the hub: other receivers do not get them any more.";

/// Show which files devices have uploaded
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct MonitorFileNotifications {
    /// Of this device only; notifications of others are taken from the queue, too
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// End after this many notifications
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// End after this many seconds without a notification; 0 for never
    #[arg(long, short, value_name = "SECONDS", default_value_t = 0.0, value_parser = super::seconds)]
    timeout: f64,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl MonitorFileNotifications {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let target = self.target.target()?;
        let wanted = Wanted {
            device: self.device_id.clone(),
            message: None,
            count: self.count,
            timeout: self.timeout,
        };
        wanted.wait(&target, Node::FileNotifications, &interrupt, |file| self.show(file))
    }

    fn show(&self, file: &Value) -> Result<(), CliError> {
        let said = match self.output.or(Format::Table) {
            Format::Json => file.to_string(),
            Format::Table => {
                let text = |name: &str| file[name].as_str().unwrap_or("-").to_owned();
                let size = file["blobSizeInBytes"].to_string();
                [text("enqueuedTimeUtc"), text("deviceId"), size, text("blobUri")].join("  ")
            }
        };
        Ok(line(&said)?)
    }
}
