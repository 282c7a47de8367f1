//! Reads values from a slice and borrows everything of variable length.
//!
//! Typed readers first, [`Value`] for the rest: where the type is known, a typed reader knows the
//! encodings that peers nearly always choose; every other one goes through [`Value`], out of line.
//! What is inlined never lends `self` to code out of line, so that the position stays in registers:
//! the next value begins where the last one ended, and a position in memory costs more than the
//! reading. Hence `inline(always)`, and hence out-of-line readers that take and give back a copy.

use super::ctor;
use super::value::{Array, List, Map, Value};
use crate::codec::amqp::error::DecodeError;
use crate::codec::utf8::utf8;
use crate::limits::AMQP_NESTING_MAX;

type Result<T> = core::result::Result<T, DecodeError>;

/// A position in encoded values.
///
/// Lists, maps and arrays are checked for size and handed out unread; their elements are checked
/// when somebody walks them, or all at once by [`Value::validate`]. Nothing is allocated.
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
    #[inline(always)]
    pub fn value(&mut self) -> Result<Value<'a>> {
        let constructor = self.byte()?;
        self.value_of(constructor)
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
    #[inline(always)]
    pub fn descriptor(&mut self) -> Result<u64> {
        if let [ctor::DESCRIBED, ctor::ULONG_SMALL, code, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*code));
        }
        self.descriptor_if_known()?.ok_or(DecodeError::WrongType)
    }

    /// Reads a descriptor of either kind; `None` for a symbol that AMQP 1.0 does not define.
    pub(crate) fn descriptor_if_known(&mut self) -> Result<Option<u64>> {
        if self.byte()? != ctor::DESCRIBED {
            return Err(DecodeError::WrongType);
        }
        self.rare(|descriptor| match descriptor {
            Value::Ulong(code) => Some(Some(code)),
            Value::Symbol(name) => Some(descriptor_code(name)),
            _ => None,
        })
    }

    /// Passes over a null, if one comes next.
    #[inline(always)]
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
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        match *self.rest {
            [ctor::STRING_8 | ctor::SYMBOL_8, ..] => {
                self.byte()?;
                self.short_text()
            }
            _ => self.rare(|value| value.as_text()),
        }
    }

    /// Reads a binary.
    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8]> {
        match *self.rest {
            [ctor::BINARY_8, ..] => {
                self.byte()?;
                self.short_bytes()
            }
            [ctor::BINARY_32, ..] => {
                self.byte()?;
                self.long_bytes()
            }
            _ => self.rare(|value| match value {
                Value::Binary(bytes) => Some(bytes),
                _ => None,
            }),
        }
    }

    /// Reads a boolean.
    #[inline(always)]
    pub(crate) fn boolean(&mut self) -> Result<bool> {
        if let [constructor @ (ctor::TRUE | ctor::FALSE), rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(*constructor == ctor::TRUE);
        }
        self.rare(|value| match value {
            Value::Bool(boolean) => Some(boolean),
            _ => None,
        })
    }

    /// Reads milliseconds since the Unix epoch.
    #[inline]
    pub(crate) fn timestamp(&mut self) -> Result<i64> {
        self.rare(|value| match value {
            Value::Timestamp(unix_ms) => Some(unix_ms),
            _ => None,
        })
    }

    /// Passes over the next value.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.rare(|_| Some(()))
    }

    /// Reads an unsigned number of any width.
    #[inline(always)]
    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        let (number, rest) = match self.rest {
            [ctor::UINT_SMALL | ctor::ULONG_SMALL, number, rest @ ..] => (*number, rest),
            [ctor::UINT_0 | ctor::ULONG_0, rest @ ..] => (0, rest),
            _ => {
                return self.rare(|value| match value {
                    Value::Ubyte(number) => Some(number.into()),
                    Value::Ushort(number) => Some(number.into()),
                    Value::Uint(number) => Some(number.into()),
                    Value::Ulong(number) => Some(number),
                    _ => None,
                });
            }
        };
        self.rest = rest;
        Ok(number.into())
    }

    /// Reads a list.
    #[inline(always)]
    pub(crate) fn list(&mut self) -> Result<List<'a>> {
        if let [ctor::LIST_8, rest @ ..] = self.rest {
            self.rest = rest;
            let (count, body) = self.short_compound()?;
            return List::new(count, body);
        }
        self.rare(|value| match value {
            Value::List(list) => Some(list),
            _ => None,
        })
    }

    /// Reads a map.
    #[inline(always)]
    pub(crate) fn map(&mut self) -> Result<Map<'a>> {
        if let [ctor::MAP_8, rest @ ..] = self.rest {
            self.rest = rest;
            let (count, body) = self.short_compound()?;
            return Map::new(count, body);
        }
        self.rare(|value| match value {
            Value::Map(map) => Some(map),
            _ => None,
        })
    }

    /// Reads a value that must be of one type, in an encoding that few peers choose.
    #[inline(always)]
    fn rare<T>(&mut self, typed: impl FnOnce(Value<'a>) -> Option<T>) -> Result<T> {
        let (value, after) = self.value_out_of_line()?;
        *self = after;
        typed(value).ok_or(DecodeError::WrongType)
    }

    /// [`value`](Self::value), not inlined.
    #[cold]
    #[inline(never)]
    fn value_out_of_line(mut self) -> Result<(Value<'a>, Self)> {
        let value = self.value()?;
        Ok((value, self))
    }

    /// Reads a value whose constructor is known, as the elements of arrays are.
    #[inline(always)]
    pub(super) fn value_of(&mut self, constructor: u8) -> Result<Value<'a>> {
        Ok(match constructor {
            ctor::SYMBOL_8 => Value::Symbol(symbol(self.short_bytes()?)?),
            ctor::STRING_8 => Value::Str(self.short_text()?),
            ctor::BINARY_8 => Value::Binary(self.short_bytes()?),
            ctor::INT_SMALL => Value::Int(i8::from_be_bytes(self.array()?).into()),
            ctor::UINT_SMALL => Value::Uint(self.byte()?.into()),
            ctor::LONG_SMALL => Value::Long(i8::from_be_bytes(self.array()?).into()),
            ctor::ULONG_SMALL => Value::Ulong(self.byte()?.into()),
            ctor::INT => Value::Int(i32::from_be_bytes(self.array()?)),
            ctor::UINT => Value::Uint(u32::from_be_bytes(self.array()?)),
            ctor::LONG => Value::Long(i64::from_be_bytes(self.array()?)),
            ctor::ULONG => Value::Ulong(u64::from_be_bytes(self.array()?)),
            ctor::DOUBLE => Value::Double(f64::from_be_bytes(self.array()?)),
            ctor::TIMESTAMP => Value::Timestamp(i64::from_be_bytes(self.array()?)),
            ctor::TRUE => Value::Bool(true),
            ctor::FALSE => Value::Bool(false),
            ctor::NULL => Value::Null,
            _ => {
                let (value, after) = self.rare_value(constructor)?;
                *self = after;
                value
            }
        })
    }

    /// The types that [`value_of`](Self::value_of) leaves out.
    #[cold]
    #[inline(never)]
    fn rare_value(mut self, constructor: u8) -> Result<(Value<'a>, Self)> {
        let value = match constructor {
            ctor::DESCRIBED => self.described(0)?,
            ctor::UINT_0 => Value::Uint(0),
            ctor::ULONG_0 => Value::Ulong(0),
            ctor::LIST_0 => Value::List(List::EMPTY),
            ctor::UBYTE => Value::Ubyte(self.byte()?),
            ctor::BYTE => Value::Byte(i8::from_be_bytes(self.array()?)),
            ctor::BOOL => match self.byte()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(DecodeError::OutOfRange("boolean")),
            },
            ctor::USHORT => Value::Ushort(u16::from_be_bytes(self.array()?)),
            ctor::SHORT => Value::Short(i16::from_be_bytes(self.array()?)),
            ctor::FLOAT => Value::Float(f32::from_be_bytes(self.array()?)),
            ctor::CHAR => Value::Char(u32::from_be_bytes(self.array()?)),
            ctor::UUID => Value::Uuid(self.array_ref()?),
            ctor::DECIMAL_32 => Value::Decimal(self.take(4)?),
            ctor::DECIMAL_64 => Value::Decimal(self.take(8)?),
            ctor::DECIMAL_128 => Value::Decimal(self.take(16)?),
            ctor::BINARY_32 => Value::Binary(self.long_bytes()?),
            ctor::STRING_32 => Value::Str(text(self.long_bytes()?)?),
            ctor::SYMBOL_32 => Value::Symbol(symbol(self.long_bytes()?)?),
            ctor::LIST_8 | ctor::MAP_8 | ctor::ARRAY_8 => {
                let (count, body) = self.short_compound()?;
                compound(constructor, count, body)?
            }
            ctor::LIST_32 | ctor::MAP_32 | ctor::ARRAY_32 => {
                let mut body = Self::new(self.long_bytes()?);
                let count = u32::from_be_bytes(body.array()?);
                compound(constructor, count, body.rest)?
            }
            _ => return Err(DecodeError::UnknownConstructor(constructor)),
        };
        Ok((value, self))
    }

    fn value_at(&mut self, depth: usize) -> Result<Value<'a>> {
        let constructor = self.byte()?;
        if constructor == ctor::DESCRIBED {
            return self.described(depth);
        }
        self.value_of(constructor)
    }

    fn described(&mut self, depth: usize) -> Result<Value<'a>> {
        if depth >= AMQP_NESTING_MAX {
            return Err(DecodeError::TooDeep);
        }
        let before = self.rest;
        self.value_at(depth + 1)?;
        self.value_at(depth + 1)?;
        Ok(Value::Described(&before[..before.len() - self.rest.len()]))
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

    /// Reads the count and the elements of a list, map or array with a one-byte size.
    #[inline(always)]
    fn short_compound(&mut self) -> Result<(u32, &'a [u8])> {
        let mut body = Self::new(self.short_bytes()?);
        Ok((body.byte()?.into(), body.rest))
    }

    #[inline(always)]
    fn short_text(&mut self) -> Result<&'a str> {
        text(self.short_bytes()?)
    }

    /// Takes bytes after their one-byte length.
    #[inline(always)]
    fn short_bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.byte()?;
        self.take(len.into())
    }

    /// Takes bytes after their four-byte length.
    #[inline(always)]
    fn long_bytes(&mut self) -> Result<&'a [u8]> {
        let len = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(len).map_err(|_| DecodeError::UnexpectedEnd)?)
    }

    #[inline(always)]
    fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(first)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.array_ref().copied()
    }

    #[inline(always)]
    fn array_ref<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline(always)]
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(head)
    }
}

fn compound(constructor: u8, count: u32, body: &[u8]) -> Result<Value<'_>> {
    Ok(match constructor {
        ctor::LIST_8 | ctor::LIST_32 => Value::List(List::new(count, body)?),
        ctor::MAP_8 | ctor::MAP_32 => Value::Map(Map::new(count, body)?),
        _ => Value::Array(Array::new(count, Reader::new(body))?),
    })
}

#[inline(always)]
fn text(bytes: &[u8]) -> Result<&str> {
    utf8(bytes).ok_or(DecodeError::NotUtf8)
}

#[inline(always)]
fn symbol(bytes: &[u8]) -> Result<&str> {
    text(bytes).and_then(|text| if text.is_ascii() { Ok(text) } else { Err(DecodeError::NotAscii) })
}

/// Numbers of the descriptors that peers may also write as symbols (AMQP 1.0 parts 2, 3 and 5).
fn descriptor_code(name: &str) -> Option<u64> {
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
