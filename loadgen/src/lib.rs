//! Load generator: many devices from few threads, each over its own TLS connection.
//!
//! ```text
//!  cli ─▶ plan ─▶ run ─┬─ one process ──────────────▶ engine ─▶ outcome ─▶ report
//!                      └─ crew ─▶ worker processes ─▶ engine ─▶ news    ─▶ (merged)
//!
//!  engine: schedule ─▶ connection ─▶ device (tls or records, MQTT client machine) ─▶ tally
//!          cadence  ─▶ publishing      bytes to verdict and back, no IO
//! ```
//!
//! [`reader`] stands at the other end of a hub: it reads what devices publish, as a back end does,
//! and measures how far behind it is.
//!
//! It is an open loop unless it is told otherwise: arrivals and messages keep their times whatever
//! the server does, and latency counts from the time at which each was due. A [`scenario`] is
//! written down arguments with a name. [`floor`] is a server with nothing behind it, for the costs
//! that no hub can avoid.

mod alarm;
mod cadence;
mod churn;
pub mod cli;
mod connection;
mod conversation;
mod crew;
mod descriptors;
mod device;
mod engine;
pub mod error;
mod failure;
mod fleet;
pub mod floor;
mod gate;
mod gateway;
mod history;
mod html;
mod http_device;
mod latency;
mod numbering;
mod observer;
mod outcome;
mod output;
mod pinning;
mod plan;
mod process;
mod protocol;
mod publisher;
mod publishing;
mod quantity;
pub mod reader;
mod records;
mod registration;
pub mod report;
pub mod run;
pub mod scenario;
mod schedule;
pub mod share;
mod source;
mod storm;
mod tally;
mod timeline;
mod tls;
mod trust;
mod verdict;
mod view;

pub use report::Report;
pub use verdict::Verdict;
