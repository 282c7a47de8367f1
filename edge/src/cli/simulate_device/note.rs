//! What a simulated device has to tell.

use serde_json::{Value, json};

/// One thing that happened to a device.
#[derive(Debug)]
pub(super) enum Note {
    /// It has connected.
    Connected { device: String },
    /// A message of the cloud came.
    Message { device: String, properties: String, payload: Vec<u8> },
    /// Its twin, or a change of its desired properties.
    Desired { device: String, payload: Vec<u8> },
    /// The hub has answered its report; 204 is yes.
    Reported { device: String, status: String },
    /// A method was called, and answered.
    Method { device: String, name: String, payload: Vec<u8> },
    /// The connection was lost and is tried again.
    Lost { device: String, why: String },
    /// It has ended.
    Done { device: String, sent: u64 },
    /// It cannot go on.
    Failed { device: String, error: String },
}

impl Note {
    /// Device, what happened, and the details of that.
    fn parts(&self) -> (&str, &'static str, Value) {
        let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
        let document = |payload: &[u8]| {
            serde_json::from_slice(payload).unwrap_or_else(|_| text(payload).into())
        };
        match self {
            Self::Connected { device } => (device, "connected", Value::Null),
            Self::Message { device, properties, payload } => {
                let details = json!({ "properties": properties, "payload": text(payload) });
                (device, "message", details)
            }
            Self::Desired { device, payload } => (device, "desired", document(payload)),
            Self::Reported { device, status } => (device, "reported", status.as_str().into()),
            Self::Method { device, name, payload } => {
                (device, "method", json!({ "name": name, "payload": document(payload) }))
            }
            Self::Lost { device, why } => (device, "lost", why.as_str().into()),
            Self::Done { device, sent } => (device, "done", json!({ "sent": sent })),
            Self::Failed { device, error } => (device, "failed", error.as_str().into()),
        }
    }

    pub(super) fn line(&self) -> String {
        match self.parts() {
            (device, event, Value::Null) => format!("{device}  {event}"),
            (device, event, details) => format!("{device}  {event}  {details}"),
        }
    }

    pub(super) fn json(&self) -> Value {
        let (device, event, details) = self.parts();
        json!({ "deviceId": device, "event": event, "details": details })
    }
}
