//! Lines of the errors of an import.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::api::ItemName;
use crate::registry::{ItemOutcome, RegistryError};

/// Number of a line that cannot be read.
///
/// Source: control-plane reference, "Full error-code table".
const DESERIALIZATION_ERROR: u32 = 400_012;

/// Characters of such a line that are told.
const SHOWN_CHARS_MAX: usize = 200;

/// What is told of a line that names no identity.
pub(super) fn unreadable(line: &[u8], why: &dyn Display) -> String {
    let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN_CHARS_MAX).collect();
    let text = format!("Invalid device format in line: {shown} ({why})");
    json!({ "errorCode": DESERIALIZATION_ERROR, "errorStatus": text }).to_string()
}

/// What is told of the errors that were too many to be kept.
pub(super) fn left_out(count: u64) -> String {
    let text = format!("{count} more lines have failed; there was no room for their errors");
    json!({ "errorCode": DESERIALIZATION_ERROR, "errorStatus": text }).to_string()
}

/// What is told of a line about an identity, if something is wrong with it.
pub(super) fn error_of(name: &ItemName, outcome: &ItemOutcome) -> Option<String> {
    let (why, before) = match (&outcome.identity, &outcome.twin) {
        (Err(why), _) => (why, ""),
        (Ok(_), Some(Err(why))) => (why, "registered without its twin: "),
        _ => return None,
    };
    let mut line = json!({
        "deviceId": name.device,
        "errorCode": why.code().number,
        "errorStatus": format!("{before}{why}"),
    });
    if let Some(module) = &name.module {
        line["moduleId"] = Value::from(module.as_str());
    }
    Some(line.to_string())
}

/// What is told of a configuration that was refused.
pub(super) fn of_configuration(id: &str, why: &RegistryError) -> String {
    let line = json!({
        "configurationId": id,
        "errorCode": why.code().number,
        "errorStatus": why.to_string(),
    });
    line.to_string()
}
