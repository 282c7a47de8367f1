//! READER: the Event-Hubs-compatible endpoint: what back ends may do and read over AMQP.
//!
//! ```text
//!  PLAIN, $cbs ─▶ Claims ◀─ every attach and request asks them
//!  attach ─▶ Open ─▶ executor
//!  credit ─▶ Read ─▶ executor ─▶ records by mail ─▶ PartitionLink ─▶ transfers
//! ```
//!
//! The protocol machine is core's, the connection that carries it is the shard's driver. Nothing
//! here blocks.

mod claims;
mod credential;
mod partition_link;
mod partition_links;
mod place;
mod refusal;
mod request_links;

pub(crate) use claims::{Claims, Expired, end_of};
pub(crate) use credential::{Login, claim_of_token, hub_of_token, login_of_plain};
pub(crate) use partition_link::{OpenedLink, PartitionLink};
pub(crate) use partition_links::PartitionLinks;
pub(crate) use place::PartitionPlace;
pub(crate) use refusal::Refusal;
pub(crate) use request_links::{REQUEST_CREDIT, RequestLink, RequestLinks, RequestNode};
