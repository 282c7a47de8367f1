//! `ringhub query`.

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::output::{Column, Listing, Output};
use super::target::TargetArguments;
use super::top_count::top;
use crate::client::{Pages, RestClient};

const EXAMPLES: &str = "\
Examples:
  ringhub query 'SELECT * FROM devices WHERE tags.site = \"north\"' --output json
  ringhub query 'SELECT deviceId, properties.reported.fw AS fw FROM devices' --top 20
  ringhub query 'SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site'
  ringhub query -q 'SELECT * FROM devices.modules WHERE deviceId = \"pump-7\"'
  ringhub query 'SELECT * FROM devices WHERE STARTSWITH(deviceId, \"pump-\")' --explain";

/// What is shown of whole twins in a table.
const TWIN_COLUMNS: [Column; 6] = [
    ("DEVICE ID", "/deviceId"),
    ("MODULE ID", "/moduleId"),
    ("STATUS", "/status"),
    ("CONNECTION", "/connectionState"),
    ("LAST ACTIVITY", "/lastActivityTime"),
    ("VERSION", "/version"),
];

/// Ask for twins of devices and modules with the query language
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Query {
    /// What to ask
    #[arg(value_name = "QUERY", required_unless_present = "query_command")]
    query: Option<String>,
    /// The same, as in the Azure CLI
    #[arg(long, short, value_name = "QUERY", conflicts_with = "query")]
    query_command: Option<String>,
    /// How many rows at most [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = top)]
    top: Option<u64>,
    /// Show how the hub answers the query, instead of the answer
    #[arg(long, conflicts_with = "top")]
    explain: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Query {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let query = self.query.as_ref().or(self.query_command.as_ref());
        let query = query.map(String::as_str).unwrap_or_default();
        if self.explain {
            return Ok(self.output.document(&rest.explain(query)?)?);
        }
        show_rows(&rest, query, self.top.unwrap_or(u64::MAX), self.output)
    }
}

/// Prints at most `count` rows of `query`, page by page.
pub(super) fn show_rows(
    rest: &RestClient,
    query: &str,
    count: u64,
    output: Output,
) -> Result<(), CliError> {
    let mut pages = Pages::of_query(rest, query, count);
    let mut listing: Option<Listing> = None;
    while let Some(page) = pages.next() {
        let rows = page?;
        if listing.is_none() && !rows.is_empty() {
            listing = Some(match pages.are_twins() {
                true => output.listing(&TWIN_COLUMNS),
                false => output.listing_of(members(&rows)),
            });
        }
        if let Some(listing) = &mut listing {
            listing.add(&rows)?;
        }
    }
    Ok(listing.unwrap_or_else(|| output.listing(&[])).end()?)
}

/// Columns for the members of rows, in the order in which they come. The later rows of a table have
/// those too, and JSON has all.
fn members(rows: &[Value]) -> Vec<(String, String)> {
    let mut columns: Vec<(String, String)> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        if columns.iter().all(|(_, known)| *known != pointer) {
            columns.push((name.clone(), pointer));
        }
    }
    columns
}
