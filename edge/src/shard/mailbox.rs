//! What other threads tell a shard, and the bell that wakes it for that.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Instant;

use ringhub_control_plane::api::Response;
use ringhub_control_plane::blob::BlobNews;
use ringhub_control_plane::c2d::C2dRefusal;
use ringhub_control_plane::directory::CutReason;
use ringhub_control_plane::twin::TwinReply;
use ringhub_core::codec::amqp::section::MessageIdBuf;
use ringhub_core::id::{ConnectionId, HubId, Identity, SeatId, ShardId};
use ringhub_core::method::MethodCall;
use ringhub_core::twin::DesiredChange;
use rustix::event::{EventfdFlags, eventfd};

use crate::partition::PartitionReply;

/// One message to a shard.
///
/// The queue is not bounded by a number but by who may post: each connection has at most one
/// exchange and one request per link under way, each seat one takeover and a few twin requests, and
/// each answers once. Method calls are bounded where they wait. Back ends have as many messages
/// under way as their links have credit; every message that is queued for a device tells its seat
/// once. Blobs tell of pieces, of which each transfer has a few under way.
/// Changes of desired properties come as fast as the store commits requests of back ends.
#[derive(Debug)]
pub enum Mail {
    /// An executor answers a request of a reader link, or takes its reader away.
    Partition(PartitionReply),
    /// The control plane answers the HTTP exchange that `connection` waits for.
    Exchange {
        /// Connection of the exchange.
        connection: ConnectionId,
        /// What to send.
        response: Response,
    },
    /// The store of blobs has got on with the exchange that `connection` waits for.
    Blob {
        /// Connection of the exchange.
        connection: ConnectionId,
        /// How far it is.
        news: BlobNews,
    },
    /// Another seat of the same identity wants in. Nobody answers for a seat that has ended: its
    /// release told the directory all there is to know.
    Evict {
        /// The seat that ends.
        seat: SeatId,
    },
    /// All former seats of the identity have ended; the directory has the fence they left.
    PredecessorsGone {
        /// The seat that waits.
        seat: SeatId,
    },
    /// The identity may no longer be connected.
    Cut {
        /// The seat that ends, if it still serves `identity`.
        seat: SeatId,
        /// Who was disabled or deleted.
        identity: Identity,
        /// What happened to it.
        reason: CutReason,
    },
    /// The store has dealt with the subscriptions of the session on `seat`.
    SubscriptionsStored {
        /// Seat whose SUBACK waits.
        seat: SeatId,
        /// Whether they are on disk.
        is_stored: bool,
    },
    /// A back end calls a method of the identity on `seat`. A seat that does not take the call
    /// reports it to the control plane.
    InvokeMethod {
        /// The seat of the device.
        seat: SeatId,
        /// What to tell it.
        call: MethodCall,
    },
    /// There may be a message for the device on `seat`.
    DeviceBound {
        /// Seat of the device.
        seat: SeatId,
        /// Since when a new message is durable.
        stored: Option<Instant>,
    },
    /// There may be notices for a back end that waits for them.
    NoticesReady {
        /// Connection of the back end.
        connection: ConnectionId,
    },
    /// The store has dealt with a message to a device, or with a verdict on a notice.
    C2dDone {
        /// Connection of the back end.
        connection: ConnectionId,
        /// Number that the connection gave the request.
        token: u64,
        /// What became of it.
        outcome: Result<(), C2dRefusal>,
    },
    /// The control plane answers a twin request of the device on `seat`.
    TwinReply {
        /// Seat that asked.
        seat: SeatId,
        /// The id that the device gave the request, verbatim; over MQTT a text.
        rid: MessageIdBuf,
        /// The answer.
        reply: TwinReply,
    },
    /// A back end has changed desired properties.
    DesiredChanged {
        /// The seat that may want to know, if it still serves `identity`.
        seat: SeatId,
        /// Whose properties they are.
        identity: Identity,
        /// The change.
        change: DesiredChange,
    },
    /// A hub was deleted. The shard tells its connections, some in each turn.
    HubDeleted {
        /// The hub, which nobody finds any more.
        hub: HubId,
    },
    /// Stop accepting, close every session, publish what is in the rings, then end the thread.
    Shutdown,
}

impl Mail {
    /// The connection that the mail is for; `None` is the shard.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Partition(reply) => Some(reply.connection),
            Self::Exchange { connection, .. }
            | Self::Blob { connection, .. }
            | Self::NoticesReady { connection }
            | Self::C2dDone { connection, .. } => Some(*connection),
            Self::Evict { seat }
            | Self::PredecessorsGone { seat }
            | Self::Cut { seat, .. }
            | Self::SubscriptionsStored { seat, .. }
            | Self::InvokeMethod { seat, .. }
            | Self::DeviceBound { seat, .. }
            | Self::TwinReply { seat, .. }
            | Self::DesiredChanged { seat, .. } => Some(seat.connection),
            Self::HubDeleted { .. } | Self::Shutdown => None,
        }
    }
}

/// Posts to one shard from any thread. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct MailboxSender {
    queue: flume::Sender<Mail>,
    doorbell: Arc<Doorbell>,
}

impl MailboxSender {
    /// Queues `mail` and wakes the shard if it sleeps. Mail to a shard that has ended is dropped:
    /// its connections are closed and nobody waits for the answer.
    pub fn post(&self, mail: Mail) {
        if self.queue.send(mail).is_ok() {
            self.doorbell.ring();
        }
    }

    /// Messages that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The bell alone, for producers whose news lies in a shared counter (commit positions).
    #[must_use]
    pub fn doorbell(&self) -> &Arc<Doorbell> {
        &self.doorbell
    }
}

/// The mailboxes of all shards. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Mailboxes(Arc<[MailboxSender]>);

impl Mailboxes {
    /// Takes the mailboxes in the order of the shards' numbers.
    #[must_use]
    pub fn new(senders: Vec<MailboxSender>) -> Self {
        Self(senders.into())
    }

    /// Tells `shard` something. Mail to a shard that does not exist is dropped.
    pub fn post(&self, shard: ShardId, mail: Mail) {
        if let Some(mailbox) = self.0.get(usize::from(shard.0)) {
            mailbox.post(mail);
        }
    }

    /// All of them, in the order of the shards' numbers.
    pub fn iter(&self) -> impl Iterator<Item = &MailboxSender> {
        self.0.iter()
    }
}

/// The receiving end, owned by the shard.
#[derive(Debug)]
pub struct Mailbox {
    queue: flume::Receiver<Mail>,
    doorbell: Arc<Doorbell>,
}

impl Mailbox {
    /// Next message, if one is there; never waits.
    pub fn poll(&mut self) -> Option<Mail> {
        self.queue.try_recv().ok()
    }

    /// True when nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The bell that this shard sleeps on.
    #[must_use]
    pub fn doorbell(&self) -> &Arc<Doorbell> {
        &self.doorbell
    }
}

/// Makes the mailbox of one shard.
///
/// # Errors
/// When the kernel refuses an eventfd (descriptor limit).
pub fn mailbox() -> io::Result<(MailboxSender, Mailbox)> {
    let doorbell = Arc::new(Doorbell::new()?);
    let (sender, receiver) = flume::unbounded();
    let sender = MailboxSender { queue: sender, doorbell: Arc::clone(&doorbell) };
    Ok((sender, Mailbox { queue: receiver, doorbell }))
}

/// An eventfd that is written only when its owner sleeps.
///
/// The owner calls [`prepare_sleep`](Self::prepare_sleep), looks once more for work, and only then
/// waits. A producer makes its work visible and then calls [`ring`](Self::ring). Sequentially
/// consistent fences on both sides exclude that the owner misses the work and the producer misses
/// the flag.
#[derive(Debug)]
pub struct Doorbell {
    event: OwnedFd,
    sleeping: AtomicBool,
}

impl Doorbell {
    /// Makes a bell.
    ///
    /// # Errors
    /// When the kernel refuses an eventfd (descriptor limit).
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self { event, sleeping: AtomicBool::new(false) })
    }

    /// Wakes the owner if it sleeps; otherwise costs one fence and one load.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::SeqCst) {
            // An eventfd write fails only when the counter would overflow, and then the owner is
            // awake anyway.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Says that the owner is about to wait. It must look for work once more after this.
    pub fn prepare_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says that the owner found work after all, or was woken by something else.
    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// The descriptor to read eight bytes from while sleeping.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
