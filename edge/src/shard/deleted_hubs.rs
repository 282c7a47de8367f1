//! Connections that have still to hear that a hub was deleted.

use std::collections::VecDeque;

use ringhub_core::id::{ConnectionId, HubId};

/// A list for each deletion. Deletions are rare, and each connection is in a list once.
#[derive(Debug, Default)]
pub(super) struct DeletedHubs(VecDeque<(HubId, Vec<ConnectionId>)>);

impl DeletedHubs {
    /// All connections of the moment are to hear of a deletion; later ones find the hub gone.
    pub(super) fn push(&mut self, hub: HubId, connections: Vec<ConnectionId>) {
        self.0.push_back((hub, connections));
    }

    /// Who hears of which deletion next.
    pub(super) fn poll(&mut self) -> Option<(HubId, ConnectionId)> {
        loop {
            let (hub, connections) = self.0.front_mut()?;
            if let Some(connection) = connections.pop() {
                return Some((*hub, connection));
            }
            self.0.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
