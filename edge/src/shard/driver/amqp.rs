//! Drives one AMQP connection.

use bytes::BytesMut;
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::time::Timestamp;

use crate::shard::mailbox::Mail;
use crate::shard::{Close, HubServices, Protocol, ShardContext};

type Context<'a> = ShardContext<'a, HubServices>;

/// One AMQP connection.
#[derive(Debug)]
pub(super) struct AmqpDriver;

impl AmqpDriver {
    pub(super) fn new(_: &HubServices, _: Timestamp) -> Self {
        Self
    }
}

impl Protocol for AmqpDriver {
    type Services = HubServices;

    fn handle_bytes(&mut self, _: &[u8], _: &mut Context<'_>) -> Result<usize, Close> {
        Err(Close::Finished)
    }

    fn handle_committed(&mut self, _: Committed<Ticket>, _: &mut Context<'_>) -> Result<(), Close> {
        Ok(())
    }

    fn handle_mail(&mut self, _: Mail, _: &mut Context<'_>) -> Result<(), Close> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) -> Result<(), Close> {
        Ok(())
    }

    fn handle_log_failed(&mut self, _: &mut Context<'_>) -> Result<(), Close> {
        Ok(())
    }

    fn handle_closed(&mut self, _: Close, _: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    fn poll_transmit(&mut self, _: &mut BytesMut) -> bool {
        false
    }

    fn can_read(&self, _: &HubServices) -> bool {
        true
    }
}
