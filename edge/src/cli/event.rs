//! An event of a device as people and programs see it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::codec::amqp::primitive::{Map, Value as AmqpValue, uuid_text};
use ringhub_core::codec::amqp::section::{Message, MessageId, Properties};
use serde_json::{Map as Object, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An event, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// Id of the device that sent it.
    pub(super) device: String,
    /// Id of its module that sent it, if one did.
    pub(super) module: Option<String>,
    partition: String,
    enqueued: String,
    body: Vec<u8>,
    annotations: Value,
    system: Value,
    application: Value,
    is_json: bool,
}

impl Event {
    /// Takes the sections of an event of `partition` apart; `None` when they are none. Its body is
    /// of `content_type`, or without that of the type that it says itself.
    pub(super) fn decode(
        sections: &[u8],
        partition: &str,
        content_type: Option<&str>,
    ) -> Option<Self> {
        let message = Message::decode(sections).ok()?;
        let annotation = |key| message.message_annotations.and_then(|map| map.value(key));
        let text = |key| annotation(key).and_then(|value| value.as_text().map(ToOwned::to_owned));
        let enqueued = annotation("x-opt-enqueued-time").map_or(Value::Null, json_of);
        Some(Self {
            device: text("iothub-connection-device-id").unwrap_or_default(),
            module: text("iothub-connection-module-id"),
            partition: partition.to_owned(),
            enqueued: enqueued.as_str().unwrap_or("-").to_owned(),
            body: message.body.pieces().collect::<Vec<_>>().concat(),
            annotations: message.message_annotations.map_or_else(|| json!({}), object_of),
            system: system_properties(&message.properties),
            application: message.application_properties.map_or_else(|| json!({}), object_of),
            is_json: content_type
                .or(message.properties.content_type)
                .is_some_and(|kind| kind.contains("json")),
        })
    }

    /// The Plug and Play interface, if the event has one.
    pub(super) fn interface(&self) -> Option<&str> {
        let named = ["iothub-interface-id", "dt-dataschema"].map(|name| &self.annotations[name]);
        named.into_iter().find_map(Value::as_str)
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let module = self.module.as_ref().map(|module| format!("/{module}")).unwrap_or_default();
        let body = String::from_utf8_lossy(&self.body);
        let body = body.escape_debug().to_string().replace("\\\"", "\"");
        let Self { enqueued, partition, device, .. } = self;
        format!("{enqueued}  {partition:>3}  {device}{module}  {body}")
    }

    /// Everything, with the member names of the Azure CLI.
    pub(super) fn json(&self) -> Value {
        let (name, payload) = self.payload();
        json!({
            "event": {
                "origin": self.device,
                "module": self.module,
                "partition": self.partition,
                name: payload,
                "annotations": self.annotations,
                "properties": { "system": self.system, "application": self.application },
            },
        })
    }

    /// The body as JSON if it says that it is, else as text if it is, else in base64.
    fn payload(&self) -> (&'static str, Value) {
        if self.is_json
            && let Ok(value) = serde_json::from_slice(&self.body)
        {
            return ("payload", value);
        }
        match std::str::from_utf8(&self.body) {
            Ok(text) => ("payload", text.into()),
            Err(_) => ("payloadBase64", STANDARD.encode(&self.body).into()),
        }
    }
}

fn system_properties(properties: &Properties<'_>) -> Value {
    let mut object = Object::new();
    let mut put = |name: &str, value: Option<Value>| {
        object.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("message_id", properties.message_id.map(json_of_id));
    put("correlation_id", properties.correlation_id.map(json_of_id));
    put("user_id", properties.user_id.map(|bytes| json_of(AmqpValue::Binary(bytes))));
    put("to", properties.to.map(Value::from));
    put("content_type", properties.content_type.map(Value::from));
    put("content_encoding", properties.content_encoding.map(Value::from));
    put("absolute_expiry_time", properties.absolute_expiry_time.map(time_text));
    put("creation_time", properties.creation_time.map(time_text));
    Value::Object(object)
}

fn json_of_id(id: MessageId<'_>) -> Value {
    match id {
        MessageId::Ulong(number) => number.into(),
        MessageId::Uuid(uuid) => json_of(AmqpValue::Uuid(&uuid)),
        MessageId::Binary(bytes) => json_of(AmqpValue::Binary(bytes)),
        MessageId::Str(text) => text.into(),
    }
}

fn object_of(map: Map<'_>) -> Value {
    let pairs = map.pairs().map_while(Result::ok);
    let member = |(key, value): (AmqpValue<'_>, AmqpValue<'_>)| {
        Some((key.as_text()?.to_owned(), json_of(value)))
    };
    Value::Object(pairs.filter_map(member).collect())
}

/// The nearest JSON of a value; null for what JSON has no likeness of.
fn json_of(value: AmqpValue<'_>) -> Value {
    match value {
        AmqpValue::Bool(value) => value.into(),
        AmqpValue::Float(value) => value.into(),
        AmqpValue::Double(value) => value.into(),
        AmqpValue::Str(text) | AmqpValue::Symbol(text) => text.into(),
        AmqpValue::Ulong(number) => number.into(),
        AmqpValue::Timestamp(millis) => time_text(millis),
        AmqpValue::Binary(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => STANDARD.encode(bytes).into(),
        },
        AmqpValue::Uuid(bytes) => uuid_text(bytes).into(),
        AmqpValue::Map(map) => object_of(map),
        AmqpValue::List(list) => list.iter().map_while(Result::ok).map(json_of).collect(),
        AmqpValue::Array(array) => array.iter().map_while(Result::ok).map(json_of).collect(),
        other => other.as_integer().map_or(Value::Null, Value::from),
    }
}

fn time_text(millis: i64) -> Value {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.map_or_else(|| millis.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringhub_core::codec::amqp::primitive::{write_str, write_symbol};
    use ringhub_core::codec::amqp::section::{
        MapSection, begin_map_section, end_map_section, write_data,
    };
    use ringhub_core::session::amqp::event_head::EventHead;

    use super::*;

    fn event(content_type: Option<&str>, body: &[u8]) -> Event {
        let mut pairs = BytesMut::new();
        write_symbol(&mut pairs, "iothub-connection-device-id");
        write_str(&mut pairs, "pump-7");
        let mut out = BytesMut::new();
        let head = EventHead {
            sequence_number: 5,
            offset: 70,
            enqueued_time_ms: 1_700_000_000_123,
            annotation_count: 2,
            annotations: &pairs,
        };
        head.encode(&mut out);
        let message_id = Some(MessageId::Uuid([0x1f; 16]));
        Properties { message_id, content_type, ..Properties::default() }.encode(&mut out);
        let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
        write_str(&mut out, "level");
        write_str(&mut out, "high");
        end_map_section(&mut out, start, 2);
        write_data(&mut out, body);
        Event::decode(&out, "3", None).unwrap()
    }

    #[test]
    fn an_event_is_a_line_or_a_document() {
        let event = event(Some("application/json"), br#"{"bar":2.4}"#);
        assert_eq!(event.line(), "2023-11-14T22:13:20.123Z    3  pump-7  {\"bar\":2.4}");
        let json = event.json();
        assert_eq!(json["event"]["payload"]["bar"], 2.4);
        assert_eq!(json["event"]["origin"], "pump-7");
        assert_eq!(json["event"]["annotations"]["x-opt-sequence-number"], 5);
        let system = &json["event"]["properties"]["system"];
        assert_eq!(system["message_id"], "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f");
        assert_eq!(json["event"]["properties"]["application"]["level"], "high");
    }

    #[test]
    fn a_body_is_shown_as_what_it_is() {
        assert_eq!(event(None, b"{}").json()["event"]["payload"], "{}");
        assert_eq!(event(Some("application/json"), b"{").json()["event"]["payload"], "{");
        assert_eq!(event(None, b"\xff\x00").json()["event"]["payloadBase64"], "/wA=");
        let line = event(None, b"\x1b[31m\n").line();
        assert!(line.ends_with(r"\u{1b}[31m\n"), "no control character reaches a terminal: {line}");
        assert_eq!(Event::decode(b"\x00\x53\x99", "0", None), None);
    }
}
