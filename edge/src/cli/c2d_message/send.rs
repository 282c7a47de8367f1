//! `ringhub c2d-message send`.

use aws_lc_rs::rand;
use bytes::BytesMut;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use ringhub_core::codec::amqp::primitive::uuid_text;
use ringhub_core::codec::amqp::section::{MessageId, Properties, write_data};
use serde_json::json;

use super::super::azure_words::LibraryWords;
use super::super::error::CliError;
use super::super::identity::Identity;
use super::super::message_data::MessageData;
use super::super::monitor_feedback::{Node, Wanted};
use super::super::names::{AnyName, Named as _};
use super::super::output::{Format, Output, line};
use super::super::properties::MessageProperties;
use super::super::target::TargetArguments;
use super::EXAMPLES;
use crate::client::amqp::{AmqpClient, AmqpFact};
use crate::client::{ClientError, Interrupt, Target};

/// Where back ends send to; the message names the recipient.
const NODE: &str = "/messages/devicebound";

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
#[command(after_help = EXAMPLES)]
pub(super) struct Send {
    #[command(flatten)]
    name: AnyName,
    #[command(flatten)]
    data: MessageData,
    /// Properties of the message, as `name=value;name=value`
    #[arg(long, short, visible_alias = "props", value_name = "PAIRS")]
    properties: Option<MessageProperties>,
    /// What to be told in the feedback
    #[arg(long, value_enum)]
    ack: Option<Ack>,
    /// Id of the message, by which feedback names it [default: a random one]
    #[arg(long, visible_alias = "mid", value_name = "TEXT")]
    message_id: Option<String>,
    /// Id of the message that it answers
    #[arg(long, visible_alias = "cid", value_name = "TEXT")]
    correlation_id: Option<String>,
    /// Who sends it
    #[arg(long, visible_alias = "uid", value_name = "TEXT")]
    user_id: Option<String>,
    /// Type of the content, such as application/json
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: Option<String>,
    /// Encoding of the content
    #[arg(long, visible_alias = "ce", value_name = "ENCODING", default_value = "utf-8")]
    content_encoding: String,
    /// When it loses its meaning, in milliseconds since 1970 [default: as the hub has it]
    #[arg(long, visible_alias = "expiry", value_name = "MILLISECONDS")]
    expiry_time_utc: Option<i64>,
    /// Wait for the feedback, and print it; the message gets an id if it has none
    #[arg(long, short, num_args = 0..=1, default_value = "false", default_missing_value = "true",
        action = ArgAction::Set, value_parser = BoolishValueParser::new(), requires = "ack")]
    wait: bool,
    #[command(flatten)]
    library: LibraryWords,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl Send {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let identity = self.name.identity();
        let id = match &self.message_id {
            Some(id) => id.clone(),
            None => random_id()?,
        };
        let message = self.encode(&identity, &id, &self.data.bytes()?);
        let target = self.target.target()?;
        send(&target, &message)?;
        let name = identity.name();
        line(&match self.output.or(Format::Table) {
            Format::Json => format!("{:#}", json!({ "destination": name, "messageId": id })),
            Format::Table => format!("the message waits for {name}"),
        })?;
        if !self.wait {
            return Ok(());
        }
        let wanted =
            Wanted { device: Some(identity.device), message: Some(id), ..Wanted::default() };
        let show = |record: &_| Ok(self.output.document(record)?);
        wanted.wait(&target, Node::Feedback, &interrupt, show)
    }

    /// Source: service-endpoints reference, "Link and message".
    fn encode(&self, identity: &Identity, id: &str, data: &[u8]) -> BytesMut {
        let to = format!("{}/messages/devicebound", identity.path("devices"));
        let sections = Properties {
            message_id: Some(MessageId::Str(id)),
            user_id: self.user_id.as_ref().map(String::as_bytes),
            to: Some(&to),
            correlation_id: self.correlation_id.as_deref().map(MessageId::Str),
            content_type: self.content_type.as_deref(),
            content_encoding: Some(&self.content_encoding),
            absolute_expiry_time: self.expiry_time_utc,
            ..Properties::default()
        };
        let mut properties = self.properties.clone().unwrap_or_default();
        properties.add("iothub-ack", self.ack.map(|ack| ack.name().to_owned()).as_ref());
        let mut out = BytesMut::new();
        sections.encode(&mut out);
        properties.encode(&mut out);
        write_data(&mut out, data);
        out
    }
}

/// Sends one message of encoded sections, and waits until the hub has it.
fn send(target: &Target, message: &[u8]) -> Result<(), CliError> {
    let mut client = AmqpClient::connect(target)?;
    let link = client.attach_sender(NODE)?;
    client.wait_for(|fact| (*fact == AmqpFact::Credit(link)).then_some(()))?;
    let sent = client.send(link, message);
    let sent = sent.map_err(|error| CliError::Argument(error.to_string()))?;
    let refusal = client.wait_for(|fact| match fact {
        AmqpFact::Settled { delivery, refusal } if *delivery == sent => Some(refusal.clone()),
        _ => None,
    })?;
    match refusal {
        Some(refusal) => Err(ClientError::Refused(refusal).into()),
        None => Ok(client.close()?),
    }
}

fn random_id() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("no random numbers"))?;
    Ok(uuid_text(&bytes))
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
        let id = send.message_id.as_deref().unwrap();
        let encoded = send.encode(&send.name.identity(), id, &send.data.bytes().unwrap());
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
