//! Properties of messages as they are typed: `name=value;name=value`.

use std::str::FromStr;

use bytes::BytesMut;
use ringhub_core::codec::amqp::primitive::write_str;
use ringhub_core::codec::amqp::section::{MapSection, begin_map_section, end_map_section};

use crate::client::encode_segment;

/// Names and values, in the order in which they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MessageProperties(Vec<(String, String)>);

impl FromStr for MessageProperties {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |part: &str| match part.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("`{part}` is not name=value; several are joined by `;`")),
        };
        let parts = text.split(';').filter(|part| !part.is_empty());
        parts.map(pair).collect::<Result<_, _>>().map(Self)
    }
}

impl MessageProperties {
    /// Adds a property when it has a value.
    pub(super) fn add(&mut self, name: &str, value: Option<&String>) {
        self.0.extend(value.map(|value| (name.to_owned(), value.clone())));
    }

    /// Adds a property that was not typed.
    pub(super) fn add_default(&mut self, name: &str, value: &str) {
        if self.0.iter().all(|(typed, _)| typed != name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The bag at the end of an MQTT topic.
    ///
    /// Source: device-endpoints reference, "Device-to-cloud telemetry".
    pub(super) fn bag(&self) -> String {
        let encode = |(name, value): &(String, String)| {
            format!("{}={}", encode_segment(name), encode_segment(value))
        };
        self.0.iter().map(encode).collect::<Vec<_>>().join("&")
    }

    /// Appends the application properties of an AMQP message; nothing when there are none.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        if self.0.is_empty() {
            return;
        }
        let start = begin_map_section(out, MapSection::ApplicationProperties);
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            write_str(out, text);
        }
        let count = u32::try_from(2 * self.0.len()).expect("a command line is short");
        end_map_section(out, start, count);
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::codec::amqp::primitive::Value;
    use ringhub_core::codec::amqp::section::Message;

    use super::*;

    #[test]
    fn properties_reach_both_protocols() {
        let mut properties: MessageProperties = "level=hot spot;$.ct=a/b;empty=;".parse().unwrap();
        properties.add("$.mid", Some(&"m=1".to_owned()));
        properties.add("$.cid", None);
        properties.add_default("level", "low");
        assert_eq!(properties.bag(), "level=hot%20spot&%24.ct=a%2Fb&empty=&%24.mid=m%3D1");
        let mut out = BytesMut::new();
        properties.encode(&mut out);
        let map = Message::decode(&out).unwrap().application_properties.unwrap();
        assert_eq!(map.value("level"), Some(Value::Str("hot spot")));
        assert_eq!(map.count(), 8);
    }

    #[test]
    fn what_is_no_pair_is_shown() {
        let error = "a=1;b".parse::<MessageProperties>().unwrap_err();
        assert!(error.contains("`b` is not name=value"), "{error}");
        assert!("=1".parse::<MessageProperties>().is_err());
    }
}
