//! `ringhub c2d-message`.

use bytes::BytesMut;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use ringhub_core::codec::amqp::section::{MessageId, Properties, write_data};
use serde_json::json;

use super::error::CliError;
use super::identity::Identity;
use super::names::{AnyName, DeviceName, Named as _};
use super::output::{Format, Output, line};
use super::properties::MessageProperties;
use super::target::TargetArguments;
use crate::client::amqp::{AmqpClient, AmqpFact};
use crate::client::{ClientError, Precondition};

/// Where back ends send to; the message names the recipient.
const NODE: &str = "/messages/devicebound";

const EXAMPLES: &str = "\
Examples:
  ringhub c2d-message send -d pump-7 --data 'night shift' --ack full
  ringhub monitor-feedback                            tells what became of it, in another terminal
  ringhub c2d-message purge -d pump-7                 drops what waits for the device";

/// Send messages to devices, or drop those that wait
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct C2dMessage {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Send one message; done when it is in the queue of the device
    #[command(after_help = EXAMPLES)]
    Send(Box<Send>),
    /// Drop all messages that wait for a device
    Purge(Purge),
}

/// What the sender wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ack {
    /// Nothing
    None,
    /// That the device took it
    Positive,
    /// That the device did not
    Negative,
    /// Either
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Send {
    #[command(flatten)]
    name: AnyName,
    /// What to send
    #[arg(long, value_name = "TEXT", default_value = "Ping from ringhub")]
    data: String,
    /// Properties of the message, as `name=value;name=value`
    #[arg(long, short, visible_alias = "props", value_name = "PAIRS")]
    properties: Option<MessageProperties>,
    /// What to be told in the feedback
    #[arg(long, value_enum)]
    ack: Option<Ack>,
    /// Id of the message, by which feedback names it
    #[arg(long, value_name = "TEXT")]
    message_id: Option<String>,
    /// Id of the message that it answers
    #[arg(long, value_name = "TEXT")]
    correlation_id: Option<String>,
    /// Who sends it
    #[arg(long, value_name = "TEXT")]
    user_id: Option<String>,
    /// Type of the content, such as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Encoding of the content, such as utf-8
    #[arg(long, value_name = "ENCODING")]
    content_encoding: Option<String>,
    /// When it loses its meaning, in milliseconds since 1970 [default: as the hub has it]
    #[arg(long, value_name = "MILLISECONDS")]
    expiry_time_utc: Option<i64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
struct Purge {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl C2dMessage {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Send(send) => send.run(),
            Action::Purge(purge) => {
                let rest = purge.target.rest()?;
                let path = format!("{}/commands", purge.name.identity().path("devices"));
                let answer = rest.send(Method::DELETE, &path, Precondition::Absent, None)?;
                Ok(purge.output.document(&answer)?)
            }
        }
    }
}

impl Send {
    fn run(&self) -> Result<(), CliError> {
        let identity = self.name.identity();
        let message = self.encode(&identity);
        let mut client = AmqpClient::connect(&self.target.target()?)?;
        let link = client.attach_sender(NODE)?;
        client.wait_for(|fact| (*fact == AmqpFact::Credit(link)).then_some(()))?;
        let sent = client.send(link, &message);
        let sent = sent.map_err(|error| CliError::Argument(error.to_string()))?;
        let refusal = client.wait_for(|fact| match fact {
            AmqpFact::Settled { delivery, refusal } if *delivery == sent => Some(refusal.clone()),
            _ => None,
        })?;
        if let Some(refusal) = refusal {
            return Err(ClientError::Refused(refusal).into());
        }
        client.close()?;
        let name = identity.name();
        let said = match self.output.or(Format::Table) {
            Format::Json => {
                format!("{:#}", json!({ "destination": name, "messageId": self.message_id }))
            }
            Format::Table => format!("the message waits for {name}"),
        };
        Ok(line(&said)?)
    }

    /// Source: service-endpoints reference, "Link and message".
    fn encode(&self, identity: &Identity) -> BytesMut {
        let to = format!("{}/messages/devicebound", identity.path("devices"));
        let sections = Properties {
            message_id: self.message_id.as_deref().map(MessageId::Str),
            user_id: self.user_id.as_ref().map(String::as_bytes),
            to: Some(&to),
            correlation_id: self.correlation_id.as_deref().map(MessageId::Str),
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            absolute_expiry_time: self.expiry_time_utc,
            ..Properties::default()
        };
        let mut properties = self.properties.clone().unwrap_or_default();
        properties.add("iothub-ack", self.ack.map(|ack| ack.name().to_owned()).as_ref());
        let mut out = BytesMut::new();
        sections.encode(&mut out);
        properties.encode(&mut out);
        write_data(&mut out, self.data.as_bytes());
        out
    }
}

impl Ack {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Full => "full",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ringhub_core::codec::amqp::primitive::Value;
    use ringhub_core::codec::amqp::section::{Body, Message};

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        send: Send,
    }

    #[test]
    fn a_message_names_its_recipient_and_what_feedback_is_wanted() {
        let typed = "ringhub -d a#b -m fan --data hi --ack full --message-id m-1 --props x=1";
        let send = Arguments::try_parse_from(typed.split(' ')).unwrap().send;
        let encoded = send.encode(&send.name.identity());
        let message = Message::decode(&encoded).unwrap();
        let to = "/devices/a%23b/modules/fan/messages/devicebound";
        assert_eq!(message.properties.to, Some(to));
        assert_eq!(message.properties.message_id, Some(MessageId::Str("m-1")));
        assert_eq!(message.body, Body::Data(b"hi"));
        let properties = message.application_properties.unwrap();
        assert_eq!(properties.value("iothub-ack"), Some(Value::Str("full")));
        assert_eq!(properties.value("x"), Some(Value::Str("1")));
    }
}
