//! `ringhub certificate`.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{Column, Output};
use super::target::TargetArguments;
use crate::client::{ClientError, Precondition, encode_segment};

const PATH: &str = "/certificates";

const COLUMNS: [Column; 5] = [
    ("NAME", "/name"),
    ("SUBJECT", "/properties/subject"),
    ("VERIFIED", "/properties/isVerified"),
    ("EXPIRY", "/properties/expiry"),
    ("THUMBPRINT", "/properties/thumbprint"),
];

const EXAMPLES: &str = "\
Examples:
  ringhub certificate add -n factory --path ca.pem --verified
                                                      you vouch for it: it counts at once
  ringhub certificate add -n factory --path ca.pem    counts once it is verified:
  CODE=$(ringhub certificate generate-code -n factory)
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
    -subj \"/CN=$CODE\" -keyout proof.key -out proof.csr
  openssl x509 -req -in proof.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out proof.pem
  ringhub certificate verify -n factory --path proof.pem
  ringhub certificate list
  ringhub device-identity create -d pump-7 --auth-method x509_ca
  ringhub certificate delete -n factory               cuts off those whom it has let in

A device whose kind is certificateAuthority gets in with a certificate that a verified authority has
issued, directly or over others that the device sends along, and whose common name is the device id.";

/// Look after the certificate authorities that devices have their certificates from
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Certificate {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Upload one, at most 25
    #[command(after_help = EXAMPLES, visible_alias = "create")]
    Add(Add),
    /// List them
    #[command(after_help = EXAMPLES)]
    List(List),
    /// Show one
    #[command(after_help = EXAMPLES)]
    Show(Show),
    /// Make a code for its owner to sign, which counts for 7 days; codes before it do not any more
    #[command(after_help = EXAMPLES, visible_alias = "generate-verification-code")]
    GenerateCode(Change),
    /// Show a certificate that it has issued for the code: from then on it lets devices in
    #[command(after_help = EXAMPLES)]
    Verify(Verify),
    /// Remove one, and cut off the devices that it has let in
    #[command(after_help = EXAMPLES)]
    Delete(Change),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(mut_arg("hub_name", |name| name.short(None)))]
struct Named {
    /// Its name: 1 to 64 letters, digits, `-`, `.` and `_`, without regard to case
    #[arg(long = "name", short, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Add {
    /// File with the certificate, PEM or DER
    #[arg(long, short, value_name = "FILE")]
    path: PathBuf,
    /// Let it count without a proof that you have its key
    #[arg(long)]
    verified: bool,
    /// Put it in the place of the one with this name and ETag; `*` for any ETag
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    named: Named,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Show {
    #[command(flatten)]
    named: Named,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Change {
    /// Only if it has this ETag
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    #[command(flatten)]
    named: Named,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Verify {
    /// File with the certificate whose common name is the code, PEM or DER
    #[arg(long, short, value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    change: Change,
}

impl Certificate {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Add(add) => add.run(),
            Action::List(list) => {
                Ok(list.output.page(&COLUMNS, &list.target.rest()?.read(PATH)?)?)
            }
            Action::Show(Show { named }) => named.send(Method::GET, "", Precondition::Absent, None),
            Action::GenerateCode(change) => change.generate_code(),
            Action::Verify(Verify { path, change }) => {
                let body = json!({ "certificate": text_of(path)? });
                change.named.send(Method::POST, "/verify", change.condition(), Some(&body))
            }
            Action::Delete(change) => {
                // The hub has nothing against the deletion of what is not there.
                change.named.exchange(Method::GET, "", Precondition::Absent, None)?;
                change.named.exchange(Method::DELETE, "", change.condition(), None).map(drop)
            }
        }
    }
}

impl Add {
    fn run(&self) -> Result<(), CliError> {
        let properties =
            json!({ "certificate": text_of(&self.path)?, "isVerified": self.verified });
        let body = json!({ "properties": properties });
        let when = self.etag.as_deref().map_or(Precondition::Absent, Precondition::Matches);
        self.named.send(Method::PUT, "", when, Some(&body))
    }
}

impl Change {
    fn condition(&self) -> Precondition<'_> {
        Precondition::of(self.etag.as_deref())
    }

    fn generate_code(&self) -> Result<(), CliError> {
        const REST: &str = "/generateVerificationCode";
        let made = self.named.exchange(Method::POST, REST, self.condition(), None)?;
        let code = made.pointer("/properties/verificationCode").and_then(Value::as_str);
        Ok(self.named.output.text("verificationCode", code.unwrap_or_default())?)
    }
}

impl Named {
    /// Prints what the hub answers.
    fn send(
        &self,
        method: Method,
        rest: &str,
        when: Precondition<'_>,
        body: Option<&Value>,
    ) -> Result<(), CliError> {
        Ok(self.output.document(&self.exchange(method, rest, when, body)?)?)
    }

    fn exchange(
        &self,
        method: Method,
        rest: &str,
        when: Precondition<'_>,
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let path = format!("{PATH}/{}{rest}", encode_segment(&self.name));
        Ok(self.target.rest()?.send(method, &path, when, body)?)
    }
}

/// A certificate as the API takes it: the text of a PEM file, or DER in base64.
fn text_of(path: &Path) -> Result<String, ClientError> {
    let bad = |error: std::io::Error| ClientError::BadFile {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let bytes = fs::read(path).map_err(bad)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| STANDARD.encode(error.as_bytes())))
}
