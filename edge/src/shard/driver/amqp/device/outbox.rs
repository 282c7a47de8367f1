//! Messages for a device that wait for credit.

use std::collections::VecDeque;

use bytes::Bytes;
use ringhub_core::session::amqp::{AmqpConnection, LinkId, Outgoing, SendBlocked};

/// Settled messages for one link, in order. The owner bounds their bytes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, message: Bytes) {
        self.bytes += message.len();
        self.waiting.push_back(message);
    }

    /// Sends what can go.
    ///
    /// # Errors
    /// What is in the way of the rest.
    pub(super) fn send(
        &mut self,
        link: LinkId,
        connection: &mut AmqpConnection,
    ) -> Result<(), SendBlocked> {
        while let Some(message) = self.waiting.front() {
            match connection.send(link, &[message], Outgoing::SETTLED) {
                // What the client never takes is not kept for it.
                Ok(_) | Err(SendBlocked::Size) => {}
                Err(blocked) => return Err(blocked),
            }
            self.bytes -= message.len();
            self.waiting.pop_front();
        }
        Ok(())
    }
}
