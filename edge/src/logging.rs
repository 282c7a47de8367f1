//! Where log lines go, and in which form.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// Form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line of text per event, coloured on a terminal
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Logs to standard error, so that standard output holds the banner alone; `RINGHUB_LOG` sets the
/// level.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("RINGHUB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).init(),
    }
}
