//! LISTENER: bound ports, one socket per shard and port, and the loop that accepts from one of
//! them.

mod accept;
mod bind;

pub use accept::accept_loop;
pub use bind::{BindError, ListenerConfig, ListenerKind, bind, probe_ports};
