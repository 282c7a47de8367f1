//! The control plane's way to connections: mail to the shard of each.

use std::time::Instant;

use ringhub_control_plane::Shards;
use ringhub_control_plane::directory::{CutReason, Policy};
use ringhub_core::id::{ConnectionId, HubId, Identity};
use ringhub_core::method::MethodCall;
use ringhub_core::twin::DesiredChange;
use tracing::error;

use super::mailbox::{Mail, MailboxSender};
use crate::startup::KeyFiles;

/// Posts what the control plane has to say; holds the mailboxes of all shards, by their number.
#[derive(Debug)]
pub(crate) struct MailboxShards {
    mailboxes: Vec<MailboxSender>,
    key_files: KeyFiles,
}

impl MailboxShards {
    pub(crate) fn new(mailboxes: Vec<MailboxSender>, key_files: KeyFiles) -> Self {
        Self { mailboxes, key_files }
    }

    fn post(&self, connection: ConnectionId, mail: Mail) {
        if let Some(mailbox) = self.mailboxes.get(usize::from(connection.shard.0)) {
            mailbox.post(mail);
        }
    }
}

impl Shards for MailboxShards {
    fn cut(&self, connection: ConnectionId, identity: Identity, reason: CutReason) {
        self.post(connection, Mail::Cut { connection, identity, reason });
    }

    fn invoke_method(&self, connection: ConnectionId, call: MethodCall) {
        self.post(connection, Mail::InvokeMethod { connection, call });
    }

    fn device_bound(&self, connection: ConnectionId, stored: Option<Instant>) {
        self.post(connection, Mail::DeviceBound { connection, stored });
    }

    fn feedback_ready(&self, connection: ConnectionId) {
        self.post(connection, Mail::FeedbackReady { connection });
    }

    fn desired_changed(
        &self,
        connection: ConnectionId,
        identity: &Identity,
        change: &DesiredChange,
    ) {
        let (identity, change) = (identity.clone(), change.clone());
        self.post(connection, Mail::DesiredChanged { connection, identity, change });
    }

    /// The keys are good whether the files can be written or not: the next start writes them.
    fn policies_changed(&self, _: HubId, policies: &[Policy]) {
        if let Err(error) = self.key_files.write(policies) {
            error!(%error, "the files with the keys of policies still have the old ones");
        }
    }
}
