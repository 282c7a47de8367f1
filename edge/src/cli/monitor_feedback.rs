//! `ringhub monitor-feedback`.

use std::time::{Duration, Instant};

use clap::Args;
use ringhub_core::codec::amqp::section::Message;
use serde_json::Value;

use super::error::CliError;
use super::output::{Format, Output, line};
use super::target::TargetArguments;
use crate::client::amqp::{AmqpClient, AmqpFact};
use crate::client::{ClientError, Interrupt};

const NODE: &str = "/messages/servicebound/feedback";

/// Batches of feedback that the hub may send ahead: each is locked until it is settled.
const CREDIT: u32 = 1;

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  ringhub monitor-feedback                            until Ctrl-C
  ringhub monitor-feedback --count 1 --timeout 60
  ringhub c2d-message send -d pump-7 --ack full --message-id m-1

Feedback is taken from the queue of the hub: other receivers do not get it any more.";

/// Show what became of messages to devices
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct MonitorFeedback {
    /// End after this many records
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// End after this many seconds without a record
    #[arg(long, short, value_name = "SECONDS", value_parser = super::seconds)]
    timeout: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: TargetArguments,
}

impl MonitorFeedback {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let interrupt = Interrupt::install()?;
        let mut client = AmqpClient::connect(&self.target.target()?)?;
        let link = client.attach_receiver(NODE, None)?;
        let (mut shown, mut last) = (0, Instant::now());
        while !interrupt.is_set() && !self.is_done(shown, last.elapsed()) {
            match client.next(TICK)? {
                Some(AmqpFact::Attached(_)) => client.grant_credit(link, CREDIT),
                Some(AmqpFact::Message { delivery, settled, payload }) => {
                    let records = records(&payload)?;
                    records.iter().try_for_each(|record| self.show(record))?;
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
        self.count.is_some_and(|count| shown >= count)
            || self.timeout.is_some_and(|timeout| silence.as_secs_f64() >= timeout)
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

/// The records of one message.
///
/// Source: service-endpoints reference, "Delivery feedback".
fn records(message: &[u8]) -> Result<Vec<Value>, ClientError> {
    let wrong = || ClientError::Protocol("a batch of feedback".to_owned());
    let body = Message::decode(message).map_err(|_| wrong())?.body;
    serde_json::from_slice(&body.pieces().collect::<Vec<_>>().concat()).map_err(|_| wrong())
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
