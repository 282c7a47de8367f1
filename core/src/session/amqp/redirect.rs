//! The redirect from the hub's own event address to the Event-Hubs-compatible one.

use bytes::BytesMut;

use crate::codec::amqp::primitive::{write_int, write_str, write_symbol};

/// Appends the pairs of a redirect's info map and returns their element count.
///
/// `address` begins with `amqps://` and has the entity as first path segment: clients cut it out
/// there. The result goes into `AmqpError::info` by `Map::from_encoded`, with the condition
/// `LinkRedirect`.
///
/// Source: service-endpoints reference, "Redirect from the hub host".
pub fn write_redirect_info(out: &mut BytesMut, host: &str, port: u16, address: &str) -> u32 {
    for key in ["hostname", "network-host"] {
        write_symbol(out, key);
        write_str(out, host);
    }
    write_symbol(out, "port");
    write_int(out, port.into());
    write_symbol(out, "address");
    write_str(out, address);
    8
}
