//! A kept message as MQTT devices get it: a property bag at the end of the topic, and the payload.
//!
//! Source: device-endpoints reference, "Cloud-to-device over MQTT".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_encode};

use super::ack::ACK;
use crate::codec::amqp::primitive::Map;
use crate::codec::amqp::section::{Body, Message, MessageId};
use crate::codec::amqp::{DecodeError, time_text};

/// What stands in a bag as it is: everything that clients do not split or decode by.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bag and payload of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttForm<'a> {
    /// `%24.mid=…&%24.to=…`, never empty.
    pub bag: String,
    /// The body.
    pub payload: &'a [u8],
}

impl<'a> MqttForm<'a> {
    /// Turns a kept message into its MQTT form.
    ///
    /// System properties come first, by the names that clients know, the level of acknowledgement
    /// and the application's properties follow. What the sender did not set is left out, because
    /// clients stumble over names without value.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are no kept message.
    pub fn of(content: &'a [u8]) -> Result<Self, DecodeError> {
        let message = Message::decode(content)?;
        let properties = message.properties;
        let mut bag = Bag::default();
        bag.system("mid", properties.message_id.and_then(text_of));
        bag.system("to", properties.to);
        bag.system("cid", properties.correlation_id.and_then(text_of));
        if let Some(user) = properties.user_id.filter(|user| !user.is_empty()) {
            bag.pair("%24.uid", escape(user));
        }
        let expiry = properties.absolute_expiry_time.map(time_text);
        bag.system("exp", expiry.as_deref());
        bag.system("ct", properties.content_type);
        bag.system("ce", properties.content_encoding);
        let application = message.application_properties;
        let ack = application.and_then(|properties| properties.value(ACK)?.as_text());
        if let Some(level) = ack {
            bag.pair(ACK, escape(level.as_bytes()));
        }
        for pair in application.iter().flat_map(Map::pairs) {
            let (name, value) = pair?;
            if let (Some(name), Some(value)) = (name.as_text(), value.as_text())
                && name != ACK
            {
                bag.pair(&escape(name.as_bytes()).to_string(), escape(value.as_bytes()));
            }
        }
        let Body::Data(payload) = message.body else { return Err(DecodeError::WrongType) };
        Ok(Self { bag: bag.0, payload })
    }
}

#[derive(Default)]
struct Bag(String);

impl Bag {
    fn system(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.pair(&format!("%24.{name}"), escape(value.as_bytes()));
        }
    }

    fn pair(&mut self, name: &str, value: PercentEncode<'_>) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(value);
    }
}

/// Bytes as clients decode them in bags and paths.
pub(super) fn escape(bytes: &[u8]) -> PercentEncode<'_> {
    percent_encode(bytes, ESCAPED)
}

fn text_of(id: MessageId<'_>) -> Option<&str> {
    match id {
        MessageId::Str(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use bytes::BytesMut;

    use super::*;
    use crate::c2d::DeviceMessage;
    use crate::codec::amqp::primitive::write_str;
    use crate::codec::amqp::section::{
        MapSection, Properties, begin_map_section, end_map_section, write_data,
    };
    use crate::time::UnixMillis;

    fn bag(properties: Properties<'_>, pairs: &[(&str, &str)]) -> String {
        let mut bytes = BytesMut::new();
        properties.encode(&mut bytes);
        let start = begin_map_section(&mut bytes, MapSection::ApplicationProperties);
        for (name, value) in pairs {
            write_str(&mut bytes, name);
            write_str(&mut bytes, value);
        }
        end_map_section(&mut bytes, start, u32::try_from(2 * pairs.len()).unwrap());
        write_data(&mut bytes, b"payload");
        let now = UnixMillis::from_millis(1_796_119_200_000 - 1000);
        let message = DeviceMessage::read(&bytes, now, Duration::from_hours(1)).unwrap();
        let form = MqttForm::of(&message.content).unwrap();
        assert_eq!(form.payload, b"payload");
        form.bag
    }

    #[test]
    fn the_example_of_the_reference_is_byte_exact() {
        let properties = Properties {
            message_id: Some(MessageId::Str("c-9")),
            to: Some("/devices/cooler-7/messages/devicebound"),
            correlation_id: Some(MessageId::Str("k1")),
            user_id: Some(b"ops"),
            absolute_expiry_time: Some(1_796_119_200_000),
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            ..Properties::default()
        };
        let pairs = [("mode", "night shift"), ("iothub-ack", "full")];
        let expected = "%24.mid=c-9&%24.to=%2Fdevices%2Fcooler-7%2Fmessages%2FdeviceBound\
                        &%24.cid=k1&%24.uid=ops&%24.exp=2026-12-01T10%3A00%3A00Z\
                        &%24.ct=application%2Fjson&%24.ce=utf-8&iothub-ack=full\
                        &mode=night%20shift";
        assert_eq!(bag(properties, &pairs), expected);
    }

    #[test]
    fn separators_and_wide_characters_are_escaped() {
        let to = Properties { to: Some("/devices/d/messages/devicebound"), ..Default::default() };
        let prefix = "%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound";
        for (name, value, expected) in [
            ("a", "b", "a=b"),
            ("a=b&c", "d%e", "a%3Db%26c=d%25e"),
            ("p+q", "x/y#z+", "p%2Bq=x%2Fy%23z%2B"),
            ("ü", "€", "%C3%BC=%E2%82%AC"),
            ("empty", "", "empty="),
            ("-._~", "09AZaz", "-._~=09AZaz"),
        ] {
            assert_eq!(bag(to, &[(name, value)]), format!("{prefix}&{expected}"));
        }
        assert_eq!(bag(to, &[]), prefix, "a bag is never empty");
    }

    #[test]
    fn a_module_has_its_own_path() {
        let to = Properties {
            to: Some("/devices/d/modules/m/messages/devicebound"),
            ..Properties::default()
        };
        let expected = "%24.to=%2Fdevices%2Fd%2Fmodules%2Fm%2Fmessages%2FdeviceBound";
        assert_eq!(bag(to, &[]), expected);
    }
}
