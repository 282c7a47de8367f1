//! A back end in plain Rust: sends messages to devices and receives feedback.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use ringhub_core::codec::amqp::performative::DeliveryState;
use ringhub_core::codec::amqp::primitive::{Value as AmqpValue, write_str};
use ringhub_core::codec::amqp::section::{
    Body, MapSection, Message, MessageId, Properties, begin_map_section, end_map_section,
    write_data,
};
use ringhub_core::session::amqp::{ClientSasl, DeliveryId, LinkId, Outgoing};
use serde_json::Value;

use super::amqp::{AmqpClient, Fact};
use super::hub::Hub;
use super::sas;

/// What a message says besides its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct C2d<'a> {
    pub(crate) to: &'a str,
    pub(crate) id: &'a str,
    pub(crate) ack: &'a str,
    pub(crate) expiry_ms: Option<i64>,
}

impl C2d<'_> {
    /// The sections of a message with this body.
    pub(crate) fn sections(&self, body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        let properties = Properties {
            message_id: Some(MessageId::Str(self.id)),
            to: Some(self.to),
            absolute_expiry_time: self.expiry_ms,
            ..Properties::default()
        };
        properties.encode(&mut out);
        if !self.ack.is_empty() {
            let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
            write_str(&mut out, "iothub-ack");
            write_str(&mut out, self.ack);
            end_map_section(&mut out, start, 2);
        }
        write_data(&mut out, body);
        out
    }
}

/// A connection that has logged in with the `service` policy.
pub(crate) fn connect(hub: &Hub) -> io::Result<AmqpClient> {
    connect_as(hub, "service")
}

/// As above with any policy.
pub(crate) fn connect_as(hub: &Hub, policy: &str) -> io::Result<AmqpClient> {
    let user = format!("{policy}@sas.root.{}", hub.address.ip);
    let token = sas::token(&hub.address.host(), &hub.policy_key(policy), Some(policy));
    AmqpClient::connect(hub, ClientSasl::Plain { user: &user, password: &token }, 5000)
}

/// A link that sends to devices.
pub(crate) struct C2dSender {
    pub(crate) client: AmqpClient,
    link: LinkId,
}

impl C2dSender {
    pub(crate) fn connect(hub: &Hub) -> io::Result<Self> {
        let mut client = connect(hub)?;
        let link = client.send_to("/messages/devicebound");
        while client.next()? != Fact::Credit(link) {}
        Ok(Self { client, link })
    }

    /// Sends sections without waiting for the outcome.
    pub(crate) fn post(&mut self, sections: &[u8]) -> io::Result<DeliveryId> {
        loop {
            match self.client.machine().send(self.link, &[sections], Outgoing::default()) {
                Ok(delivery) => return self.client.flush().map(|()| delivery),
                Err(_) => drop(self.client.next()?),
            }
        }
    }

    /// The next outcome: empty if the message was accepted, else the condition and its text.
    pub(crate) fn outcome(&mut self) -> io::Result<(DeliveryId, Vec<String>)> {
        loop {
            match self.client.next()? {
                Fact::Settled(delivery, outcome) => return Ok((delivery, outcome)),
                Fact::Credit(_) => {}
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
    }

    /// Sends a message and waits for its outcome.
    pub(crate) fn send(&mut self, message: &C2d<'_>, body: &str) -> io::Result<Vec<String>> {
        let sent = self.post(&message.sections(body.as_bytes()))?;
        let (settled, outcome) = self.outcome()?;
        assert_eq!(settled, sent, "one message is under way");
        Ok(outcome)
    }
}

/// A link that receives news of files, one to a message.
pub(crate) struct FileReader {
    pub(crate) client: AmqpClient,
    pub(crate) link: LinkId,
}

impl FileReader {
    pub(crate) fn connect(hub: &Hub, credit: u32) -> io::Result<Self> {
        let mut client = connect(hub)?;
        let link = client.receive_from("/messages/serviceBound/filenotifications", None);
        while client.next()? != Fact::Attached(link) {}
        client.machine().grant_credit(link, credit);
        client.flush()?;
        Ok(Self { client, link })
    }

    /// The next file, unsettled: its name, and how often it was delivered before.
    pub(crate) fn next(&mut self) -> io::Result<(DeliveryId, String, u32)> {
        let Fact::Delivered(delivery, sections) = self.client.next()? else {
            return Err(io::Error::other("no delivery"));
        };
        let message = Message::decode(&sections).expect("it is a message");
        let content_type = message.properties.content_type;
        assert_eq!(content_type, Some("application/vnd.microsoft.iothub.filenotification.json"));
        let Body::Data(body) = message.body else { panic!("it has one data section") };
        let file: Value = serde_json::from_slice(body).expect("it is a JSON object");
        let name = file["blobName"].as_str().expect("a text").to_owned();
        let count = match message.header.and_then(|header| header.iter().last()) {
            None => 0,
            Some(Ok(AmqpValue::Uint(count))) => count,
            Some(other) => panic!("a count of deliveries: {other:?}"),
        };
        Ok((delivery, name, count))
    }

    /// Says what became of a file.
    pub(crate) fn settle(
        &mut self,
        delivery: DeliveryId,
        state: DeliveryState<'_>,
    ) -> io::Result<()> {
        self.client.machine().settle(delivery, state);
        self.client.flush()
    }
}

/// A link that receives feedback.
pub(crate) struct FeedbackReader {
    pub(crate) client: AmqpClient,
    pub(crate) link: LinkId,
}

impl FeedbackReader {
    pub(crate) fn connect(hub: &Hub, credit: u32) -> io::Result<Self> {
        let mut client = connect(hub)?;
        // Records that do not fill a batch wait for 15 seconds.
        client.set_patience(Duration::from_secs(30))?;
        let link = client.receive_from("/messages/serviceBound/feedback", None);
        while client.next()? != Fact::Attached(link) {}
        client.machine().grant_credit(link, credit);
        client.flush()?;
        Ok(Self { client, link })
    }

    /// The next batch, unsettled.
    pub(crate) fn next(&mut self) -> io::Result<(DeliveryId, Vec<Value>)> {
        match self.client.next()? {
            Fact::Delivered(delivery, sections) => Ok((delivery, records(&sections))),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// Says what became of a batch.
    pub(crate) fn settle(
        &mut self,
        delivery: DeliveryId,
        state: DeliveryState<'_>,
    ) -> io::Result<()> {
        self.client.machine().settle(delivery, state);
        self.client.flush()
    }

    /// Accepts batches until `count` records have come.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<Value>> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let (delivery, records) = self.next()?;
            taken.extend(records);
            self.settle(delivery, DeliveryState::Accepted)?;
        }
        Ok(taken)
    }
}

fn records(sections: &[u8]) -> Vec<Value> {
    let message = Message::decode(sections).expect("feedback is a message");
    let Body::Data(body) = message.body else { panic!("feedback has one data section") };
    serde_json::from_slice(body).expect("feedback is a JSON array")
}
