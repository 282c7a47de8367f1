//! Performatives: what the frames of a connection say.
//!
//! Decoding is tolerant: lists may be short, fields null, integers of any width. Encoding follows
//! one fixed profile, because some clients read by position without looking at counts: smallulong
//! descriptors and every field written, also trailing nulls.
//!
//! Source: AMQP 1.0 part 2, section 2.7; service-endpoints reference, "Encoding profile".

mod attach;
mod begin;
mod close;
mod detach;
mod disposition;
mod end;
mod error;
mod fields;
mod flow;
mod open;
mod sasl;
mod state;
mod terminus;
mod transfer;

pub use attach::{Attach, ReceiverSettleMode, Role, SenderSettleMode};
pub use begin::Begin;
pub use close::Close;
pub use detach::Detach;
pub use disposition::Disposition;
pub use end::End;
pub use error::{AmqpError, Condition};
pub use flow::{Flow, LinkFlow};
pub use open::Open;
pub use sasl::{SaslCode, SaslFrame};
pub use state::DeliveryState;
pub use terminus::{SELECTOR_FILTER, Source, Target};
pub use transfer::{DeliveryTag, Transfer};

pub(crate) use fields::Fields;
pub(crate) use sasl::{write_init, write_mechanisms, write_outcome};

use bytes::BytesMut;

use super::error::DecodeError;
use super::primitive::Reader;

/// Numbers of the descriptors (AMQP 1.0 parts 2 and 3).
pub(crate) mod code {
    pub(crate) const OPEN: u8 = 0x10;
    pub(crate) const BEGIN: u8 = 0x11;
    pub(crate) const ATTACH: u8 = 0x12;
    pub(crate) const FLOW: u8 = 0x13;
    pub(crate) const TRANSFER: u8 = 0x14;
    pub(crate) const DISPOSITION: u8 = 0x15;
    pub(crate) const DETACH: u8 = 0x16;
    pub(crate) const END: u8 = 0x17;
    pub(crate) const CLOSE: u8 = 0x18;
    pub(crate) const ERROR: u8 = 0x1d;
    pub(crate) const ACCEPTED: u8 = 0x24;
    pub(crate) const REJECTED: u8 = 0x25;
    pub(crate) const RELEASED: u8 = 0x26;
    pub(crate) const MODIFIED: u8 = 0x27;
    pub(crate) const SOURCE: u8 = 0x28;
    pub(crate) const TARGET: u8 = 0x29;
}

/// The performative of one AMQP frame.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the performative of its name")]
pub enum Performative<'a> {
    Open(Open<'a>),
    Begin(Begin),
    Attach(Attach<'a>),
    Flow(Flow),
    Transfer(Transfer),
    Disposition(Disposition<'a>),
    Detach(Detach<'a>),
    End(End<'a>),
    Close(Close<'a>),
}

impl<'a> Performative<'a> {
    /// Reads the performative at the head of a frame body; what follows it is the payload of a
    /// transfer.
    ///
    /// # Errors
    /// [`DecodeError`] for an unknown descriptor, a malformed value, or a missing mandatory field.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        if let Some((transfer, payload)) = Self::decode_transfer(body)? {
            return Ok((Self::Transfer(transfer), payload));
        }
        let mut reader = Reader::new(body);
        let descriptor = reader.descriptor()?;
        let fields = Fields::read(&mut reader)?;
        Ok((Self::decode_rarer(descriptor, fields)?, reader.rest()))
    }

    /// Reads a transfer and its payload; `None` if the frame is about something else. There are
    /// more of these than of all others, and one by itself is a third of the size of any.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    #[inline]
    pub fn decode_transfer(body: &'a [u8]) -> Result<Option<(Transfer, &'a [u8])>, DecodeError> {
        let mut reader = Reader::new(body);
        if reader.descriptor()? != u64::from(code::TRANSFER) {
            return Ok(None);
        }
        let transfer = Transfer::decode(Fields::read(&mut reader)?)?;
        Ok(Some((transfer, reader.rest())))
    }

    /// Reads a performative that there is not one of for every message.
    fn decode_rarer(descriptor: u64, mut fields: Fields<'a>) -> Result<Self, DecodeError> {
        Ok(match u8::try_from(descriptor) {
            Ok(code::DISPOSITION) => Self::Disposition(Disposition::decode(&mut fields)?),
            Ok(code::FLOW) => Self::Flow(Flow::decode(&mut fields)?),
            Ok(code::OPEN) => Self::Open(Open::decode(&mut fields)?),
            Ok(code::BEGIN) => Self::Begin(Begin::decode(&mut fields)?),
            Ok(code::ATTACH) => Self::Attach(Attach::decode(&mut fields)?),
            Ok(code::DETACH) => Self::Detach(Detach::decode(&mut fields)?),
            Ok(code::END) => Self::End(End::decode(&mut fields)?),
            Ok(code::CLOSE) => Self::Close(Close::decode(&mut fields)?),
            _ => return Err(DecodeError::UnknownDescriptor(descriptor)),
        })
    }

    /// Appends the performative.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Open(open) => open.encode(out),
            Self::Begin(begin) => begin.encode(out),
            Self::Attach(attach) => attach.encode(out),
            Self::Flow(flow) => flow.encode(out),
            Self::Transfer(transfer) => transfer.encode(out),
            Self::Disposition(disposition) => disposition.encode(out),
            Self::Detach(detach) => detach.encode(out),
            Self::End(end) => end.encode(out),
            Self::Close(close) => close.encode(out),
        }
    }
}

#[cfg(test)]
mod tests;
