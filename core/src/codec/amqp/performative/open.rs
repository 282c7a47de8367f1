//! Open: what a container says about itself and its bounds.

use bytes::BytesMut;

use super::{Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    Map, write_descriptor, write_list, write_null, write_option, write_str, write_uint,
    write_ushort,
};

/// The open performative; locales and capabilities are neither read nor written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Open<'a> {
    /// Name of the container; not unique among clients.
    pub container_id: &'a str,
    /// Host that the client means, or that the server calls itself.
    pub hostname: Option<&'a str>,
    /// Largest frame in bytes that the sender of this accepts; absent reads as no bound.
    pub max_frame_size: u32,
    /// Highest channel number that the sender of this accepts; absent reads as no bound.
    pub channel_max: u16,
    /// Milliseconds after which the sender of this wants to have heard something.
    pub idle_timeout_ms: Option<u32>,
    /// Product, version and the like.
    pub properties: Option<Map<'a>>,
}

impl<'a> Open<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let container_id = fields.text()?.ok_or(DecodeError::MissingField("container-id"))?;
        let hostname = fields.text()?;
        let max_frame_size = fields.number("max-frame-size")?.unwrap_or(u32::MAX);
        let channel_max = fields.number("channel-max")?.unwrap_or(u16::MAX);
        let idle_timeout_ms = fields.number("idle-time-out")?;
        fields.skip(4)?;
        let properties = fields.map()?;
        Ok(Self {
            container_id,
            hostname,
            max_frame_size,
            channel_max,
            idle_timeout_ms,
            properties,
        })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::OPEN);
        write_list(out, 10, |out| {
            write_str(out, self.container_id);
            write_option(out, self.hostname, write_str);
            write_uint(out, self.max_frame_size);
            write_ushort(out, self.channel_max);
            write_option(out, self.idle_timeout_ms, write_uint);
            for _ in 0..4 {
                write_null(out);
            }
            write_option(out, self.properties, |out, map| map.encode(out));
        });
    }
}
