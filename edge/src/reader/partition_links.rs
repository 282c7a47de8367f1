//! All links of one connection that read partitions.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use bytes::BytesMut;
use ringhub_core::limits::READER_TURN_BYTES_MAX;
use ringhub_core::session::amqp::AmqpConnection;

use super::{OpenedLink, PartitionLink, Refusal};

/// Links by their tokens: those that read, and those whose executor has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct PartitionLinks {
    open: BTreeMap<u64, PartitionLink>,
    opening: BTreeMap<u64, OpenedLink>,
    /// The link that went first the last time.
    first: u64,
}

impl PartitionLinks {
    /// Links of both kinds.
    pub(crate) fn len(&self) -> usize {
        self.open.len() + self.opening.len()
    }

    /// Notes a link whose executor was asked for a reader.
    pub(crate) fn note_asked(&mut self, asked: OpenedLink) {
        self.opening.insert(asked.token, asked);
    }

    /// The link whose executor has answered, if it still wants to know.
    pub(crate) fn take_asked(&mut self, token: u64) -> Option<OpenedLink> {
        self.opening.remove(&token)
    }

    /// Adds a link that has its reader.
    pub(crate) fn insert(&mut self, link: PartitionLink) {
        self.open.insert(link.token(), link);
    }

    /// A link that has its reader.
    pub(crate) fn get_mut(&mut self, token: u64) -> Option<&mut PartitionLink> {
        self.open.get_mut(&token)
    }

    /// Takes out a link that has its reader, to be closed.
    pub(crate) fn remove(&mut self, token: u64) -> Option<PartitionLink> {
        self.open.remove(&token)
    }

    /// All links that have their readers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PartitionLink> {
        self.open.values()
    }

    /// Takes out one link after the other of those that wait for their executor.
    pub(crate) fn take_any_asked(&mut self) -> Option<OpenedLink> {
        self.opening.pop_first().map(|(_, asked)| asked)
    }

    /// Moves events from the links' batches into the output, a bounded number of bytes, each link
    /// first in turn.
    ///
    /// # Errors
    /// A link that cannot go on, and why; the others behind it have their turn the next time.
    pub(crate) fn pump(
        &mut self,
        connection: &mut AmqpConnection,
        head: &mut BytesMut,
    ) -> Result<(), (u64, Refusal)> {
        if self.open.is_empty() {
            return Ok(());
        }
        let next = self.open.range((Excluded(self.first), Unbounded)).next();
        self.first = next.or_else(|| self.open.first_key_value()).map_or(0, |(token, _)| *token);
        let mut budget = READER_TURN_BYTES_MAX;
        let mut pump = |token: &u64, link: &mut PartitionLink| {
            link.pump(connection, head, &mut budget).map_err(|refusal| (*token, refusal))
        };
        self.open.range_mut(self.first..).try_for_each(|(token, link)| pump(token, link))?;
        self.open.range_mut(..self.first).try_for_each(|(token, link)| pump(token, link))
    }
}
