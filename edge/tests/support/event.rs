//! An event as a back end sees it, in the one shape that all reader scripts print.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One received event.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) partition: String,
    /// Text: a hub that sends a number here breaks the SDKs.
    pub(crate) offset: String,
    pub(crate) sequence_number: u64,
    pub(crate) enqueued_time_ms: i64,
    pub(crate) body: String,
    /// Application properties.
    pub(crate) properties: BTreeMap<String, Value>,
    /// AMQP properties and message annotations by their AMQP names.
    pub(crate) system: BTreeMap<String, Value>,
    /// What the reader was told about the end of the partition, when it asked.
    pub(crate) last_enqueued: Option<Value>,
}

impl Event {
    /// A system property as text; empty when it is absent, so that a comparison shows what is
    /// missing.
    pub(crate) fn system_text(&self, name: &str) -> &str {
        self.system.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// An application property as text.
    pub(crate) fn property_text(&self, name: &str) -> &str {
        self.properties.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The device that sent it, as the hub stamped it.
    pub(crate) fn device_id(&self) -> &str {
        self.system_text("iothub-connection-device-id")
    }

    /// The message id that the device chose.
    pub(crate) fn message_id(&self) -> &str {
        self.system_text("message-id")
    }
}
