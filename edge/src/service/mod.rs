//! SERVICE: what back ends send to devices over AMQP, and the notices that they get.
//!
//! ```text
//!  transfer ─▶ SenderLink ─▶ control plane: queue of the device ─ commit ─▶ mail ─▶ disposition, credit
//!  notice ─▶ NoticeLink ─▶ transfer ─▶ disposition ─▶ control plane ─ commit ─▶ mail ─▶ disposition
//! ```
//!
//! Source: service-endpoints reference, "Sending cloud-to-device", "Delivery feedback",
//! "File-upload notifications".

mod links;
mod node;
mod notice_link;
mod notice_message;
mod outcome;
mod refusal;
mod sender_link;

pub(crate) use links::ServiceLinks;
pub(crate) use node::ServiceNode;
pub(crate) use notice_link::NoticeLink;
pub(crate) use outcome::repeated;
pub(crate) use refusal::{refusal_of_c2d, refusal_of_message};
pub(crate) use sender_link::SenderLink;
