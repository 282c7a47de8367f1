//! `ringhub module-twin`.

use clap::Args;

use super::error::CliError;
use super::names::ModuleName;
use super::twin::{MODULE_EXAMPLES, TwinAction};

/// Look at and change the twin of a module
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = MODULE_EXAMPLES)]
pub struct ModuleTwin {
    #[command(subcommand)]
    action: TwinAction<ModuleName>,
}

impl ModuleTwin {
    pub(super) fn run(&self) -> Result<(), CliError> {
        self.action.run()
    }
}
