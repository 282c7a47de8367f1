//! C2D: the queues of devices, and what hubs tell back ends, in memory and in the store.
//!
//! Only queues that hold something exist. Shards look in under a stripe lock that is never held
//! during IO; whatever must be durable goes through the store's writer, and the queue learns of it
//! after the commit:
//!
//! ```text
//!  sender ─▶ reserve ─▶ writer: INSERT, commit ─▶ push ─▶ shard of the device is told; sender gets accepted
//!  shard ─▶ lock (memory only) ─▶ PUBLISH … PUBACK ─▶ settle ─▶ writer: DELETE + feedback, commit ─▶ remove
//! ```
//!
//! What was taken and not settled before a crash is delivered again, marked as a repetition: after
//! a start the hub does not know what devices have seen, so every message that it finds counts as
//! delivered.

mod apply;
mod change;
pub(crate) mod effect;
mod feedback_json;
mod file_notification_json;
mod front;
mod hub_queues;
mod notice;
mod notice_queue;
mod notices;
mod refusal;
mod settings;
mod stripe;

pub(crate) use apply::C2dApplier;
pub(crate) use change::{C2dChange, C2dEffect, Ended, NewMessage};
pub use front::{C2d, C2dDone};
pub(crate) use hub_queues::C2dQueues;
pub use hub_queues::Delivery;
pub use notice::{Notice, NoticeKind};
pub use refusal::C2dRefusal;
pub use settings::CloudToDevice;

#[cfg(test)]
mod tests;
