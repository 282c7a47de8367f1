//! SERVICE: what back ends send to devices over AMQP, and the feedback that they get.
//!
//! ```text
//!  transfer ─▶ SenderLink ─▶ control plane: queue of the device ─ commit ─▶ mail ─▶ disposition, credit
//!  feedback batch ─▶ FeedbackLink ─▶ transfer ─▶ disposition ─▶ control plane ─ commit ─▶ mail ─▶ disposition
//! ```
//!
//! Source: service-endpoints reference, "Sending cloud-to-device", "Delivery feedback".

mod feedback_link;
mod feedback_message;
mod links;
mod node;
mod outcome;
mod refusal;
mod sender_link;

pub(crate) use feedback_link::FeedbackLink;
pub(crate) use links::ServiceLinks;
pub(crate) use node::ServiceNode;
pub(crate) use outcome::repeated;
pub(crate) use refusal::{refusal_of_c2d, refusal_of_message};
pub(crate) use sender_link::SenderLink;
