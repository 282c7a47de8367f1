//! A back end that sends messages to devices over AMQP.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ringhub_core::codec::amqp::section::{Properties, write_data};
use ringhub_core::session::amqp::{DeliveryId, LinkId, SendBlocked};
use ringhub_edge::client::amqp::{AmqpClient, AmqpFact};
use ringhub_edge::client::{ClientError, Target, encode_segment};

use super::shared::Shared;
use super::talk::Talk;
use crate::gate::now_nanos;

/// Where back ends send to; the message names the recipient.
const NODE: &str = "/messages/devicebound";
/// Longest wait for the hub before anything else is looked at.
const TICK: Duration = Duration::from_millis(50);

/// A connected back end.
pub(super) struct Sender {
    client: AmqpClient,
    link: LinkId,
    /// What has no outcome yet: number, and when it was due.
    under_way: HashMap<DeliveryId, (u64, Duration)>,
    talk: Talk,
}

impl Sender {
    /// Connects; sends nothing yet.
    pub(super) fn connect(target: &Target) -> Result<Self, ClientError> {
        let mut client = AmqpClient::connect(target)?;
        let link = client.attach_sender(NODE)?;
        client.wait_for(|fact| (*fact == AmqpFact::Credit(link)).then_some(()))?;
        Ok(Self { client, link, under_way: HashMap::new(), talk: Talk::default() })
    }

    /// Sends messages when they are due, numbered from `first`, until the load is over.
    pub(super) fn send(mut self, shared: &Shared, first: u64, per_second: u32) -> Talk {
        if let Err(error) = self.run(shared, first, per_second) {
            self.talk.sends.fail(error.to_string());
        }
        self.talk
    }

    fn run(&mut self, shared: &Shared, first: u64, per_second: u32) -> Result<(), ClientError> {
        let start = loop {
            match shared.start.get() {
                Some(start) => break *start,
                None if shared.is_over() => return Ok(()),
                None => self.listen(shared, Instant::now(), TICK)?,
            }
        };
        for number in 0.. {
            let Some(due) = shared.due(number, per_second) else { break };
            let mut has_slept = false;
            loop {
                let left = (start + due).saturating_duration_since(Instant::now());
                if shared.is_over() {
                    return Ok(());
                }
                if left.is_zero() && shared.mailbox().has_room() {
                    break;
                }
                has_slept = true;
                self.listen(shared, start, left.min(TICK))?;
            }
            let lag = start.elapsed().saturating_sub(due);
            self.transmit(shared, start, (first + number, due))?;
            if shared.load.is_measured(due) {
                self.talk.sends.due += 1;
                if has_slept {
                    self.talk.sends.lag.record(lag);
                }
            }
        }
        let patience = Instant::now() + shared.patience;
        while !self.under_way.is_empty() && Instant::now() < patience && !shared.is_over() {
            self.listen(shared, start, TICK)?;
        }
        Ok(())
    }

    /// Hands a message to the connection, once it takes one more.
    fn transmit(
        &mut self,
        shared: &Shared,
        start: Instant,
        (number, due): (u64, Duration),
    ) -> Result<(), ClientError> {
        let message = encode(shared.device(number), number);
        loop {
            match self.client.send(self.link, &message) {
                Ok(delivery) => {
                    self.under_way.insert(delivery, (number, due));
                    return Ok(());
                }
                Err(SendBlocked::Credit | SendBlocked::Window | SendBlocked::Output) => {
                    if shared.is_over() {
                        return Ok(());
                    }
                    self.listen(shared, start, TICK)?;
                }
                Err(error) => return Err(ClientError::Protocol(error.to_string())),
            }
        }
    }

    /// Sends what waits, and takes note of one outcome if it comes in this time.
    fn listen(
        &mut self,
        shared: &Shared,
        start: Instant,
        wait: Duration,
    ) -> Result<(), ClientError> {
        let Some(AmqpFact::Settled { delivery, refusal }) = self.client.next(wait)? else {
            return Ok(());
        };
        let at = now_nanos();
        let Some((number, due)) = self.under_way.remove(&delivery) else { return Ok(()) };
        let is_measured = shared.load.is_measured(due);
        match refusal {
            Some(refusal) => self.talk.sends.fail(refusal.to_string()),
            None if is_measured => {
                self.talk.sends.succeed(start.elapsed().saturating_sub(due));
                shared.mailbox().note_accepted(number, at);
            }
            None => {}
        }
        Ok(())
    }
}

/// Source: service-endpoints reference, "Link and message".
fn encode(device: &str, number: u64) -> BytesMut {
    let to = format!("/devices/{}/messages/devicebound", encode_segment(device));
    let mut message = BytesMut::new();
    Properties { to: Some(&to), ..Properties::default() }.encode(&mut message);
    write_data(&mut message, number.to_string().as_bytes());
    message
}
