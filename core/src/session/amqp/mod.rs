//! AMQP 1.0 connection, sessions and links, for both roles.
//!
//! ```text
//!  peer bytes ─▶ handle_bytes ─▶ AmqpEvent        accept_link, send, settle, … ─▶ poll_transmit ─▶ peer
//!                    │ one frame at a time                  clock ─▶ handle_timeout ◀─ poll_timeout
//!  connection ── AmqpSession (windows, delivery ids) ── Link (credit, partial delivery)
//! ```
//!
//! Around the machine stand what the nodes of a hub need: [`NodeAddress`], [`cbs`], [`management`],
//! [`event_head`].

mod address;
mod attach;
pub mod cbs;
mod cbs_client;
mod config;
mod connection;
mod credit;
mod error;
pub mod event_head;
mod exercise;
mod link;
mod link_table;
pub mod management;
mod negotiation;
mod plain;
mod receive;
mod redirect;
mod reply;
mod send;
mod session;
mod signal;
mod timer;
mod unsettled;

pub use address::{DeviceLink, DeviceNode, NodeAddress};
pub use cbs_client::CbsAnswer;
pub use config::{AmqpConfig, ClientSasl};
pub use connection::AmqpConnection;
pub use error::SessionError;
pub use exercise::{exercise, exercise_device};
pub use link::{DeliveryId, LinkAccept, LinkCredit, LinkId, SessionId};
pub use plain::PlainUser;
pub use redirect::write_redirect_info;
pub use reply::RequestReply;
pub use send::{Outgoing, SendBlocked};
pub use signal::{AmqpEvent, Payload, SaslStep};
