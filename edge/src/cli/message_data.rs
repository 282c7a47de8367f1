//! What a message holds: a text, or the content of a file.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;

/// `--data` and `--data-file-path`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct MessageData {
    /// What to send
    #[arg(long, visible_alias = "da", value_name = "TEXT", default_value = "Ping from ringhub")]
    data: String,
    /// Send the content of a file
    #[arg(long, visible_aliases = ["dfp", "data-file"], value_name = "FILE", conflicts_with = "data")]
    data_file_path: Option<PathBuf>,
}

impl MessageData {
    /// The bytes to send.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, CliError> {
        let Some(path) = &self.data_file_path else { return Ok(self.data.clone().into_bytes()) };
        let cannot = |error| CliError::Argument(format!("cannot read {}: {error}", path.display()));
        fs::read(path).map_err(cannot)
    }
}
