//! A gateway: the devices of one AMQP connection, and what each of them has heard.

use std::collections::{HashMap, HashSet};
use std::io;

use bytes::BytesMut;
use ringhub_core::codec::amqp::performative::DeliveryState;
use ringhub_core::codec::amqp::section::{Message, MessageId};
use ringhub_core::method::{AmqpAnswer, AmqpCall};
use ringhub_core::session::amqp::{DeliveryId, LinkId, Outgoing, SendBlocked, SessionId};

use ringhub_core::twin::{TwinNews, TwinOperation, TwinRequest};
use serde_json::Value;

use super::amqp::Fact;
use super::amqp_device::{AmqpDevice, telemetry};
use super::hub::Hub;
use super::ledger::Ledger;
use super::patience::PATIENCE;
use super::rest::Device;

/// One of the devices.
pub(crate) struct Member {
    pub(crate) device: Device,
    pub(crate) ledger: Ledger,
    sender: Option<LinkId>,
    receiver: Option<LinkId>,
    /// Where it answers methods.
    answers: Option<LinkId>,
    /// Whether it completes the messages that come to it.
    pub(crate) completes: bool,
    /// Bodies of the messages that came to it.
    pub(crate) received: Vec<String>,
    /// What it heard of its twin and methods.
    pub(crate) heard: Vec<String>,
    /// Conditions of outcomes that are not "accepted".
    pub(crate) rejected: Vec<String>,
    /// Conditions of detaches.
    pub(crate) detached: Vec<String>,
}

/// The connection. Everything happens on the thread of the test.
pub(crate) struct Gateway {
    pub(crate) wire: AmqpDevice,
    pub(crate) members: Vec<Member>,
    links: HashMap<LinkId, usize>,
    /// Links that were answered.
    attached: HashSet<LinkId>,
    /// Links with credit.
    credited: HashSet<LinkId>,
    begun: HashSet<SessionId>,
    /// Member and number of what has no outcome yet; no number if it is none of its ledger.
    under_way: HashMap<DeliveryId, (usize, Option<u64>)>,
}

impl Gateway {
    /// Connects, and puts no token yet.
    pub(crate) fn open(hub: &Hub, devices: Vec<Device>) -> io::Result<Self> {
        let mut wire = AmqpDevice::open(hub)?;
        wire.client.set_patience(PATIENCE)?;
        let member = |device: Device| Member {
            ledger: Ledger::new(&device.id),
            device,
            sender: None,
            receiver: None,
            answers: None,
            heard: Vec::new(),
            completes: true,
            received: Vec::new(),
            rejected: Vec::new(),
            detached: Vec::new(),
        };
        Ok(Self {
            wire,
            members: devices.into_iter().map(member).collect(),
            links: HashMap::new(),
            attached: HashSet::new(),
            credited: HashSet::new(),
            begun: HashSet::new(),
            under_way: HashMap::new(),
        })
    }

    /// Asks for a link for telemetry of a member, without waiting.
    pub(crate) fn ask_to_send(&mut self, member: usize) -> io::Result<()> {
        let link = self.wire.client.send_to(&events(&self.members[member].device.id));
        self.set_sender(member, link);
        self.wire.client.flush()
    }

    /// The link is for telemetry of a member from now on.
    pub(crate) fn set_sender(&mut self, member: usize, link: LinkId) {
        self.members[member].sender = Some(link);
        self.links.insert(link, member);
    }

    /// Attaches a member to its queue, with credit.
    pub(crate) fn receive(&mut self, member: usize, credit: u32) -> io::Result<()> {
        let address = format!("/devices/{}/messages/devicebound", self.members[member].device.id);
        let link = self.wire.client.receive_from(&address, None);
        self.links.insert(link, member);
        self.members[member].receiver = Some(link);
        self.until(|gateway| gateway.attached.contains(&link))?;
        self.wire.client.machine().grant_credit(link, credit);
        self.wire.client.flush()
    }

    /// Attaches a member to its twin and methods, and asks for changes of desired properties.
    pub(crate) fn converse(&mut self, member: usize) -> io::Result<()> {
        let id = self.members[member].device.id.clone();
        let (twin, methods) = (format!("/devices/{id}/twin"), format!("/devices/{id}/methods"));
        let methods = format!("{methods}/devicebound");
        let client = &mut self.wire.client;
        let senders = [&twin, &methods].map(|address| client.send_to(address));
        let receivers = [&twin, &methods].map(|address| client.receive_from(address, None));
        self.links.extend(senders.into_iter().chain(receivers).map(|link| (link, member)));
        self.members[member].answers = Some(senders[1]);
        self.until(|gateway| {
            senders.iter().all(|link| gateway.credited.contains(link))
                && receivers.iter().all(|link| gateway.attached.contains(link))
        })?;
        for link in receivers {
            self.wire.client.machine().grant_credit(link, 100);
        }
        let correlation_id = MessageId::Ulong(member as u64);
        let mut request = BytesMut::new();
        TwinRequest { correlation_id, operation: TwinOperation::Subscribe }.encode(&mut request);
        self.tell(senders[0], &request)
    }

    /// Sends what needs no outcome.
    fn tell(&mut self, link: LinkId, message: &[u8]) -> io::Result<()> {
        let sent = self.wire.client.machine().send(link, &[message], Outgoing::SETTLED);
        sent.map_err(io::Error::other)?;
        self.wire.client.flush()
    }

    /// Begins another session, and tells its channel: the lowest one that is free.
    pub(crate) fn begin(&mut self) -> io::Result<(SessionId, u16)> {
        let session = self.wire.client.machine().begin_session();
        let session = session.expect("the connection takes another session");
        self.until(|gateway| gateway.begun.contains(&session))?;
        Ok((session, self.begun.len() as u16))
    }

    /// Whether a member may send.
    pub(crate) fn can_send(&self, member: usize) -> bool {
        self.members[member].sender.is_some_and(|link| self.credited.contains(&link))
    }

    /// Sends the next message of a member; `false` if its link is gone. It is written with the next
    /// [`until`](Self::until).
    pub(crate) fn post(&mut self, member: usize) -> io::Result<bool> {
        if self.members[member].sender.is_none() {
            return Ok(false);
        }
        let number = self.members[member].ledger.send();
        self.send_number(member, number)
    }

    /// Sends a message of a member once more.
    pub(crate) fn post_again(&mut self, member: usize, number: u64) -> io::Result<bool> {
        self.members[member].ledger.resend(number);
        self.send_number(member, number)
    }

    fn send_number(&mut self, member: usize, number: u64) -> io::Result<bool> {
        let body = telemetry(&self.members[member].ledger.body(number));
        self.transfer(member, 0, &body, Some(number))
    }

    /// Sends what need not be a message.
    pub(crate) fn transfer(
        &mut self,
        member: usize,
        format: u32,
        payload: &[u8],
        number: Option<u64>,
    ) -> io::Result<bool> {
        let how = Outgoing { format, ..Outgoing::default() };
        loop {
            let Some(link) = self.members[member].sender else { return Ok(false) };
            match self.wire.client.machine().send(link, &[payload], how) {
                Ok(delivery) => {
                    self.under_way.insert(delivery, (member, number));
                    return Ok(true);
                }
                Err(SendBlocked::NotSending) => return Ok(false),
                Err(SendBlocked::Output) => self.wire.client.flush()?,
                Err(_) => self.step()?,
            }
        }
    }

    /// Detaches the link for telemetry of a member, whatever is under way on it.
    pub(crate) fn detach(&mut self, member: usize) -> io::Result<()> {
        let link = self.members[member].sender.take().expect("the member has a link");
        self.links.remove(&link);
        self.forget(link);
        self.wire.client.machine().detach(link, None);
        self.wire.client.flush()
    }

    fn forget(&mut self, link: LinkId) {
        self.under_way.retain(|delivery, _| delivery.link != link);
        self.credited.remove(&link);
    }

    /// Messages without an outcome, of all members.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Goes on until `is_true`. Fails when the hub says nothing for a minute.
    pub(crate) fn until(&mut self, mut is_true: impl FnMut(&Self) -> bool) -> io::Result<()> {
        self.wire.client.flush()?;
        while !is_true(self) {
            self.step()?;
        }
        Ok(())
    }

    /// Waits for the next thing that the hub does, and notes whom it is about.
    fn step(&mut self) -> io::Result<()> {
        match self.wire.client.next()? {
            Fact::Attached(link) => drop(self.attached.insert(link)),
            Fact::Credit(link) => drop(self.credited.insert(link)),
            Fact::Begun(session) => drop(self.begun.insert(session)),
            Fact::Settled(delivery, outcome) => self.on_settled(delivery, outcome),
            Fact::Detached { link, condition, .. } => self.on_detached(link, condition),
            Fact::Delivered(delivery, bytes) => self.on_delivered(delivery, &bytes)?,
            Fact::Message(bytes) => self.on_message(&bytes)?,
            other => return Err(io::Error::other(format!("{other:?}"))),
        }
        Ok(())
    }

    /// Answers and changes of twins and calls say themselves whom they are for, by its number.
    fn on_message(&mut self, bytes: &[u8]) -> io::Result<()> {
        let number = |text: &str| text.parse::<usize>().map_err(io::Error::other);
        if let Some(call) = AmqpCall::decode(bytes) {
            let member = &mut self.members[number(call.name)?];
            member.heard.push("call".to_owned());
            let link = member.answers.expect("who is called can answer");
            let mut answer = BytesMut::new();
            AmqpAnswer::encode_as(call.correlation_id, 200, b"{}", &mut answer);
            return self.tell(link, &answer);
        }
        match TwinNews::decode(bytes) {
            Some(TwinNews::Answer { correlation_id: MessageId::Ulong(id), status, .. }) => {
                self.members[id as usize].heard.push(format!("answer {status}"));
            }
            Some(TwinNews::Desired { patch, .. }) => {
                let patch: Value = serde_json::from_slice(&patch).map_err(io::Error::other)?;
                let member = number(&patch["member"].to_string())?;
                self.members[member].heard.push("desired".to_owned());
            }
            other => return Err(io::Error::other(format!("{other:?}"))),
        }
        Ok(())
    }

    fn on_settled(&mut self, delivery: DeliveryId, mut outcome: Vec<String>) {
        let settled = self.under_way.remove(&delivery);
        let (member, number) = settled.expect("every delivery has one outcome");
        let member = &mut self.members[member];
        match number.filter(|_| outcome.is_empty()) {
            Some(number) => member.ledger.acknowledge(number),
            None if outcome.is_empty() => member.rejected.push("accepted".to_owned()),
            None => member.rejected.push(outcome.swap_remove(0)),
        }
    }

    fn on_detached(&mut self, link: LinkId, condition: String) {
        let member = self.links.remove(&link).expect("the hub detaches links that there are");
        let member = &mut self.members[member];
        member.detached.push(condition);
        member.sender.take_if(|sender| *sender == link);
        member.receiver.take_if(|receiver| *receiver == link);
        self.forget(link);
    }

    fn on_delivered(&mut self, delivery: DeliveryId, bytes: &[u8]) -> io::Result<()> {
        let message = Message::decode(bytes).map_err(io::Error::other)?;
        let body: Vec<u8> = message.body.pieces().flatten().copied().collect();
        let member = &mut self.members[self.links[&delivery.link]];
        member.received.push(String::from_utf8(body).map_err(io::Error::other)?);
        if member.completes {
            self.wire.client.machine().settle(delivery, DeliveryState::Accepted);
        }
        Ok(())
    }
}

/// Where a device sends telemetry.
pub(crate) fn events(device_id: &str) -> String {
    format!("/devices/{device_id}/messages/events")
}
