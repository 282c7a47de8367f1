//! Clients, yardsticks and the hub process of the path bench.

pub(crate) mod connection;
pub(crate) mod cpu;
pub(crate) mod floor;
pub(crate) mod harness;
pub(crate) mod hub;
pub(crate) mod publisher;
pub(crate) mod reader;
pub(crate) mod sync;
pub(crate) mod wire;
