//! `ringhub device-identity list`.

use clap::Args;

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::DevicePages;

const COLUMNS: [Column; 5] = [
    ("DEVICE ID", "/deviceId"),
    ("STATUS", "/status"),
    ("CONNECTION", "/connectionState"),
    ("LAST ACTIVITY", "/lastActivityTime"),
    ("AUTHENTICATION", "/authentication/type"),
];

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct ListDevices {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    top: u64,
    /// All of them, printed as they come
    #[arg(long, conflicts_with = "top")]
    all: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl ListDevices {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let count = if self.all { u64::MAX } else { self.top };
        let mut pages = DevicePages::new(&rest, count);
        let mut listing = self.output.listing(&COLUMNS);
        for page in pages.by_ref() {
            listing.add(&page?)?;
        }
        listing.end()?;
        if pages.has_more() {
            eprintln!("there are more than {count} devices: --all lists all of them");
        }
        Ok(())
    }
}
