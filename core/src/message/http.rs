//! Device-to-cloud messages as HTTP carries them: one with its properties in headers, or many in a
//! JSON array.
//!
//! Source: device-endpoints reference, "Telemetry (route 1)".

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::Deserialize;

use super::{D2cMessage, MessageTooLarge, SystemProperties, parse_time};
use crate::limits::D2C_MESSAGE_BYTES_MAX;

/// Content type of an array of messages.
pub const BATCH_CONTENT_TYPE: &str = "application/vnd.microsoft.iothub.json";

/// Clients write padding or leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What headers say about bytes in general, which is no property of a message.
const PLAIN_BYTES: [&str; 2] = ["application/octet-stream", "binary/octet-stream"];

/// One message of a request, by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpMessage {
    system: SystemProperties<'static>,
    application: Vec<(String, String)>,
    body: Bytes,
}

/// Why an array of messages is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// No array of objects with a text as `body`.
    #[error("the body must be a JSON array of messages")]
    Json,
    /// A body that should be base64 and is not.
    #[error("the body of a message is not base64, and nothing says that it is text")]
    Base64,
    /// More bytes than a request may have.
    #[error(transparent)]
    TooLarge(#[from] MessageTooLarge),
}

impl HttpMessage {
    /// Makes a message of a request's headers, names in any case, and its body.
    ///
    /// Headers that are no properties are left alone. `Content-Type` and `Content-Encoding` count
    /// where the client says nothing more exact, unless they speak of bytes only. What AMQP cannot
    /// carry in its place stays an application property, as over MQTT.
    ///
    /// # Errors
    /// [`MessageTooLarge`].
    pub fn from_headers<'h>(
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: Bytes,
    ) -> Result<Self, MessageTooLarge> {
        let mut message = Self { body, ..Self::default() };
        let (mut content_type, mut content_encoding) = (None, None);
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("content-type") {
                let essence = value.split(';').next().unwrap_or_default().trim();
                let is_plain = PLAIN_BYTES.iter().any(|plain| plain.eq_ignore_ascii_case(essence));
                content_type = (!is_plain).then_some(value);
            } else if name.eq_ignore_ascii_case("content-encoding") {
                content_encoding = Some(value);
            } else {
                message.set(name, value);
            }
        }
        if message.system.content_type.is_none()
            && let Some(value) = content_type
        {
            message.set("iothub-contenttype", value);
        }
        if message.system.content_encoding.is_none()
            && let Some(value) = content_encoding
        {
            message.set("iothub-contentencoding", value);
        }
        message.checked()
    }

    /// Reads an array of messages, in their order. One that is bad fails all.
    ///
    /// # Errors
    /// [`InvalidBatch`].
    pub fn batch(body: &[u8]) -> Result<Vec<Self>, InvalidBatch> {
        if body.len() > D2C_MESSAGE_BYTES_MAX {
            return Err(MessageTooLarge(body.len()).into());
        }
        let items: Vec<Item<'_>> = serde_json::from_slice(body).map_err(|_| InvalidBatch::Json)?;
        items.into_iter().map(Self::from_item).collect()
    }

    /// Reads whatever it is given as an array of messages; the fuzz target and the corpus test
    /// share it.
    ///
    /// # Panics
    /// When a message that was judged good is larger than a message may be.
    #[doc(hidden)]
    pub fn fuzz_batch(input: &[u8]) {
        for message in Self::batch(input).unwrap_or_default() {
            let message = message.as_d2c();
            let bytes = message.application.map(|(name, value)| name.len() + value.len());
            assert!(message.body.len() + bytes.sum::<usize>() <= D2C_MESSAGE_BYTES_MAX);
        }
    }

    /// The message as the hub takes it from any protocol.
    pub fn as_d2c(
        &self,
    ) -> D2cMessage<'_, impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + Clone> {
        let application = self.application.iter();
        let application = application
            .map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str())));
        D2cMessage { system: &self.system, amqp: None, application, body: &self.body }
    }

    fn from_item(item: Item<'_>) -> Result<Self, InvalidBatch> {
        let body = if item.base64_encoded.unwrap_or(true) {
            BASE64.decode(&*item.body).map_err(|_| InvalidBatch::Base64)?.into()
        } else {
            Bytes::copy_from_slice(item.body.as_bytes())
        };
        let mut message = Self { body, ..Self::default() };
        for (name, value) in item.properties.unwrap_or_default() {
            if is_bare_name(&name) {
                message.set(&format!("iothub-{name}"), &value);
            } else {
                message.set(&name, &value);
            }
        }
        Ok(message.checked()?)
    }

    /// Sets what a header means; one that means nothing is no property.
    fn set(&mut self, name: &str, value: &str) {
        let lower = name.to_ascii_lowercase();
        let system = &mut self.system;
        let owned = || Some(Cow::Owned(value.to_owned()));
        let kept_as = match &*lower {
            "iothub-messageid" => return system.message_id = owned(),
            "iothub-correlationid" => return system.correlation_id = owned(),
            "iothub-userid" => return system.user_id = owned(),
            "iothub-to" => return system.to = owned(),
            "iothub-contenttype" if value.is_ascii() => return system.content_type = owned(),
            "iothub-contentencoding" if value.is_ascii() => {
                return system.content_encoding = owned();
            }
            "iothub-interface-id" => return system.interface_id = owned(),
            "dt-subject" => return system.component = owned(),
            "iothub-expiry" => match parse_time(value) {
                Some(expiry) => return system.absolute_expiry = Some(expiry),
                None => "iothub-expiry",
            },
            "iothub-contenttype" => "iothub-contenttype",
            "iothub-contentencoding" => "iothub-contentencoding",
            "iothub-creationtimeutc" | "iothub-creation-time-utc" => "iothub-creation-time-utc",
            "iothub-messageschema" => "iothub-message-schema",
            "iothub-operation" => "iothub-operation",
            "iothub-ack" => "iothub-ack",
            other if other.starts_with("iothub-app-") => &name["iothub-app-".len()..],
            _ => return,
        };
        if !kept_as.is_empty() {
            self.application.push((kept_as.to_owned(), value.to_owned()));
        }
    }

    fn checked(self) -> Result<Self, MessageTooLarge> {
        let pairs = self.application.iter().map(|(name, value)| name.len() + value.len());
        let bytes = self.body.len() + self.system.len() + pairs.sum::<usize>();
        if bytes > D2C_MESSAGE_BYTES_MAX { Err(MessageTooLarge(bytes)) } else { Ok(self) }
    }
}

/// Names of system properties that some clients write into arrays without `iothub-`.
fn is_bare_name(name: &str) -> bool {
    const BARE: [&str; 12] = [
        "messageid",
        "correlationid",
        "userid",
        "to",
        "contenttype",
        "contentencoding",
        "expiry",
        "ack",
        "creationtimeutc",
        "creation-time-utc",
        "messageschema",
        "operation",
    ];
    BARE.iter().any(|bare| bare.eq_ignore_ascii_case(name))
}

/// One message of an array.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(rename = "base64Encoded", default)]
    base64_encoded: Option<bool>,
    #[serde(default)]
    properties: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests;
