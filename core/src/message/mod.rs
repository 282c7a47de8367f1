//! Messages on their way through the hub.

mod amqp;
mod d2c;
mod http;
mod origin;
mod partition_key;
mod route;

pub use amqp::{AmqpMessage, AmqpTelemetry, InvalidTelemetry};
pub(crate) use d2c::parse_time;
pub use d2c::{D2cEncoder, D2cMessage, MessageTooLarge, SystemProperties};
pub use http::{BATCH_CONTENT_TYPE, HttpMessage, InvalidBatch};
pub use origin::{AuthScope, Origin};
pub use route::PartitionMapping;
