//! A message split into its sections, without copying.

use std::borrow::Cow;

use super::{Properties, code};
use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::performative::Fields;
use crate::codec::amqp::primitive::{List, Map, Reader, Value};

/// The sections of one message, borrowed from its bytes.
///
/// Maps are checked for size only; their pairs are read when they are walked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Message<'a> {
    /// Durability, priority, time to live, as a list.
    pub header: Option<List<'a>>,
    /// Annotations for the next hop.
    pub delivery_annotations: Option<Map<'a>>,
    /// Annotations that stay with the message.
    pub message_annotations: Option<Map<'a>>,
    /// The properties section; all null if there is none.
    pub properties: Properties<'a>,
    /// What the application has set.
    pub application_properties: Option<Map<'a>>,
    /// What the message is about.
    pub body: Body<'a>,
    /// What could only be known after the body.
    pub footer: Option<Map<'a>>,
}

/// The body of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Body<'a> {
    /// None at all.
    #[default]
    Absent,
    /// One data section, as nearly all messages have.
    Data(&'a [u8]),
    /// Several data sections: a body in pieces, or a batch of messages.
    DataSections(DataSections<'a>),
    /// One value.
    Value(Value<'a>),
    /// Sequences; this is the first.
    Sequence(List<'a>),
}

impl<'a> Message<'a> {
    /// Splits a message; sections may come in any order.
    ///
    /// # Errors
    /// [`DecodeError`] for a malformed section or one of unknown kind.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut message = Self::default();
        message.read(bytes)?;
        Ok(message)
    }

    /// Reads every section in place, into an empty message.
    pub(crate) fn read(&mut self, bytes: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let descriptor = reader.descriptor()?;
            match u8::try_from(descriptor) {
                Ok(code::HEADER) => self.header = Some(reader.list()?),
                Ok(code::DELIVERY_ANNOTATIONS) => self.delivery_annotations = Some(reader.map()?),
                Ok(code::MESSAGE_ANNOTATIONS) => self.message_annotations = Some(reader.map()?),
                Ok(code::PROPERTIES) => self.properties.read(Fields::read(&mut reader)?)?,
                Ok(code::APPLICATION_PROPERTIES) => {
                    self.application_properties = Some(reader.map()?);
                }
                Ok(code::DATA) => self.body.add_data(reader.binary()?, bytes),
                Ok(code::SEQUENCE) => self.body.add_sequence(reader.list()?),
                Ok(code::VALUE) => self.body = Body::Value(reader.value()?),
                Ok(code::FOOTER) => self.footer = Some(reader.map()?),
                _ => return Err(DecodeError::UnknownDescriptor(descriptor)),
            }
        }
        Ok(())
    }
}

impl<'a> Body<'a> {
    /// Takes a data section of `message`: all are walked again when there are several.
    fn add_data(&mut self, data: &'a [u8], message: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::Data(data),
            _ => Self::DataSections(DataSections::of(message)),
        };
    }

    /// Takes a sequence, unless there is a body already.
    fn add_sequence(&mut self, list: List<'a>) {
        if matches!(self, Self::Absent) {
            *self = Self::Sequence(list);
        }
    }

    /// The pieces of a body made of bytes: data sections, or a binary or string value.
    #[must_use]
    pub fn pieces(&self) -> DataPieces<'a> {
        match *self {
            Self::Data(data) => DataPieces::One(Some(data)),
            Self::Value(Value::Binary(bytes)) => DataPieces::One(Some(bytes)),
            Self::Value(Value::Str(text)) => DataPieces::One(Some(text.as_bytes())),
            Self::DataSections(sections) => DataPieces::Many(sections),
            Self::Absent | Self::Value(_) | Self::Sequence(_) => DataPieces::One(None),
        }
    }
}

impl<'a> Body<'a> {
    /// The pieces as one; copies only when there are several.
    #[must_use]
    pub fn joined(&self) -> Cow<'a, [u8]> {
        let mut pieces = self.pieces();
        let first = pieces.next().unwrap_or_default();
        match pieces.next() {
            None => first.into(),
            Some(second) => {
                let mut whole = [first, second].concat();
                pieces.for_each(|piece| whole.extend_from_slice(piece));
                whole.into()
            }
        }
    }
}

/// Walks the pieces of a body.
#[derive(Clone, Copy, Debug)]
pub enum DataPieces<'a> {
    /// At most one piece.
    One(Option<&'a [u8]>),
    /// Each data section.
    Many(DataSections<'a>),
}

impl<'a> Iterator for DataPieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::One(piece) => piece.take(),
            Self::Many(sections) => sections.next(),
        }
    }
}

/// Walks the data sections of a message that has been split before, so that no error is left to
/// meet.
#[derive(Clone, Copy, Debug)]
pub struct DataSections<'a> {
    reader: Reader<'a>,
}

impl<'a> DataSections<'a> {
    /// Walks the data sections of `message`, which has been split before.
    pub(crate) const fn of(message: &'a [u8]) -> Self {
        Self { reader: Reader::new(message) }
    }
}

impl PartialEq for DataSections<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.reader.rest() == other.reader.rest()
    }
}

impl<'a> Iterator for DataSections<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.reader.is_empty() {
            let descriptor = self.reader.descriptor().ok()?;
            if let (0x75, Value::Binary(data)) = (descriptor, self.reader.value().ok()?) {
                return Some(data);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn sections_are_found_in_any_order() {
        let bytes = hex!(
            "005375 a00161"
            "005374 c10702 a1016b a10176"
            "005373 c00803 a1016d 40 a10174"
            "005372 c10702 a3016b a10176"
            "005371 c10100"
            "005370 45"
            "005378 c10100"
        );
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(message.body, Body::Data(b"a"));
        assert_eq!(message.properties.message_id, Some(super::super::MessageId::Str("m")));
        assert_eq!(message.properties.to, Some("t"));
        assert_eq!(message.application_properties.unwrap().value("k"), Some(Value::Str("v")));
        assert_eq!(message.message_annotations.unwrap().value("k"), Some(Value::Str("v")));
        assert!(message.header.is_some() && message.footer.is_some());
        for len in 1..bytes.len() {
            let cut_between = [6, 18, 31, 43, 49, 53].contains(&len);
            assert_eq!(Message::decode(&bytes[..len]).is_ok(), cut_between, "{len}");
        }
    }

    #[test]
    fn several_data_sections_are_all_walked() {
        let bytes = hex!("005375 a00161 005372 c10100 005375 a000 005375 a0026262");
        let body = Message::decode(&bytes).unwrap().body;
        assert!(body.pieces().eq([&b"a"[..], b"", b"bb"]));
    }

    #[test]
    fn values_and_sequences_are_bodies() {
        let text = Message::decode(&hex!("005377 a10161")).unwrap().body;
        assert!(text.pieces().eq([b"a"]));
        assert_eq!(Message::decode(&hex!("005377 40")).unwrap().body, Body::Value(Value::Null));
        let list = Message::decode(&hex!("005376 c00201 40")).unwrap().body;
        assert!(matches!(list, Body::Sequence(list) if list.count() == 1));
        assert_eq!(Message::decode(b"").unwrap().body, Body::Absent);
    }

    #[test]
    fn wrong_sections_are_refused() {
        for (bytes, error) in [
            (&hex!("005375 c10100")[..], DecodeError::WrongType),
            (&hex!("005372 45"), DecodeError::WrongType),
            (&hex!("005379 45"), DecodeError::UnknownDescriptor(0x79)),
            (&hex!("40"), DecodeError::WrongType),
            (&hex!("005373 c00201 41"), DecodeError::WrongType),
        ] {
            assert_eq!(Message::decode(bytes), Err(error), "{bytes:02x?}");
        }
    }
}
