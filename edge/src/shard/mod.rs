//! SHARD: one pinned thread, one monoio runtime, its own listeners and connections.
//!
//! ```text
//!  task per connection: readable ─▶ recv ─▶ decrypt ─▶ Protocol::handle_bytes ─▶ (rings, directory)
//!  end of the turn:     publish rings ─▶ commits ─▶ mail ─▶ deadlines ─▶ poll_transmit ─▶ encrypt ─▶ send
//! ```

mod clock;
mod commit_queue;
mod connection;
mod counters;
mod deleted_hubs;
mod descriptor_table;
mod driver;
mod event_loop;
pub mod mailbox;
mod mailbox_shards;
mod protocol;
mod recorder;
mod runtime;
mod seat;
mod services;
mod signal;
mod socket;
mod start;
mod state;
mod table;
mod timer_wheel;
mod transport;

pub use clock::Clock;
pub use counters::{ShardCounters, ShardStages};
pub use descriptor_table::make_private as make_descriptors_private;
pub use driver::Driver;
pub(crate) use mailbox_shards::MailboxShards;
pub use protocol::{Close, Opening, Protocol, Services, ShardContext};
pub(crate) use recorder::DeliveryRecorder;
pub use runtime::runtime;
pub use services::{HubInfo, HubServices};
pub use socket::Socket;
pub use start::{ShardConfig, ShardHandle, ShardParts, start_shard, start_shards};
