//! What the connections of one shard share.

use std::fmt;
use std::sync::Arc;

use ringhub_control_plane::ControlPlane;
use ringhub_control_plane::c2d::C2dDone;
use ringhub_control_plane::directory::{Grant, Hub};
use ringhub_core::id::{ConnectionId, ExecutorId, HubId, SeatId, ShardId};
use ringhub_core::message::D2cEncoder;
use ringhub_core::method::Undelivered;
use ringhub_core::position::{Committed, RingPosition, Ticket};
use ringhub_core::session::amqp::AmqpConfig;
use ringhub_core::session::http::HttpLimits;
use ringhub_core::session::mqtt::Subscriptions;
use ringhub_core::time::{Timestamp, UnixMillis};

use super::driver::Driver;
use super::mailbox::{Mail, Mailboxes};
use super::{Opening, Services};
use crate::metrics::Inspector;
use crate::partition::{PartitionReply, ReplyBody, ShardPipeline};

/// What every shard of the process knows about hubs, fixed while it runs.
#[derive(Debug)]
pub struct HubInfo {
    /// Name of the Event-Hubs-compatible entity.
    pub event_hub: String,
    /// Port of the AMQP endpoint, for the redirect.
    pub amqp_port: u16,
    /// When the hub was made, for `$management`.
    pub created_at: UnixMillis,
    /// What AMQP connections are told.
    pub amqp: Arc<AmqpConfig>,
    /// Bounds of an HTTP connection.
    pub http: HttpLimits,
}

/// A hub as log lines name it; one that is gone has no name.
#[derive(Debug)]
pub(crate) struct HubName(Option<Arc<Hub>>);

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |hub| f.write_str(&hub.host_name))
    }
}

/// Rings, directory and mailboxes as the drivers of one shard use them. Lives on the shard's
/// thread.
#[derive(Debug)]
pub struct HubServices {
    /// Number of this shard.
    pub shard: ShardId,
    /// Rings and requests to the executors.
    pub pipeline: ShardPipeline,
    /// Directory, registry and store.
    pub control: Arc<ControlPlane>,
    /// Mailboxes of all shards.
    pub mailboxes: Mailboxes,
    /// Encodes records for all connections in turn.
    pub encoder: D2cEncoder,
    /// What is common to all hubs.
    pub hub: Arc<HubInfo>,
    /// The hub of the configuration, which is there as long as the process.
    pub configured: Arc<Hub>,
    /// Writes the page of numbers.
    pub inspector: Inspector,
}

impl HubServices {
    /// The host name of a hub, as log lines name it.
    pub(crate) fn hub_name(&self, hub: HubId) -> HubName {
        HubName(self.control.directory().hub(hub))
    }

    /// The host name to use where nothing says yet which hub is meant: that of the configuration.
    pub(crate) fn any_hub_name(&self) -> &str {
        &self.configured.host_name
    }

    /// Ends the hold of `seat` on an identity and tells the one that waits for it.
    pub(crate) fn release(
        &self,
        grant: &Grant,
        seat: SeatId,
        last: Option<Ticket>,
        wall: UnixMillis,
    ) {
        if let Some(alone) = self.control.directory().release(grant, seat, last, wall) {
            self.mailboxes.post(alone.connection.shard, Mail::PredecessorsGone { seat: alone });
        }
    }

    /// Tells `connection`, which is one of this shard, what became of its request `token`.
    pub(crate) fn c2d_done(&self, connection: ConnectionId, token: u64) -> C2dDone {
        let mailboxes = self.mailboxes.clone();
        Box::new(move |outcome| {
            mailboxes.post(connection.shard, Mail::C2dDone { connection, token, outcome });
        })
    }

    /// Stores the subscriptions of an identity; `told` hears about it.
    pub(crate) fn store_subscriptions(
        &self,
        grant: &Grant,
        subscriptions: Subscriptions,
        told: Option<SeatId>,
    ) {
        let mailboxes = self.mailboxes.clone();
        let done = Box::new(move |is_stored| {
            if let Some(seat) = told {
                mailboxes
                    .post(seat.connection.shard, Mail::SubscriptionsStored { seat, is_stored });
            }
        });
        let flags = u32::from(subscriptions.to_bits());
        self.control.store_subscriptions(grant.hub, grant.identity.clone(), flags, done);
    }
}

impl Services for HubServices {
    type Protocol = Driver;

    fn open(&mut self, opening: &Opening<'_>, _: ConnectionId) -> Driver {
        Driver::open(self, opening)
    }

    fn publish(&mut self) {
        self.pipeline.publish();
    }

    fn committed(&self, shard: ShardId, executor: ExecutorId) -> Committed<RingPosition> {
        self.pipeline.committed_of(shard, executor)
    }

    fn committed_here(&self, executor: ExecutorId) -> Committed<RingPosition> {
        self.pipeline.committed(executor)
    }

    fn mark(&mut self, executor: ExecutorId, upto: RingPosition, now: Timestamp, messages: u64) {
        self.pipeline.mark(executor, upto, now, messages);
    }

    fn take_durable_since(&mut self) -> Option<Timestamp> {
        self.pipeline.take_durable_since()
    }

    fn has_log_failed(&self) -> bool {
        self.pipeline.failed().is_some()
    }

    /// A reader that was opened for a connection which has ended meanwhile is closed again, and a
    /// method call goes back; nothing else is owed.
    fn handle_undeliverable(&mut self, mail: Mail) {
        match mail {
            Mail::Partition(PartitionReply {
                connection, body: ReplyBody::Opened(reader), ..
            }) => self.pipeline.close_reader(reader, connection),
            Mail::InvokeMethod { seat, call } => {
                let methods = self.control.methods();
                methods.handle_undelivered(seat, call.id, Undelivered::NotListening);
            }
            _ => {}
        }
    }
}
