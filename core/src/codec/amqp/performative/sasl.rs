//! SASL frames: the steps before AMQP itself.

use bytes::BytesMut;

use super::Fields;
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::frame::{FrameKind, write_frame};
use crate::codec::amqp::primitive::{
    Reader, Value, write_binary, write_descriptor, write_list, write_option, write_str,
    write_symbol, write_symbol_array, write_ubyte,
};

const MECHANISMS: u8 = 0x40;
const INIT: u8 = 0x41;
const OUTCOME: u8 = 0x44;

/// Verdict of the SASL exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslCode {
    /// Authenticated.
    Ok,
    /// Refused because of the credentials.
    Auth,
    /// Refused because of the system, for now or for good.
    System,
}

/// The body of one SASL frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SaslFrame<'a> {
    /// What the server offers: an array of symbols, or one symbol.
    Mechanisms(Value<'a>),
    /// What the client chose.
    Init {
        /// Name of the mechanism.
        mechanism: &'a str,
        /// Initial response, empty if absent.
        response: &'a [u8],
        /// Host that the client means.
        hostname: Option<&'a str>,
    },
    /// How it went.
    Outcome(SaslCode),
}

impl<'a> SaslFrame<'a> {
    /// Reads the body of a SASL frame.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else than mechanisms, init and outcome: no mechanism here has
    /// challenges.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let descriptor = reader.descriptor()?;
        let mut fields = Fields::read(&mut reader)?;
        match u8::try_from(descriptor) {
            Ok(MECHANISMS) => Ok(Self::Mechanisms(fields.next()?)),
            Ok(INIT) => Ok(Self::Init {
                mechanism: fields.text()?.ok_or(DecodeError::MissingField("mechanism"))?,
                response: fields.binary()?.unwrap_or_default(),
                hostname: fields.text()?,
            }),
            Ok(OUTCOME) => match fields.number("code")? {
                Some(0u8) => Ok(Self::Outcome(SaslCode::Ok)),
                Some(1) => Ok(Self::Outcome(SaslCode::Auth)),
                Some(2..=4) => Ok(Self::Outcome(SaslCode::System)),
                _ => Err(DecodeError::OutOfRange("code")),
            },
            _ => Err(DecodeError::UnknownDescriptor(descriptor)),
        }
    }

    /// Whether mechanisms on offer hold a name.
    #[must_use]
    pub fn offers(&self, mechanism: &str) -> bool {
        let is = |value: Value<'_>| value.as_text() == Some(mechanism);
        match self {
            Self::Mechanisms(Value::Array(array)) => array.iter().any(|item| item.is_ok_and(is)),
            Self::Mechanisms(single) => is(*single),
            _ => false,
        }
    }
}

/// Appends the frame that offers mechanisms, always as an array.
pub(crate) fn write_mechanisms(out: &mut BytesMut, mechanisms: &[&str]) {
    write_sasl(out, MECHANISMS, 1, |out| write_symbol_array(out, mechanisms));
}

/// Appends the frame that chooses a mechanism.
pub(crate) fn write_init(
    out: &mut BytesMut,
    mechanism: &str,
    response: Option<&[u8]>,
    hostname: Option<&str>,
) {
    write_sasl(out, INIT, 3, |out| {
        write_symbol(out, mechanism);
        write_option(out, response, write_binary);
        write_option(out, hostname, write_str);
    });
}

/// Appends the frame with the verdict; a good one greets as the real service does.
pub(crate) fn write_outcome(out: &mut BytesMut, code: SaslCode) {
    write_sasl(out, OUTCOME, 2, |out| {
        write_ubyte(out, code as u8);
        write_option(out, (code == SaslCode::Ok).then_some(&b"Welcome!"[..]), write_binary);
    });
}

fn write_sasl(out: &mut BytesMut, code: u8, count: u32, fields: impl FnOnce(&mut BytesMut)) {
    write_frame(out, FrameKind::Sasl, 0, |out| {
        write_descriptor(out, code);
        write_list(out, count, fields);
    });
}
