//! `ringhub send-d2c-message`.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::error::CliError;
use super::identity::Identity;
use super::login::{DeviceLogin, events_topic};
use super::message_data::MessageData;
use super::names::{AnyName, Named as _};
use super::output::{Format, Output, line};
use super::progress::Progress;
use super::properties::MessageProperties;
use super::target::TargetArguments;
use crate::client::mqtt::{MqttClient, MqttFact};
use crate::client::{ClientError, RestClient};

/// Longest wait for one acknowledgement.
const PATIENCE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  ringhub send-d2c-message -d pump-7 --data '{\"bar\": 2.4}' --content-type application/json
  ringhub send-d2c-message -d pump-7 --properties 'level=high;site=north' --msg-count 100
  ringhub send-d2c-message -d pump-7 --data-file-path image.jpg
  ringhub monitor-events                              shows what arrives, in another terminal";

/// Send telemetry as a device, over MQTT; done when all of it is on disk
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct SendD2cMessage {
    #[command(flatten)]
    name: AnyName,
    #[command(flatten)]
    data: MessageData,
    /// Properties of the message, as `name=value;name=value`
    #[arg(long, short, visible_alias = "props", value_name = "PAIRS")]
    properties: Option<MessageProperties>,
    /// Id of the message
    #[arg(long, visible_alias = "mid", value_name = "TEXT")]
    message_id: Option<String>,
    /// Id of the message that it answers
    #[arg(long, visible_alias = "cid", value_name = "TEXT")]
    correlation_id: Option<String>,
    /// Type of the content, such as application/json
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: Option<String>,
    /// Encoding of the content, such as utf-8
    #[arg(long, visible_alias = "ce", value_name = "ENCODING")]
    content_encoding: Option<String>,
    /// How many messages
    #[arg(long = "msg-count", visible_aliases = ["mc", "count"], value_name = "N", default_value_t = 1)]
    count: u64,
    /// Seconds between two messages
    #[arg(long = "msg-interval", visible_aliases = ["mi", "interval"], value_name = "SECONDS", default_value_t = 0.0, value_parser = super::seconds)]
    interval: f64,
    #[command(flatten)]
    login: DeviceLogin,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl SendD2cMessage {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let payload = self.data.bytes()?;
        let target = self.target.target()?;
        let identity = self.name.identity();
        let credential = self.login.credential(&target, &RestClient::new(&target), &identity)?;
        let topic = self.topic(&identity);
        let mut client = MqttClient::connect(&target, &credential, self.login.model_id.as_deref())?;
        let mut progress = Progress::start();
        for number in 0..self.count {
            progress.tell(|| format!("{number} of {} messages sent", self.count));
            if number > 0 && self.interval > 0.0 {
                thread::sleep(Duration::from_secs_f64(self.interval));
            }
            while !client.publish(&topic, &payload, number)? {
                acknowledgement(&mut client)?;
            }
        }
        while client.inflight() > 0 {
            acknowledgement(&mut client)?;
        }
        client.disconnect()?;
        progress.clear();
        self.report(&identity)
    }

    fn topic(&self, identity: &Identity) -> String {
        let mut properties = self.properties.clone().unwrap_or_default();
        properties.add("$.mid", self.message_id.as_ref());
        properties.add("$.cid", self.correlation_id.as_ref());
        properties.add("$.ct", self.content_type.as_ref());
        properties.add("$.ce", self.content_encoding.as_ref());
        format!("{}{}", events_topic(identity), properties.bag())
    }

    fn report(&self, identity: &Identity) -> Result<(), CliError> {
        let (name, count) = (identity.name(), self.count);
        let said = match self.output.or(Format::Table) {
            Format::Json => format!("{:#}", json!({ "origin": name, "sent": count })),
            Format::Table => {
                let messages = if count == 1 { "message" } else { "messages" };
                format!("{count} {messages} of {name} on disk")
            }
        };
        Ok(line(&said)?)
    }
}

/// Waits for the next acknowledgement.
fn acknowledgement(client: &mut MqttClient) -> Result<(), ClientError> {
    let until = Instant::now() + PATIENCE;
    while let Some(fact) = client.next(until.saturating_duration_since(Instant::now()))? {
        if let MqttFact::Acknowledged(_) = fact {
            return Ok(());
        }
    }
    Err(ClientError::Silent(PATIENCE.as_secs()))
}
