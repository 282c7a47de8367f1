//! The fields of a composite type, by position.

use crate::codec::amqp::error::DecodeError;
use crate::codec::amqp::primitive::{List, Map, Reader, Value};

type Result<T> = core::result::Result<T, DecodeError>;

/// Reads fields in order; a list that ends early reads as nulls.
///
/// Inlined for the same reason as the typed readers of [`Reader`] that they begin with.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Fields<'a> {
    #[inline(always)]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        reader.list().map(|list| Self::of(&list))
    }

    #[inline(always)]
    const fn of(list: &List<'a>) -> Self {
        Self { reader: list.reader(), left: list.count() }
    }

    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Value<'a>> {
        if self.present() { self.reader.value() } else { Ok(Value::Null) }
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            if self.present() {
                self.reader.skip()?;
            }
        }
        Ok(())
    }

    /// Passes over all fields that are left.
    pub(crate) fn skip_all(mut self) -> Result<()> {
        while self.left > 0 {
            self.skip(1)?;
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Option<&'a str>> {
        if self.present() { self.reader.text().map(Some) } else { Ok(None) }
    }

    /// A symbol, or a string in its place, that can be written as a symbol again.
    pub(crate) fn symbol(&mut self) -> Result<Option<&'a str>> {
        let text = self.text()?;
        if text.is_none_or(str::is_ascii) { Ok(text) } else { Err(DecodeError::NotAscii) }
    }

    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Result<Option<&'a [u8]>> {
        if self.present() { self.reader.binary().map(Some) } else { Ok(None) }
    }

    #[inline(always)]
    pub(crate) fn boolean(&mut self) -> Result<Option<bool>> {
        if self.present() { self.reader.boolean().map(Some) } else { Ok(None) }
    }

    /// A number of any unsigned width that fits the field.
    #[inline(always)]
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<Option<T>> {
        if !self.present() {
            return Ok(None);
        }
        let wide = self.reader.unsigned()?;
        T::try_from(wide).map(Some).map_err(|_| DecodeError::OutOfRange(field))
    }

    #[inline(always)]
    pub(crate) fn timestamp(&mut self) -> Result<Option<i64>> {
        if self.present() { self.reader.timestamp().map(Some) } else { Ok(None) }
    }

    pub(crate) fn map(&mut self) -> Result<Option<Map<'a>>> {
        if self.present() { self.reader.map().map(Some) } else { Ok(None) }
    }

    /// Begins the next field: passes over a null, and tells whether a value stands there to be
    /// read.
    #[inline(always)]
    fn present(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        !self.reader.take_null()
    }

    /// A described list: its descriptor, 0 if that is an unknown symbol, and fields.
    pub(crate) fn composite(&mut self) -> Result<Option<(u64, Self)>> {
        if !self.present() {
            return Ok(None);
        }
        let descriptor = self.reader.descriptor_if_known()?.unwrap_or(0);
        Ok(Some((descriptor, Self::read(&mut self.reader)?)))
    }
}
