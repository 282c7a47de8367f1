//! C2D: messages to devices, from a back end's AMQP message to the feedback on what became of it.
//!
//! ```text
//!  AMQP message ─▶ DeviceMessage ─▶ DeviceQueue: Enqueued ─ lock ─▶ Locked ─ verdict ─▶ Settling ─▶ gone
//!                                        ▲                            │                     │
//!                                        └─ abandoned, lapsed, unlocked                     ▼
//!                                                              BatchQueue ─▶ batches ─▶ back end  
//! ```
//!
//! The machines take time and tokens as arguments and keep nothing durable themselves: a message
//! that is being settled stays taken until the store has said so.
//!
//! Source: device-endpoints reference, "Cloud-to-device queue"; service-endpoints reference,
//! "Sending cloud-to-device", "Delivery feedback".

mod ack;
mod amqp;
mod bag;
mod batch;
mod feedback;
mod file_notification;
mod http;
mod lock;
mod message;
mod queue;

pub use ack::{AckLevel, Outcome};
pub use amqp::{DeliveryHead, tag_of, token_of, verdict_of};
pub use bag::MqttForm;
pub use batch::{
    BatchDue, BatchLimits, BatchQueue, BatchRecord, BatchSettled, Batching, LockedBatch,
};
pub use feedback::FeedbackRecord;
pub use file_notification::FileNotification;
pub use http::HttpForm;
pub use lock::{Lock, LockLost, LockToken, Verdict};
pub use message::{DeviceMessage, Unacceptable, message_id};
pub use queue::{DeviceQueue, Due, LockedMessage, QueueFull, QueuedMessage, Settled};
