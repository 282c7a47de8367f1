//! Load generator: many devices from one thread, each over its own TLS connection.
//!
//! ```text
//!  schedule ─▶ connect ─▶ socket ─▶ device (tls, MQTT client machine) ─▶ tally ─▶ report
//!  when        one task    poll,     bytes to verdict, no IO              counts,   table,
//!              per device  direct    and back                             latency   JSON
//! ```
//!
//! It is an open loop: arrivals keep their times whatever the server does, and latency counts from
//! the time at which a connection was due.

pub mod cli;
pub mod connect;
mod descriptors;
mod device;
mod fleet;
mod process;
mod report;
mod schedule;
mod socket;
mod source;
mod tally;
mod tls;
mod trust;
