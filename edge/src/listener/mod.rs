//! LISTENER: bound ports, one socket per shard and port, and the loop that accepts from one of
//! them.

mod accept;
mod bind;

pub(crate) use accept::accept_loop;
pub(crate) use bind::bind;
pub use bind::{BindError, ListenerConfig, ListenerKind, probe_ports};
