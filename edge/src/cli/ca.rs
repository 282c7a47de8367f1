//! `ringhub ca`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::error::CliError;
use super::output::{Format, Output, line};
use super::target::TargetArguments;
use crate::client::{ClientError, read_endpoints};
use crate::startup::DEVELOPMENT_CA_FILE;

const EXAMPLES: &str = "\
Examples:
  ringhub ca show > ca.pem                            for clients on other machines
  export SSL_CERT_FILE=$(ringhub ca show --path)      OpenSSL, Python
  export REQUESTS_CA_BUNDLE=$(ringhub ca show --path) az, REST clients in Python
  export NODE_EXTRA_CA_CERTS=$(ringhub ca show --path)";

/// Print the development CA, which clients must trust
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ca {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Print its certificate in PEM
    #[command(after_help = EXAMPLES)]
    Show(Show),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    /// Print where the file is
    #[arg(long)]
    path: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Ca {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Action::Show(show) = &self.action;
        let directory = show.target.data_directory()?.ok_or_else(|| {
            let text = "the CA of a hub elsewhere is not known here: run this on its machine";
            CliError::Argument(text.to_owned())
        })?;
        if !read_endpoints(&directory)?.development_ca {
            let text = "the hub has a certificate of its own (`[[tls.certificate]]` in its configuration) and no development CA: clients trust whoever has signed that";
            return Err(CliError::Argument(text.to_owned()));
        }
        show.print(&std::path::absolute(directory.join(DEVELOPMENT_CA_FILE))?)
    }
}

impl Show {
    fn print(&self, path: &Path) -> Result<(), CliError> {
        let bad = |error: std::io::Error| ClientError::BadFile {
            path: PathBuf::from(path),
            reason: error.to_string(),
        };
        let pem = fs::read_to_string(path).map_err(bad)?;
        let path = path.display().to_string();
        let said = match self.output.or(Format::Table) {
            Format::Json => format!("{:#}", json!({ "path": path, "pem": pem })),
            Format::Table if self.path => path,
            Format::Table => pem.trim_end().to_owned(),
        };
        Ok(line(&said)?)
    }
}
