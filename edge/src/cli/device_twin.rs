//! `ringhub device-twin`.

use clap::Args;

use super::error::CliError;
use super::names::DeviceName;
use super::twin::{DEVICE_EXAMPLES, TwinAction};

/// Look at and change the twin of a device
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = DEVICE_EXAMPLES)]
pub struct DeviceTwin {
    #[command(subcommand)]
    action: TwinAction<DeviceName>,
}

impl DeviceTwin {
    pub(super) fn run(&self) -> Result<(), CliError> {
        self.action.run()
    }
}
