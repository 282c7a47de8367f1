//! The fields of a composite type, by position.

use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{List, Map, Reader, Value};

type Result<T> = core::result::Result<T, DecodeError>;

/// Reads fields in order; a list that ends early reads as nulls.
///
/// Fields of one type are read directly: most of a composite are nulls, small numbers and short texts.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Fields<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        match reader.value()? {
            Value::List(list) => Ok(Self::of(&list)),
            _ => Err(DecodeError::WrongType),
        }
    }

    pub(crate) const fn of(list: &List<'a>) -> Self {
        Self { reader: list.reader(), left: list.count() }
    }

    pub(crate) fn next(&mut self) -> Result<Value<'a>> {
        if self.present() { self.reader.value() } else { Ok(Value::Null) }
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.next().map(|_| ()))
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'a str>> {
        if self.present() { self.reader.text().map(Some) } else { Ok(None) }
    }

    pub(crate) fn binary(&mut self) -> Result<Option<&'a [u8]>> {
        if self.present() { self.reader.binary().map(Some) } else { Ok(None) }
    }

    pub(crate) fn boolean(&mut self) -> Result<Option<bool>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Bool(value) => Ok(Some(value)),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// A number of any unsigned width that fits the field.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<Option<T>> {
        if !self.present() {
            return Ok(None);
        }
        let wide = self.reader.unsigned()?;
        T::try_from(wide).map(Some).map_err(|_| DecodeError::OutOfRange(field))
    }

    pub(crate) fn timestamp(&mut self) -> Result<Option<i64>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Timestamp(unix_ms) => Ok(Some(unix_ms)),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// Begins the next field: passes over a null, and tells whether a value stands there to be read.
    #[inline]
    fn present(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        !self.reader.take_null()
    }

    pub(crate) fn map(&mut self) -> Result<Option<Map<'a>>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Map(map) => Ok(Some(map)),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// A described list: its descriptor and fields.
    pub(crate) fn composite(&mut self) -> Result<Option<(u64, Self)>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Described { descriptor, value } => {
                let code = described_code(descriptor)?;
                Ok(Some((code, Self::read(&mut Reader::new(value))?)))
            }
            _ => Err(DecodeError::WrongType),
        }
    }
}

/// The number of a descriptor whose bytes stand alone.
fn described_code(descriptor: &[u8]) -> Result<u64> {
    match Reader::new(descriptor).value()? {
        Value::Ulong(code) => Ok(code),
        Value::Symbol(name) => {
            Ok(crate::codec::amqp::primitive::descriptor_code(name).unwrap_or(0))
        }
        _ => Err(DecodeError::WrongType),
    }
}
