//! SESSION: the protocol machine of one connection.
//!
//! Machines take `handle_*` (what the peer, the log or the clock said) and give `poll_*` (bytes to
//! write, facts for the hub, the next deadline). They never block, sleep or look at a clock.

pub mod amqp;
pub mod http;
pub mod mqtt;
pub mod takeover;
