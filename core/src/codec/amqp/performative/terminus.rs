//! Source and target: the two termini of a link.

use bytes::BytesMut;

use super::{Fields, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{
    Map, write_bool, write_descriptor, write_list, write_null, write_option, write_str,
    write_symbol, write_uint,
};

/// Key of the filter that says where a reader starts.
pub const SELECTOR_FILTER: &str = "apache.org:selector-filter:string";

/// Expiry policy of a terminus that names none.
const SESSION_END: &str = "session-end";

/// Where the messages of a link come from; outcomes and capabilities are neither read nor written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// Address of the node.
    pub address: Option<&'a str>,
    /// What survives: 0 nothing, 1 configuration, 2 unsettled state.
    pub durable: u32,
    /// When the terminus expires.
    pub expiry_policy: Option<&'a str>,
    /// Seconds until it does.
    pub timeout: u32,
    /// Whether the peer is asked to make a node.
    pub dynamic: bool,
    /// Filters by symbol.
    pub filter: Option<Map<'a>>,
}

impl<'a> Source<'a> {
    /// A source with an address and defaults.
    #[must_use]
    pub fn new(address: &'a str) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// Reads a source. One of another kind, or with fields of other types, reads as one without an
    /// address, which no node has: its link is refused, and its connection goes on.
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Option<Self>, DecodeError> {
        let Some((descriptor, fields)) = fields.composite()? else { return Ok(None) };
        let is_source = descriptor == u64::from(code::SOURCE);
        Ok(Some(Self::decode_fields(fields).ok().filter(|_| is_source).unwrap_or_default()))
    }

    fn decode_fields(mut fields: Fields<'a>) -> Result<Self, DecodeError> {
        let address = fields.text()?;
        let durable = fields.number("durable")?.unwrap_or(0);
        let expiry_policy = fields.symbol()?;
        let timeout = fields.number("timeout")?.unwrap_or(0);
        let dynamic = fields.boolean()?.unwrap_or(false);
        fields.skip(2)?;
        let filter = fields.map()?;
        Ok(Self { address, durable, expiry_policy, timeout, dynamic, filter })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::SOURCE);
        write_list(out, 11, |out| {
            write_option(out, self.address, write_str);
            write_uint(out, self.durable);
            write_symbol(out, self.expiry_policy.unwrap_or(SESSION_END));
            write_uint(out, self.timeout);
            write_bool(out, self.dynamic);
            write_null(out);
            write_null(out);
            write_option(out, self.filter, |out, filter| filter.encode(out));
            for _ in 0..3 {
                write_null(out);
            }
        });
    }
}

/// Where the messages of a link go to; capabilities are neither read nor written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target<'a> {
    /// Address of the node.
    pub address: Option<&'a str>,
    /// What survives: 0 nothing, 1 configuration, 2 unsettled state.
    pub durable: u32,
    /// When the terminus expires.
    pub expiry_policy: Option<&'a str>,
    /// Seconds until it does.
    pub timeout: u32,
    /// Whether the peer is asked to make a node.
    pub dynamic: bool,
}

impl<'a> Target<'a> {
    /// A target with an address and defaults.
    #[must_use]
    pub fn new(address: &'a str) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// Reads a target. One of another kind, such as the coordinator of transactions, or with fields
    /// of other types, reads as one without an address, as with sources.
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Option<Self>, DecodeError> {
        let Some((descriptor, fields)) = fields.composite()? else { return Ok(None) };
        let is_target = descriptor == u64::from(code::TARGET);
        Ok(Some(Self::decode_fields(fields).ok().filter(|_| is_target).unwrap_or_default()))
    }

    fn decode_fields(mut fields: Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            address: fields.text()?,
            durable: fields.number("durable")?.unwrap_or(0),
            expiry_policy: fields.symbol()?,
            timeout: fields.number("timeout")?.unwrap_or(0),
            dynamic: fields.boolean()?.unwrap_or(false),
        })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        write_descriptor(out, code::TARGET);
        write_list(out, 7, |out| {
            write_option(out, self.address, write_str);
            write_uint(out, self.durable);
            write_symbol(out, self.expiry_policy.unwrap_or(SESSION_END));
            write_uint(out, self.timeout);
            write_bool(out, self.dynamic);
            write_null(out);
            write_null(out);
        });
    }
}
