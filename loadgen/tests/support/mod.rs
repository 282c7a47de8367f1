//! A hub in the process of the test, and the load generator as a program.

#![allow(dead_code, reason = "every test binary uses its own part of the harness")]

#[path = "../../../edge/tests/support/address.rs"]
pub(crate) mod address;
pub(crate) mod floor;
pub(crate) mod heard;
pub(crate) mod hub;
pub(crate) mod hub_process;
#[path = "../../../edge/tests/support/patience.rs"]
pub(crate) mod patience;
pub(crate) mod program;
