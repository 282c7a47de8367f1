//! `ringhub c2d-message receive`, and what becomes of a message that was received.

use std::ops::RangeInclusive;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use http::{HeaderMap, Method};
use ringhub_core::limits::{C2D_LOCK_TIME_MAX, C2D_LOCK_TIME_MIN};
use serde_json::{Map, Value, json};

use super::super::error::CliError;
use super::super::names::{AnyName, Named as _};
use super::super::output::Output;
use super::super::target::TargetArguments;
use crate::client::{Precondition, encode_segment};

/// How long a message may be kept from other receivers.
const LOCK_SECS: RangeInclusive<i64> =
    C2D_LOCK_TIME_MIN.as_secs() as i64..=C2D_LOCK_TIME_MAX.as_secs() as i64;

/// Headers that tell properties of the application.
const APPLICATION: &str = "iothub-app-";

/// Headers that tell what every message may have.
///
/// Source: device-endpoints reference, "HTTPS device API".
const SYSTEM: [&str; 11] = [
    "iothub-messageid",
    "iothub-correlationid",
    "iothub-sequencenumber",
    "iothub-to",
    "iothub-userid",
    "iothub-ack",
    "iothub-expiry",
    "iothub-deliverycount",
    "iothub-enqueuedtime",
    "content-type",
    "content-encoding",
];

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The device has taken it.
    Complete,
    /// The device does not want it.
    Reject,
    /// It is to come again.
    Abandon,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Reject => "reject",
            Self::Abandon => "abandon",
        }
    }

    /// Source: device-endpoints reference, "HTTPS device API".
    fn request(self, queue: &str, etag: &str) -> (Method, String) {
        let message = format!("{queue}/{}", encode_segment(etag.trim_matches('"')));
        match self {
            Self::Complete => (Method::DELETE, message),
            Self::Reject => (Method::DELETE, format!("{message}?reject=")),
            Self::Abandon => (Method::POST, format!("{message}/abandon")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Receive {
    #[command(flatten)]
    name: AnyName,
    /// Seconds for which the message is kept from other receivers
    #[arg(long, visible_alias = "lt", value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u16).range(LOCK_SECS))]
    lock_timeout: u16,
    /// The device has taken it
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new(), conflicts_with_all = ["reject", "abandon"])]
    complete: bool,
    /// The device does not want it
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new(), conflicts_with = "abandon")]
    reject: bool,
    /// It is to come again
    #[arg(long, num_args = 0..=1, default_value = "false", default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    abandon: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(super) struct Settle {
    #[command(flatten)]
    name: AnyName,
    /// What `receive` has given as `etag`
    #[arg(long, short, value_name = "ETAG")]
    etag: String,
    #[command(flatten)]
    target: TargetArguments,
}

impl Receive {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let rest = self.target.rest()?;
        let queue = queue(&self.name);
        let Some(answer) = rest.receive_message(&queue, self.lock_timeout)? else {
            eprintln!("no message waits for {}", self.name.identity().name());
            return Ok(());
        };
        let mut shown = document(&answer.headers, &answer.body);
        if let (Some(verdict), Some(etag)) = (self.verdict(), shown["etag"].as_str()) {
            let (method, path) = verdict.request(&queue, etag);
            rest.send(method, &path, Precondition::Absent, None)?;
            shown["ack"] = verdict.name().into();
        }
        Ok(self.output.document(&shown)?)
    }

    fn verdict(&self) -> Option<Verdict> {
        let said = [
            (self.complete, Verdict::Complete),
            (self.reject, Verdict::Reject),
            (self.abandon, Verdict::Abandon),
        ];
        said.into_iter().find_map(|(is_said, verdict)| is_said.then_some(verdict))
    }
}

impl Settle {
    pub(super) fn run(&self, verdict: Verdict) -> Result<(), CliError> {
        let (method, path) = verdict.request(&queue(&self.name), &self.etag);
        let rest = self.target.rest()?;
        Ok(rest.send(method, &path, Precondition::Absent, None).map(drop)?)
    }
}

fn queue(name: &AnyName) -> String {
    format!("{}/messages/deviceBound", name.identity().path("devices"))
}

/// A message with the member names of the Azure CLI.
fn document(headers: &HeaderMap, body: &[u8]) -> Value {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut application = Map::new();
    for name in headers.keys().map(http::HeaderName::as_str) {
        let property = name.strip_prefix(APPLICATION);
        application.extend(property.map(|key| (key.to_owned(), json!(text(name)))));
    }
    let system = |name: &&str| Some(((*name).to_owned(), json!(text(name)?)));
    let system: Map<_, _> = SYSTEM.iter().filter_map(system).collect();
    json!({
        "etag": text("etag").map(|etag| etag.trim_matches('"')),
        "properties": { "app": application, "system": system },
        "data": String::from_utf8_lossy(body),
    })
}
