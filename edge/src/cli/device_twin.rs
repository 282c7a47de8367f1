//! `ringhub device-twin`.

use clap::{Args, Subcommand};

use super::error::CliError;
use super::names::DeviceName;
use super::twin::{DEVICE_EXAMPLES, TwinAction};
use super::twin_list::ListTwins;

/// Look at and change the twin of a device
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = DEVICE_EXAMPLES)]
pub struct DeviceTwin {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// List the twins of all devices
    List(ListTwins),
    /// To one twin
    #[command(flatten)]
    Of(TwinAction<DeviceName>),
}

impl DeviceTwin {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::List(list) => list.run(),
            Action::Of(action) => action.run(),
        }
    }
}
