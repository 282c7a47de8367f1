//! `ringhub monitor-feedback`.

use std::time::{Duration, Instant};

use clap::Args;
use ringhub_core::codec::amqp::section::Message;
use serde_json::Value;

use super::azure_words::LibraryWords;
use super::error::CliError;
use super::output::{Format, Output, line};
use super::target::TargetArguments;
use crate::client::amqp::{AmqpClient, AmqpFact};
use crate::client::{ClientError, Interrupt, Target};

/// What is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Lists of records.
    Feedback,
    /// One record each.
    FileNotifications,
}

impl Node {
    const fn address(self) -> &'static str {
        match self {
            Self::Feedback => "/messages/servicebound/feedback",
            Self::FileNotifications => "/messages/servicebound/filenotifications",
        }
    }
}

/// Batches of feedback that the hub may send ahead: each is locked until it is settled.
const CREDIT: u32 = 1;

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  ringhub monitor-feedback                            until Ctrl-C
  ringhub monitor-feedback -d pump-7 --wait-on-msg m-1
  ringhub monitor-feedback --count 1 --timeout 60
  ringhub c2d-message send -d pump-7 --ack full --message-id m-1

Feedback is taken from the queue of the hub: other receivers do not get it any more.";

/// Show what became of messages to devices
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct MonitorFeedback {
    /// Of this device only; records of others are taken from the queue, too
    #[arg(long, short, value_name = "ID")]
    device_id: Option<String>,
    /// End with the record of the message with this id
    #[arg(long, short, value_name = "ID")]
    wait_on_msg: Option<String>,
    /// End after this many records
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// End after this many seconds without a record; 0 for never
    #[arg(long, short, value_name = "SECONDS", default_value_t = 0.0, value_parser = super::seconds)]
    timeout: f64,
    #[command(flatten)]
    library: LibraryWords,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl MonitorFeedback {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let target = self.target.target()?;
        let wanted = Wanted {
            device: self.device_id.clone(),
            message: self.wait_on_msg.clone(),
            count: self.count,
            timeout: self.timeout,
        };
        wanted.wait(&target, Node::Feedback, &interrupt, |record| self.show(record))
    }

    fn show(&self, record: &Value) -> Result<(), CliError> {
        let said = match self.output.or(Format::Table) {
            Format::Json => record.to_string(),
            Format::Table => ["enqueuedTimeUtc", "deviceId", "originalMessageId", "statusCode"]
                .map(|name| record[name].as_str().unwrap_or("-"))
                .join("  "),
        };
        Ok(line(&said)?)
    }
}

/// Which feedback is wanted, and how much of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// About messages to this device; without it, about all.
    pub(super) device: Option<String>,
    /// The end comes with the feedback about this message.
    pub(super) message: Option<String>,
    /// The end comes after this many records.
    pub(super) count: Option<usize>,
    /// The end comes after this many seconds without a record; 0 is never.
    pub(super) timeout: f64,
}

impl Wanted {
    /// Receives from `node` and hands the records that are wanted to `show`, until the end comes.
    pub(super) fn wait(
        &self,
        target: &Target,
        node: Node,
        interrupt: &Interrupt,
        mut show: impl FnMut(&Value) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut client = AmqpClient::connect(target)?;
        let link = client.attach_receiver(node.address(), None)?;
        let (mut shown, mut last, mut has_come) = (0, Instant::now(), false);
        while !interrupt.is_set() && !has_come && !self.is_done(shown, last.elapsed()) {
            match client.next(TICK)? {
                Some(AmqpFact::Attached(_)) => client.grant_credit(link, CREDIT),
                Some(AmqpFact::Message { delivery, settled, payload }) => {
                    let records = records(&payload)?;
                    let records: Vec<_> = records.iter().filter(|r| self.is_of_device(r)).collect();
                    records.iter().try_for_each(|record| show(record))?;
                    has_come = records.iter().any(|record| self.is_awaited(record));
                    (shown, last) = (shown + records.len(), Instant::now());
                    // Only now: what was not shown is to come again.
                    if !settled {
                        client.accept(delivery);
                    }
                    client.grant_credit(link, CREDIT);
                }
                _ => {}
            }
        }
        Ok(client.close()?)
    }

    fn is_done(&self, shown: usize, silence: Duration) -> bool {
        let is_silent = self.timeout > 0.0 && silence.as_secs_f64() >= self.timeout;
        is_silent || self.count.is_some_and(|count| shown >= count)
    }

    fn is_of_device(&self, record: &Value) -> bool {
        self.device.as_ref().is_none_or(|device| record["deviceId"] == device.as_str())
    }

    fn is_awaited(&self, record: &Value) -> bool {
        let awaited = self.message.as_ref();
        awaited.is_some_and(|message| record["originalMessageId"] == message.as_str())
    }
}

/// The records of one message: a list of them, or one.
///
/// Source: service-endpoints reference, "Delivery feedback", "File-upload notifications".
fn records(message: &[u8]) -> Result<Vec<Value>, ClientError> {
    let wrong = || ClientError::Protocol("a notice to back ends".to_owned());
    let body = Message::decode(message).map_err(|_| wrong())?.body;
    match serde_json::from_slice(&body.pieces().collect::<Vec<_>>().concat()) {
        Ok(Value::Array(records)) => Ok(records),
        Ok(record @ Value::Object(_)) => Ok(vec![record]),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringhub_core::codec::amqp::section::write_data;

    use super::*;

    #[test]
    fn a_batch_is_taken_apart() {
        let mut out = BytesMut::new();
        write_data(&mut out, br#"[{"originalMessageId":"m","statusCode":"Success"},{}]"#);
        let records = records(&out).unwrap();
        assert_eq!((records.len(), records[0]["statusCode"].as_str()), (2, Some("Success")));
        assert!(super::records(b"\x00").is_err());
    }
}
