//! A back end that catches up: one link on core's AMQP machine, much credit.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use ringhub_core::codec::amqp::performative::Source;
use ringhub_core::codec::amqp::primitive::Value;
use ringhub_core::codec::amqp::section::Message;
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, LinkId, SessionId,
};
use ringhub_core::time::Timestamp;

use super::harness::address::AMQP_PORT;
use super::harness::sas;
use super::hub::Hub;
use super::wire::Wire;

const CREDIT: u32 = 5000;
const POLICY: &str = "service";

/// A client with one link.
struct Reader {
    machine: AmqpConnection,
    wire: Wire,
    output: BytesMut,
    started: Instant,
    link: Option<LinkId>,
    ungranted: u32,
    events: u64,
    /// Sequence number of the newest event.
    newest: Option<i64>,
}

/// Reads `partition` from its first event, `count` events, and returns how many bytes of plaintext
/// that took.
pub(crate) fn catch_up(hub: &Hub, partition: u16, count: u64) -> io::Result<u64> {
    let host = hub.address.host();
    let token = sas::token(&host, &hub.policy_key(POLICY), Some(POLICY));
    let user = format!("{POLICY}@sas.root.{host}");
    let sasl = ClientSasl::Plain { user: &user, password: &token };
    let mut reader = Reader {
        machine: AmqpConnection::client(Arc::new(AmqpConfig::default()), sasl, Timestamp::ZERO),
        wire: Wire::connect(hub, AMQP_PORT)?,
        output: BytesMut::new(),
        started: Instant::now(),
        link: None,
        ungranted: 0,
        events: 0,
        newest: None,
    };
    let address = format!("ringhub/ConsumerGroups/$Default/Partitions/{partition}");
    while reader.events < count {
        reader.handle_input(&address, count)?;
        reader.send()?;
        if reader.events < count {
            reader.wire.fill()?;
        }
    }
    assert_eq!(reader.newest, i64::try_from(count - 1).ok(), "every event comes once, in order");
    Ok(reader.wire.received)
}

impl Reader {
    /// Shows the machine what has come, as far as it is complete.
    fn handle_input(&mut self, address: &str, count: u64) -> io::Result<()> {
        let now = Timestamp::ZERO + self.started.elapsed();
        let mut used = 0;
        let mut begun = None;
        loop {
            let step = self.machine.handle_bytes(&self.wire.input[used..], now);
            let (taken, event) = step.map_err(io::Error::other)?;
            let is_done = taken == 0 && event.is_none();
            match event {
                Some(AmqpEvent::Message { payload, .. }) => {
                    self.events += 1;
                    self.ungranted += 1;
                    if self.events == count {
                        self.newest = sequence_number(&payload);
                    }
                }
                Some(AmqpEvent::Opened { .. }) => {
                    self.machine.begin_session();
                }
                Some(AmqpEvent::SessionBegun(session)) => begun = Some(session),
                Some(AmqpEvent::LinkAttached { link, .. }) => {
                    self.link = Some(link);
                    self.ungranted = CREDIT;
                }
                Some(event @ (AmqpEvent::LinkDetached { .. } | AmqpEvent::Closed(_))) => {
                    return Err(io::Error::other(format!("{event:?}")));
                }
                _ => {}
            }
            used += taken;
            self.grant();
            if let Some(session) = begun.take() {
                self.attach(session, address);
            }
            if is_done {
                break;
            }
        }
        self.wire.input.advance(used);
        Ok(())
    }

    fn attach(&mut self, session: SessionId, address: &str) {
        let link = self.machine.attach_receiver(session, address, Source::new(address));
        link.expect("the first link of a session");
    }

    /// Keeps at least half of the credit with the hub.
    fn grant(&mut self) {
        if let Some(link) = self.link.filter(|_| self.ungranted >= CREDIT / 2) {
            self.machine.grant_credit(link, self.ungranted);
            self.ungranted = 0;
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.output.clear();
        while self.machine.poll_transmit(&mut self.output) {}
        self.wire.send(&self.output)
    }
}

fn sequence_number(message: &[u8]) -> Option<i64> {
    let annotations = Message::decode(message).ok()?.message_annotations?;
    match annotations.value("x-opt-sequence-number") {
        Some(Value::Long(number)) => Some(number),
        _ => None,
    }
}
