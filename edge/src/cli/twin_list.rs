//! `ringhub device-twin list`.

use clap::Args;

use super::edge_enabled::EdgeEnabled;
use super::error::CliError;
use super::output::Output;
use super::query::show_rows;
use super::target::TargetArguments;
use super::top_count::Top;

const ALL_TWINS: &str = "SELECT * FROM devices";
const EDGE_TWINS: &str = "SELECT * FROM devices WHERE capabilities.iotEdge = true";

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct ListTwins {
    #[command(flatten)]
    top: Top,
    #[command(flatten)]
    edge: EdgeEnabled,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ListTwins {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let query = if self.edge.is_wanted() { EDGE_TWINS } else { ALL_TWINS };
        show_rows(&self.target.rest()?, query, self.top.count(), self.output)
    }
}
