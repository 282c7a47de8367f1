//! The hub process and the clients of the bench for messages to devices.
#![allow(dead_code, reason = "the path bench and the tests use more of it")]

#[path = "../path_support/cpu.rs"]
pub(crate) mod cpu;
pub(crate) mod harness;
#[path = "../path_support/hub.rs"]
pub(crate) mod hub;
pub(crate) mod inside;
#[path = "../path_support/sync.rs"]
pub(crate) mod sync;
