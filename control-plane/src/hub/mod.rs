//! Hubs as a resource: made, changed and deleted while the process runs.
//!
//! ```text
//!  create: writer: row, commit ──▶ parts: logs, certificate ──▶ directory: clients find it
//!  delete: writer: row says so, commit ──▶ directory: nobody finds it ──▶ shards: connections end
//!          remover: jobs, rows of all tables, some at a time ──▶ parts ──▶ row of the hub
//! ```
//!
//! What is committed is carried through: a start makes the parts that a crash has left out, and
//! goes on with removals. The number of a hub is never given to another one, so what is left of a
//! deleted hub anywhere can never be taken for something of a later hub.

mod apply;
mod change;
mod error;
mod host_name;
mod life;
mod new_hub;
mod parts;
mod removal;

pub(crate) use apply::HubApplier;
pub(crate) use change::{HubChange, HubRow, MadeGroup};
pub use error::HubError;
pub(crate) use life::HubLife;
pub use new_hub::{HubUpdate, NewHub, NewPolicy};
pub use parts::HubParts;

#[cfg(test)]
mod tests;
