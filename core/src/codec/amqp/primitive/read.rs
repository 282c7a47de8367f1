//! Reads values from a slice and borrows everything of variable length.

use super::ctor;
use super::value::{Array, List, Map, Value};
use crate::codec::amqp::error::DecodeError;
use crate::limits::AMQP_NESTING_MAX;

type Result<T> = core::result::Result<T, DecodeError>;

/// A position in encoded values.
///
/// Lists, maps and arrays are checked for size and handed out unread; their elements are checked when somebody
/// walks them, or all at once by [`Value::validate`]. Nothing is allocated.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next value.
    ///
    /// # Errors
    /// [`DecodeError`] for an unknown constructor, a size past the end, or text that is not UTF-8.
    #[inline]
    pub fn value(&mut self) -> Result<Value<'a>> {
        // Most values are short texts.
        if let Some(bytes) = self.short(|constructor| constructor == ctor::SYMBOL_8) {
            return text(bytes).map(Value::Symbol);
        }
        if let Some(bytes) = self.short(|constructor| constructor == ctor::STRING_8) {
            return text(bytes).map(Value::Str);
        }
        self.value_at(0)
    }

    /// Reads the next value and returns its bytes as well, for sending it on unchanged.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_with_bytes(&mut self) -> Result<(Value<'a>, &'a [u8])> {
        let before = self.rest;
        let value = self.value()?;
        Ok((value, &before[..before.len() - self.rest.len()]))
    }

    /// Reads a numeric descriptor, which must come next, and leaves the described value unread.
    ///
    /// # Errors
    /// [`DecodeError::WrongType`] if no described value comes next.
    pub fn descriptor(&mut self) -> Result<u64> {
        if let [ctor::DESCRIBED, ctor::ULONG_SMALL, code, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*code));
        }
        if self.byte()? != ctor::DESCRIBED {
            return Err(DecodeError::WrongType);
        }
        match self.value_at(1)? {
            Value::Ulong(code) => Ok(code),
            Value::Symbol(name) => descriptor_code(name).ok_or(DecodeError::WrongType),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// Passes over a null, if one comes next.
    #[inline]
    pub(crate) fn take_null(&mut self) -> bool {
        match self.rest {
            [ctor::NULL, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads a string or symbol.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        match self.short(|constructor| matches!(constructor, ctor::STRING_8 | ctor::SYMBOL_8)) {
            Some(bytes) => text(bytes),
            None => self.value()?.as_text().ok_or(DecodeError::WrongType),
        }
    }

    /// Reads a binary.
    pub(crate) fn binary(&mut self) -> Result<&'a [u8]> {
        match self.short(|constructor| constructor == ctor::BINARY_8) {
            Some(bytes) => Ok(bytes),
            None => match self.value()? {
                Value::Binary(bytes) => Ok(bytes),
                _ => Err(DecodeError::WrongType),
            },
        }
    }

    /// Reads an unsigned number of any width.
    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        if let [ctor::UINT_SMALL | ctor::ULONG_SMALL, number, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*number));
        }
        match self.value()? {
            Value::Ubyte(number) => Ok(number.into()),
            Value::Ushort(number) => Ok(number.into()),
            Value::Uint(number) => Ok(number.into()),
            Value::Ulong(number) => Ok(number),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// Takes the bytes of a value with a one-byte length, if one of the constructor asked for is there whole.
    #[inline]
    fn short(&mut self, is_wanted: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let [constructor, len, rest @ ..] = self.rest else { return None };
        if !is_wanted(*constructor) {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(usize::from(*len))?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn value_at(&mut self, depth: usize) -> Result<Value<'a>> {
        let constructor = self.byte()?;
        self.value_of(constructor, depth)
    }

    /// Reads a value whose constructor is known, as the elements of arrays are.
    pub(super) fn value_of(&mut self, constructor: u8, depth: usize) -> Result<Value<'a>> {
        match constructor >> 4 {
            0x0 if constructor == ctor::DESCRIBED => self.described(depth),
            0x4 => empty_value(constructor),
            0x5..=0x9 => self.fixed_value(constructor),
            0xa => {
                let len = usize::from(self.byte()?);
                self.variable_value(constructor, len)
            }
            0xb => {
                let len = self.size()?;
                self.variable_value(constructor & 0x0f | 0xa0, len)
            }
            0xc..=0xf => self.compound(constructor),
            _ => Err(DecodeError::UnknownConstructor(constructor)),
        }
    }

    fn described(&mut self, depth: usize) -> Result<Value<'a>> {
        if depth >= AMQP_NESTING_MAX {
            return Err(DecodeError::TooDeep);
        }
        let before = self.rest;
        self.value_at(depth + 1)?;
        let descriptor = &before[..before.len() - self.rest.len()];
        let described = self.rest;
        self.value_at(depth + 1)?;
        let value = &described[..described.len() - self.rest.len()];
        Ok(Value::Described { descriptor, value })
    }

    fn fixed_value(&mut self, constructor: u8) -> Result<Value<'a>> {
        Ok(match constructor {
            ctor::UBYTE => Value::Ubyte(self.byte()?),
            ctor::BYTE => Value::Byte(i8::from_be_bytes(self.array()?)),
            ctor::UINT_SMALL => Value::Uint(self.byte()?.into()),
            ctor::ULONG_SMALL => Value::Ulong(self.byte()?.into()),
            ctor::INT_SMALL => Value::Int(i8::from_be_bytes(self.array()?).into()),
            ctor::LONG_SMALL => Value::Long(i8::from_be_bytes(self.array()?).into()),
            ctor::BOOL => match self.byte()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(DecodeError::OutOfRange("boolean")),
            },
            ctor::USHORT => Value::Ushort(u16::from_be_bytes(self.array()?)),
            ctor::SHORT => Value::Short(i16::from_be_bytes(self.array()?)),
            ctor::UINT => Value::Uint(u32::from_be_bytes(self.array()?)),
            ctor::INT => Value::Int(i32::from_be_bytes(self.array()?)),
            ctor::FLOAT => Value::Float(f32::from_be_bytes(self.array()?)),
            ctor::CHAR => Value::Char(u32::from_be_bytes(self.array()?)),
            ctor::ULONG => Value::Ulong(u64::from_be_bytes(self.array()?)),
            ctor::LONG => Value::Long(i64::from_be_bytes(self.array()?)),
            ctor::DOUBLE => Value::Double(f64::from_be_bytes(self.array()?)),
            ctor::TIMESTAMP => Value::Timestamp(i64::from_be_bytes(self.array()?)),
            ctor::UUID => Value::Uuid(self.array()?),
            ctor::DECIMAL_32 => Value::Decimal(self.take(4)?),
            ctor::DECIMAL_64 => Value::Decimal(self.take(8)?),
            ctor::DECIMAL_128 => Value::Decimal(self.take(16)?),
            _ => return Err(DecodeError::UnknownConstructor(constructor)),
        })
    }

    fn variable_value(&mut self, narrow: u8, len: usize) -> Result<Value<'a>> {
        let bytes = self.take(len)?;
        Ok(match narrow {
            ctor::BINARY_8 => Value::Binary(bytes),
            ctor::STRING_8 => Value::Str(text(bytes)?),
            ctor::SYMBOL_8 => Value::Symbol(text(bytes)?),
            _ => return Err(DecodeError::UnknownConstructor(narrow)),
        })
    }

    fn compound(&mut self, constructor: u8) -> Result<Value<'a>> {
        let narrow = constructor & 0x10 == 0;
        let size = if narrow { usize::from(self.byte()?) } else { self.size()? };
        let mut body = Self::new(self.take(size)?);
        let count =
            if narrow { u32::from(body.byte()?) } else { u32::from_be_bytes(body.array()?) };
        match constructor {
            ctor::LIST_8 | ctor::LIST_32 => Ok(Value::List(List::new(count, body.rest)?)),
            ctor::MAP_8 | ctor::MAP_32 => Ok(Value::Map(Map::new(count, body.rest)?)),
            ctor::ARRAY_8 | ctor::ARRAY_32 => Ok(Value::Array(Array::new(count, body)?)),
            _ => Err(DecodeError::UnknownConstructor(constructor)),
        }
    }

    /// Reads the constructor of an array's elements, skipping their descriptor if they have one.
    pub(super) fn element_constructor(&mut self) -> Result<u8> {
        match self.byte()? {
            ctor::DESCRIBED => {
                self.value_at(1)?;
                self.byte()
            }
            plain => Ok(plain),
        }
    }

    fn size(&mut self) -> Result<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| DecodeError::UnexpectedEnd)
    }

    fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(first)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (&head, rest) = self.rest.split_first_chunk().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(head)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(head)
    }
}

fn empty_value<'a>(constructor: u8) -> Result<Value<'a>> {
    Ok(match constructor {
        ctor::NULL => Value::Null,
        ctor::TRUE => Value::Bool(true),
        ctor::FALSE => Value::Bool(false),
        ctor::UINT_0 => Value::Uint(0),
        ctor::ULONG_0 => Value::Ulong(0),
        ctor::LIST_0 => Value::List(List::EMPTY),
        _ => return Err(DecodeError::UnknownConstructor(constructor)),
    })
}

fn text(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)
}

/// Numbers of the descriptors that peers may also write as symbols (AMQP 1.0 parts 2, 3 and 5).
pub(crate) fn descriptor_code(name: &str) -> Option<u64> {
    const NAMES: [(&str, u64); 28] = [
        ("amqp:open:list", 0x10),
        ("amqp:begin:list", 0x11),
        ("amqp:attach:list", 0x12),
        ("amqp:flow:list", 0x13),
        ("amqp:transfer:list", 0x14),
        ("amqp:disposition:list", 0x15),
        ("amqp:detach:list", 0x16),
        ("amqp:end:list", 0x17),
        ("amqp:close:list", 0x18),
        ("amqp:error:list", 0x1d),
        ("amqp:received:list", 0x23),
        ("amqp:accepted:list", 0x24),
        ("amqp:rejected:list", 0x25),
        ("amqp:released:list", 0x26),
        ("amqp:modified:list", 0x27),
        ("amqp:source:list", 0x28),
        ("amqp:target:list", 0x29),
        ("amqp:sasl-mechanisms:list", 0x40),
        ("amqp:sasl-init:list", 0x41),
        ("amqp:header:list", 0x70),
        ("amqp:delivery-annotations:map", 0x71),
        ("amqp:message-annotations:map", 0x72),
        ("amqp:properties:list", 0x73),
        ("amqp:application-properties:map", 0x74),
        ("amqp:data:binary", 0x75),
        ("amqp:amqp-sequence:list", 0x76),
        ("amqp:amqp-value:*", 0x77),
        ("amqp:footer:map", 0x78),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|&(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    fn read(bytes: &[u8]) -> Result<Value<'_>> {
        let mut reader = Reader::new(bytes);
        let value = reader.value()?;
        assert!(reader.is_empty(), "left over: {:x?}", reader.rest());
        Ok(value)
    }

    #[test]
    fn every_width_of_a_type_reads_alike() {
        for bytes in [&hex!("41")[..], &hex!("56 01")] {
            assert_eq!(read(bytes), Ok(Value::Bool(true)));
        }
        for bytes in [&hex!("53 07")[..], &hex!("80 0000000000000007")] {
            assert_eq!(read(bytes), Ok(Value::Ulong(7)));
        }
        for bytes in [&hex!("43")[..], &hex!("52 00"), &hex!("70 00000000")] {
            assert_eq!(read(bytes), Ok(Value::Uint(0)));
        }
        for bytes in [&hex!("54 ff")[..], &hex!("71 ffffffff")] {
            assert_eq!(read(bytes), Ok(Value::Int(-1)));
        }
        for bytes in [&hex!("55 ff")[..], &hex!("81 ffffffffffffffff")] {
            assert_eq!(read(bytes), Ok(Value::Long(-1)));
        }
        for bytes in [&hex!("a1 01 61")[..], &hex!("b1 00000001 61")] {
            assert_eq!(read(bytes), Ok(Value::Str("a")));
        }
        for bytes in [&hex!("45")[..], &hex!("c0 01 00"), &hex!("d0 00000004 00000000")] {
            let Ok(Value::List(list)) = read(bytes) else { panic!("{bytes:x?}") };
            assert_eq!(list.iter().count(), 0);
        }
        assert_eq!(read(&hex!("61 8000")), Ok(Value::Short(i16::MIN)));
        assert_eq!(read(&hex!("51 80")), Ok(Value::Byte(i8::MIN)));
        assert_eq!(read(&hex!("72 3f800000")), Ok(Value::Float(1.0)));
        assert_eq!(read(&hex!("82 3ff0000000000000")), Ok(Value::Double(1.0)));
        assert_eq!(read(&hex!("73 00000041")), Ok(Value::Char(65)));
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole =
            hex!("d1 0000001c 00000004 a30161 d0 0000000600000002 4040 a30162 e0 05 02 a1 0161 00");
        assert!(read(&whole).is_ok());
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), Err(DecodeError::UnexpectedEnd), "{len}");
        }
    }

    #[test]
    fn claimed_sizes_and_counts_must_fit() {
        for (bytes, error) in [
            (&hex!("b0 ffffffff 00")[..], DecodeError::UnexpectedEnd),
            (&hex!("d0 ffffffff ffffffff")[..], DecodeError::UnexpectedEnd),
            (&hex!("d0 00000005 ffffffff 40")[..], DecodeError::ElementCount),
            (&hex!("c0 02 02 40")[..], DecodeError::ElementCount),
            (&hex!("c1 02 01 40")[..], DecodeError::ElementCount),
            (&hex!("f0 00000005 ffffffff 40")[..], DecodeError::ElementCount),
            (&hex!("f0 00000006 00000003 5001")[..], DecodeError::ElementCount),
            (&hex!("c0 00")[..], DecodeError::UnexpectedEnd),
            (&hex!("a1 01 ff")[..], DecodeError::NotUtf8),
            (&hex!("56 02")[..], DecodeError::OutOfRange("boolean")),
            (&hex!("3f")[..], DecodeError::UnknownConstructor(0x3f)),
            (&hex!("01")[..], DecodeError::UnknownConstructor(0x01)),
            (&hex!("a2 00")[..], DecodeError::UnknownConstructor(0xa2)),
        ] {
            assert_eq!(read(bytes), Err(error), "{bytes:x?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(read(&[0; 1000]), Err(DecodeError::TooDeep));
        let mut bomb = vec![0x40];
        for _ in 0..1000 {
            let size = u32::try_from(bomb.len() + 4).unwrap().to_be_bytes();
            bomb = [&[0xd0][..], &size, &1u32.to_be_bytes(), &bomb].concat();
        }
        assert_eq!(read(&bomb).unwrap().validate(), Err(DecodeError::TooDeep));
    }

    #[test]
    fn descriptors_come_as_numbers_and_as_symbols() {
        let symbol = [&[0, 0xa3, 14][..], b"amqp:open:list"].concat();
        for bytes in [&hex!("00 53 10")[..], &hex!("00 80 0000000000000010"), &symbol] {
            assert_eq!(Reader::new(bytes).descriptor(), Ok(0x10));
        }
        assert_eq!(Reader::new(&hex!("53 10")).descriptor(), Err(DecodeError::WrongType));
    }
}
