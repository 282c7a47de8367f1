//! The control plane's way to connections: mail to the shard of each.

use std::time::Instant;

use ringhub_control_plane::Shards;
use ringhub_control_plane::directory::{CutReason, Policy};
use ringhub_core::id::{ConnectionId, HubId, Identity, SeatId};
use ringhub_core::method::MethodCall;
use ringhub_core::twin::DesiredChange;
use tracing::error;

use super::mailbox::{Mail, Mailboxes};
use crate::hub::CONFIGURED_HUB;
use crate::startup::KeyFiles;

/// Posts what the control plane has to say.
#[derive(Debug)]
pub(crate) struct MailboxShards {
    mailboxes: Mailboxes,
    key_files: KeyFiles,
}

impl MailboxShards {
    pub(crate) fn new(mailboxes: Mailboxes, key_files: KeyFiles) -> Self {
        Self { mailboxes, key_files }
    }

    fn post(&self, connection: ConnectionId, mail: Mail) {
        self.mailboxes.post(connection.shard, mail);
    }
}

impl Shards for MailboxShards {
    fn cut(&self, seat: SeatId, identity: Identity, reason: CutReason) {
        self.post(seat.connection, Mail::Cut { seat, identity, reason });
    }

    fn hub_deleted(&self, hub: HubId) {
        for mailbox in self.mailboxes.iter() {
            mailbox.post(Mail::HubDeleted { hub });
        }
    }

    fn invoke_method(&self, seat: SeatId, call: MethodCall) {
        self.post(seat.connection, Mail::InvokeMethod { seat, call });
    }

    fn device_bound(&self, seat: SeatId, stored: Option<Instant>) {
        self.post(seat.connection, Mail::DeviceBound { seat, stored });
    }

    fn notices_ready(&self, connection: ConnectionId) {
        self.post(connection, Mail::NoticesReady { connection });
    }

    fn desired_changed(&self, seat: SeatId, identity: &Identity, change: &DesiredChange) {
        let (identity, change) = (identity.clone(), change.clone());
        self.post(seat.connection, Mail::DesiredChanged { seat, identity, change });
    }

    /// The keys are good whether the files can be written or not: the next start writes them.
    fn policies_changed(&self, hub: HubId, policies: &[Policy]) {
        // The files are for tools that are given no hub.
        if hub != CONFIGURED_HUB {
            return;
        }
        if let Err(error) = self.key_files.write(policies) {
            error!(%error, "the files with the keys of policies still have the old ones");
        }
    }
}
