//! Devices that speak AMQP: core's machine in its other role, with a link for each function.

use std::io;

use bytes::BytesMut;
use ringhub_core::codec::amqp::primitive::write_str;
use ringhub_core::codec::amqp::section::{
    BATCH_FORMAT, MapSection, Message, MessageId, Properties, begin_map_section, end_map_section,
    write_data, write_value_descriptor,
};
use ringhub_core::session::amqp::{ClientSasl, DeliveryId, LinkId, Outgoing};

use super::amqp::{AmqpClient, Fact};
use super::hub::Hub;
use super::rest::Device;

/// A connection of one device, or of a gateway.
pub(crate) struct AmqpDevice {
    pub(crate) client: AmqpClient,
    /// Where tokens are put.
    requests: Option<LinkId>,
    next_id: u64,
}

impl AmqpDevice {
    /// Opens a connection without SASL, as most SDKs do, with the links of `$cbs`.
    pub(crate) fn open(hub: &Hub) -> io::Result<Self> {
        Self::over(AmqpClient::connect(hub, ClientSasl::Skip, 5000)?)
    }

    /// Attaches the links of `$cbs`.
    pub(crate) fn over(mut client: AmqpClient) -> io::Result<Self> {
        let requests = client.send_to("$cbs");
        let replies = client.receive_from("$cbs", None);
        while client.next()? != Fact::Attached(replies) {}
        client.machine().grant_credit(replies, 10_000);
        Ok(Self { client, requests: Some(requests), next_id: 0 })
    }

    /// A device that has logged in, or shown a certificate: without `$cbs`.
    pub(crate) fn without_tokens(client: AmqpClient) -> Self {
        Self { client, requests: None, next_id: 0 }
    }

    /// Opens a connection for one device.
    pub(crate) fn connect(hub: &Hub, device: &Device) -> io::Result<Self> {
        let mut connected = Self::open(hub)?;
        connected.authenticate(hub, device)?;
        Ok(connected)
    }

    /// Puts the token of a device, which must be good.
    pub(crate) fn authenticate(&mut self, hub: &Hub, device: &Device) -> io::Result<()> {
        let audience = format!("{}/devices/{}", hub.address.ip, device.id);
        match self.put_token(&audience, &device.token(hub))? {
            (200, _) => Ok(()),
            refused => Err(io::Error::other(format!("{refused:?}"))),
        }
    }

    /// Puts a token and waits for status and description of the answer.
    pub(crate) fn put_token(&mut self, audience: &str, token: &str) -> io::Result<(i64, String)> {
        self.next_id += 1;
        let id = MessageId::Ulong(self.next_id);
        let mut request = BytesMut::new();
        let reply_to = Some("$cbs");
        Properties { message_id: Some(id), reply_to, ..Properties::default() }.encode(&mut request);
        let start = begin_map_section(&mut request, MapSection::ApplicationProperties);
        for text in
            ["operation", "put-token", "type", "servicebus.windows.net:sastoken", "name", audience]
        {
            write_str(&mut request, text);
        }
        end_map_section(&mut request, start, 6);
        write_value_descriptor(&mut request);
        write_str(&mut request, token);
        let requests = self.requests.expect("the links of $cbs are attached");
        let sent = self.client.machine().send(requests, &[&request], Outgoing::SETTLED);
        sent.map_err(io::Error::other)?;
        loop {
            if let Fact::Message(reply) = self.client.next()? {
                let reply = Message::decode(&reply).map_err(io::Error::other)?;
                assert_eq!(reply.properties.correlation_id, Some(id));
                let properties = reply.application_properties.expect("an answer has a status");
                let status = properties.value("status-code").and_then(|v| v.as_integer());
                let text = properties.value("status-description").and_then(|v| v.as_text());
                return Ok((status.expect("a number"), text.expect("a text").to_owned()));
            }
        }
    }

    /// Asks for a link to send on, and waits for credit or a refusal.
    pub(crate) fn sender(&mut self, address: &str) -> io::Result<Result<LinkId, String>> {
        let link = self.client.send_to(address);
        loop {
            match self.client.next()? {
                Fact::Credit(credited) if credited == link => return Ok(Ok(link)),
                Fact::Detached { condition, .. } => return Ok(Err(condition)),
                _ => {}
            }
        }
    }

    /// Asks for a link to receive on, and waits for the answer.
    pub(crate) fn receiver(&mut self, address: &str) -> io::Result<Result<LinkId, String>> {
        let link = self.client.receive_from(address, None);
        loop {
            match self.client.next()? {
                Fact::Attached(attached) if attached == link => return Ok(Ok(link)),
                Fact::Detached { condition, .. } => return Ok(Err(condition)),
                _ => {}
            }
        }
    }

    /// The telemetry link of a device, which must be granted.
    pub(crate) fn telemetry(&mut self, device_id: &str) -> io::Result<LinkId> {
        let link = self.sender(&format!("/devices/{device_id}/messages/events"))?;
        link.map_err(io::Error::other)
    }

    /// Sends one message of telemetry without waiting for its outcome.
    pub(crate) fn post(&mut self, link: LinkId, body: &str) -> io::Result<DeliveryId> {
        self.transfer(link, 0, &telemetry(body))
    }

    /// Sends whole messages as one batch.
    pub(crate) fn post_batch(
        &mut self,
        link: LinkId,
        messages: &[BytesMut],
    ) -> io::Result<DeliveryId> {
        let mut batch = BytesMut::new();
        messages.iter().for_each(|message| write_data(&mut batch, message));
        self.transfer(link, BATCH_FORMAT, &batch)
    }

    /// Sends anything, as soon as there is credit.
    pub(crate) fn transfer(
        &mut self,
        link: LinkId,
        format: u32,
        payload: &[u8],
    ) -> io::Result<DeliveryId> {
        let how = Outgoing { format, ..Outgoing::default() };
        let sent = self.client.machine().send(link, &[payload], how).map_err(io::Error::other)?;
        self.client.flush()?;
        Ok(sent)
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

    /// Sends one message and waits until it is accepted.
    pub(crate) fn send(&mut self, link: LinkId, body: &str) -> io::Result<()> {
        let sent = self.post(link, body)?;
        match self.outcome()? {
            (settled, outcome) if settled == sent && outcome.is_empty() => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// Waits for the detach of a link, and returns its condition.
    pub(crate) fn detached(&mut self) -> io::Result<String> {
        loop {
            match self.client.next()? {
                Fact::Detached { condition, .. } => return Ok(condition),
                Fact::Credit(_) | Fact::Settled(..) => {}
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
    }
}

/// The sections of a message with this body.
pub(crate) fn telemetry(body: &str) -> BytesMut {
    let mut out = BytesMut::new();
    write_data(&mut out, body.as_bytes());
    out
}
