//! Parts of the black-box tests' harness.

#[path = "../../../edge/tests/support/address.rs"]
pub(crate) mod address;
#[path = "../../../edge/tests/support/amqp.rs"]
pub(crate) mod amqp;
#[path = "../../../edge/tests/support/c2d.rs"]
pub(crate) mod c2d;
#[path = "../../../edge/tests/support/mqtt.rs"]
pub(crate) mod mqtt;
#[path = "../../../edge/tests/support/rest.rs"]
pub(crate) mod rest;
#[path = "../../../edge/tests/support/sas.rs"]
pub(crate) mod sas;
#[path = "../../../edge/tests/support/tls.rs"]
pub(crate) mod tls;

pub(crate) use super::hub;
