//! Messages on their way through the hub.

mod route;

pub use route::partition_of;
