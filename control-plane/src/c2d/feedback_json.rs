//! A batch of feedback as JSON, for AMQP and REST alike.
//!
//! Source: service-endpoints reference, "Delivery feedback".

use ringhub_core::c2d::{FeedbackRecord, Outcome};
use ringhub_core::time::UnixMillis;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

/// Content type of [`feedback_json`].
pub(super) const FEEDBACK_CONTENT_TYPE: &str = "application/vnd.microsoft.iothub.feedback.json";

/// The records of a batch, as back ends read them.
pub(super) fn feedback_json(records: &[FeedbackRecord]) -> String {
    let records: Vec<Value> = records.iter().map(record_json).collect();
    Value::from(records).to_string()
}

fn record_json(record: &FeedbackRecord) -> Value {
    json!({
        "originalMessageId": &*record.message_id,
        "description": description(record.outcome),
        "deviceGenerationId": record.generation.to_string(),
        "deviceId": record.identity.device.as_str(),
        "enqueuedTimeUtc": time_text(record.time),
        "statusCode": record.outcome.name(),
    })
}

/// One SDK reads the outcome here and nowhere else.
fn description(outcome: Outcome) -> &'static str {
    outcome.name()
}

/// As .NET writes times: seven digits of the fraction.
pub(super) fn time_text(time: UnixMillis) -> String {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]0000Z"
    );
    let nanos = i128::from(time.as_millis()) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos);
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(format).unwrap_or_default()
}
