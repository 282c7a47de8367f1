//! Messages on their way through the hub.

mod d2c;
mod route;
mod stamps;

pub use d2c::{D2cEncoder, D2cMessage, Destination, MessageTooLarge, SystemProperties};
pub use route::partition_of;
pub use stamps::{AuthScope, Stamps};
