//! Caller, devices and the bare relay of the method bench.

pub(crate) mod caller;
pub(crate) mod device;
pub(crate) mod relay;
