//! Everything that devices sent, read back over AMQP without any SDK.

use std::collections::BTreeMap;

use ringhub_core::codec::amqp::primitive::{Map, Value};
use ringhub_core::codec::amqp::section::{Message, MessageId, Properties};
use ringhub_core::session::amqp::ClientSasl;

use super::amqp::{AmqpClient, Fact};
use super::hub::Hub;
use super::sas;

/// Partitions of a hub that is not configured otherwise.
const PARTITIONS: u16 = 4;
/// More events than any of these tests sends.
const EVENTS_MAX: u32 = 1_000_000;

/// One stored event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) partition: u16,
    pub(crate) sequence_number: i64,
    pub(crate) body: String,
    /// System properties whose value is a text: `message-id`, `correlation-id`, `content-type`,
    /// `content-encoding`.
    pub(crate) system: BTreeMap<&'static str, String>,
    /// Message annotations whose value is a text, and those with a number as text.
    pub(crate) stamps: BTreeMap<String, String>,
    /// The properties of the application, likewise.
    pub(crate) properties: BTreeMap<String, String>,
}

impl StoredEvent {
    /// A stamp of the hub; empty when it is absent.
    pub(crate) fn stamp(&self, name: &str) -> &str {
        self.stamps.get(name).map(String::as_str).unwrap_or_default()
    }

    /// `device` or `device/module`, as the hub stamped it.
    pub(crate) fn identity(&self) -> String {
        let device = self.stamp("iothub-connection-device-id");
        match self.stamp("iothub-connection-module-id") {
            "" => device.to_owned(),
            module => format!("{device}/{module}"),
        }
    }

    fn parse(partition: u16, message: &[u8]) -> Self {
        let message = Message::decode(message).expect("the hub sends messages");
        let annotations = message.message_annotations.expect("the hub stamps every event");
        let stamps = texts(annotations);
        let properties = message.application_properties.map(texts).unwrap_or_default();
        let number = stamps.get("x-opt-sequence-number").and_then(|text| text.parse().ok());
        let body: Vec<u8> = message.body.pieces().flatten().copied().collect();
        Self {
            partition,
            sequence_number: number.expect("every event has a sequence number"),
            body: String::from_utf8(body).expect("these tests send texts"),
            system: system(&message.properties),
            stamps,
            properties,
        }
    }
}

fn system(properties: &Properties<'_>) -> BTreeMap<&'static str, String> {
    let id = |id| match id {
        Some(MessageId::Str(text)) => Some(text.to_owned()),
        _ => None,
    };
    let text = |text: Option<&str>| text.map(str::to_owned);
    [
        ("message-id", id(properties.message_id)),
        ("correlation-id", id(properties.correlation_id)),
        ("content-type", text(properties.content_type)),
        ("content-encoding", text(properties.content_encoding)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The members of a map whose value is a text or a number.
fn texts(map: Map<'_>) -> BTreeMap<String, String> {
    let text = |value: Value<'_>| match value.as_text() {
        Some(text) => Some(text.to_owned()),
        None => value.as_integer().map(|number| number.to_string()),
    };
    map.pairs()
        .filter_map(|pair| {
            let (key, value) = pair.expect("the hub sends whole maps");
            Some((key.as_text()?.to_owned(), text(value)?))
        })
        .collect()
}

/// Reads all partitions from their beginning to their end. The events of one partition, and so of
/// one device, are in their order.
pub(crate) fn read_all(hub: &Hub) -> Vec<StoredEvent> {
    let host = hub.address.host();
    let token = sas::token(&host, &hub.policy_key("service"), Some("service"));
    let user = format!("service@sas.root.{host}");
    let sasl = ClientSasl::Plain { user: &user, password: &token };
    let mut client = AmqpClient::connect(hub, sasl, 5000).expect("the login is good");
    let mut events = Vec::new();
    for partition in 0..PARTITIONS {
        let address = format!("ringhub/ConsumerGroups/$Default/Partitions/{partition}");
        let link = client.receive_from(&address, None);
        assert_eq!(client.next().expect("an answer"), Fact::Attached(link), "{address}");
        client.machine().grant_credit(link, EVENTS_MAX);
        client.machine().drain(link);
        loop {
            match client.next().expect("events") {
                Fact::Message(message) => events.push(StoredEvent::parse(partition, &message)),
                Fact::Drained => break,
                other => panic!("{address}: {other:?}"),
            }
        }
    }
    events
}
