//! What became of one request of an import.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::batch::{Batch, ItemName, Line};
use crate::client::{ClientError, Precondition, Refusal, RestClient};

/// Longest time for one request: the hub may have others before it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a request is tried that the hub is too busy for.
const TRIES: u32 = 8;

/// Time before the second try; doubles with each.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What a worker tells about a batch.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The hub has answered.
    Answered {
        /// Names the batch.
        first_line: u64,
        /// Lines that were applied.
        done: u64,
        /// Lines that were not, and why.
        errors: Vec<(u64, String)>,
    },
    /// The hub could not be talked to; nothing is known of the batch.
    Failed {
        /// Names the batch.
        first_line: u64,
        /// Why.
        error: ClientError,
    },
}

/// Sends a batch; one that is refused as a whole goes line by line, so that one bad line spoils no
/// other.
pub(super) fn submit(rest: &RestClient, batch: Batch) -> Outcome {
    let first_line = batch.first_line().unwrap_or_default();
    match submit_lines(rest, &batch.lines) {
        Ok(errors) => {
            let done = (batch.lines.len() - errors.len()) as u64;
            Outcome::Answered { first_line, done, errors }
        }
        Err(error) => Outcome::Failed { first_line, error },
    }
}

fn submit_lines(rest: &RestClient, lines: &[Line]) -> Result<Vec<(u64, String)>, ClientError> {
    let items = lines.iter().map(|line| line.item.clone()).collect();
    match send(rest, &Value::Array(items))? {
        Answer::PerItem(answer) => Ok(errors(&answer, lines)),
        Answer::Refused(refusal) if refusal.status != 400 && refusal.status != 413 => {
            Err(refusal.into())
        }
        Answer::Refused(refusal) => match lines {
            [line] => Ok(vec![(line.number, refusal.to_string())]),
            lines => {
                let (left, right) = lines.split_at(lines.len() / 2);
                let mut errors = submit_lines(rest, left)?;
                errors.extend(submit_lines(rest, right)?);
                Ok(errors)
            }
        },
    }
}

/// What the hub said to a request.
enum Answer {
    /// It looked at every item.
    PerItem(Value),
    /// It looked at none.
    Refused(Refusal),
}

/// Sends until the hub is not too busy.
fn send(rest: &RestClient, items: &Value) -> Result<Answer, ClientError> {
    let mut wait = BACK_OFF;
    let mut tries = 0;
    loop {
        let when = Precondition::Absent;
        let answer = rest.exchange(Method::POST, "/devices", when, Some(items), PATIENCE)?;
        let per_item: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if per_item.get("isSuccessful").is_some() {
            return Ok(Answer::PerItem(per_item));
        }
        let refusal = answer.refusal();
        tries += 1;
        if !refusal.is_passing() || tries == TRIES {
            return Ok(Answer::Refused(refusal));
        }
        thread::sleep(wait);
        wait *= 2;
    }
}

/// Finds the lines of the items that failed.
///
/// Source: control-plane reference, "Bulk".
fn errors(answer: &Value, lines: &[Line]) -> Vec<(u64, String)> {
    let by_name: HashMap<&ItemName, u64> =
        lines.iter().map(|line| (&line.name, line.number)).collect();
    let text = |error: &Value, name: &str| error[name].as_str().map(ToOwned::to_owned);
    let listed = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let error = |error: &Value| {
        let name = (text(error, "deviceId")?, text(error, "moduleId"));
        let code = text(error, "errorCode").unwrap_or_default();
        let status = text(error, "errorStatus").unwrap_or_default();
        let (device, _) = &name;
        Some((*by_name.get(&name)?, format!("{device}: {status} ({code})")))
    };
    listed.iter().filter_map(error).collect()
}

#[cfg(test)]
mod tests {
    use ringhub_control_plane::identity_file::ImportMode;
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_find_their_lines() {
        let line = |text: &str, number| {
            Line::parse(text.as_bytes(), number, ImportMode::Create).unwrap().unwrap()
        };
        let lines = [line(r#"{"id":"a"}"#, 3), line(r#"{"id":"a","moduleId":"m"}"#, 5)];
        let answer = json!({
            "isSuccessful": false,
            "errors": [{
                "deviceId": "a", "moduleId": "m",
                "errorCode": "DeviceNotFound", "errorStatus": "No such device",
            }],
        });
        let expected = [(5, "a: No such device (DeviceNotFound)".to_owned())];
        assert_eq!(errors(&answer, &lines), expected);
    }
}
