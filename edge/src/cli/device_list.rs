//! `ringhub device-identity list`.

use clap::Args;
use ringhub_control_plane::identity_file::is_edge;
use serde_json::Value;

use super::edge_enabled::EdgeEnabled;
use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use super::top_count::Top;
use crate::client::Pages;

const COLUMNS: [Column; 5] = [
    ("DEVICE ID", "/deviceId"),
    ("STATUS", "/status"),
    ("CONNECTION", "/connectionState"),
    ("LAST ACTIVITY", "/lastActivityTime"),
    ("AUTHENTICATION", "/authentication/type"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub device-identity list                        the first thousand; --all for all
  ringhub device-identity list --edge-enabled         edge devices only
  ringhub device-twin list                            their twins, as this command of the Azure CLI
                                                      lists them";

#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ListDevices {
    #[command(flatten)]
    top: Top,
    #[command(flatten)]
    edge: EdgeEnabled,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ListDevices {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let count = self.top.count();
        // Which devices are edge devices is known when they have been read.
        let read = if self.edge.is_wanted() { u64::MAX } else { count };
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        let mut pages = Pages::of_devices(&rest, read);
        let mut listing = self.output.listing(&COLUMNS);
        while let Some(page) = pages.next().filter(|_| left > 0) {
            let mut devices = page?;
            devices.retain(|device: &Value| !self.edge.is_wanted() || is_edge(device));
            devices.truncate(left);
            left -= devices.len();
            listing.add(&devices)?;
        }
        listing.end()?;
        if pages.has_more() {
            eprintln!("there are more than {count} devices: --all lists all of them");
        }
        Ok(())
    }
}
