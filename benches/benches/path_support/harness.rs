//! Parts of the black-box tests' harness.
#![allow(dead_code, reason = "the tests use more of it")]

#[path = "../../../edge/tests/support/address.rs"]
pub(crate) mod address;
#[path = "../../../edge/tests/support/rest.rs"]
pub(crate) mod rest;
#[path = "../../../edge/tests/support/sas.rs"]
pub(crate) mod sas;
#[path = "../../../edge/tests/support/tls.rs"]
pub(crate) mod tls;

pub(crate) use super::hub;
