//! Values as they stand in a buffer.

use core::fmt::Write as _;

use bytes::{BufMut, BytesMut};

use super::read::Reader;
use super::{begin_compound, ctor, end_list, end_map, write_array};
use crate::codec::amqp::error::DecodeError;
use crate::limits::AMQP_NESTING_MAX;

type Result<T> = core::result::Result<T, DecodeError>;

/// One value; everything of variable length is borrowed from the buffer it was read from.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are the types of AMQP 1.0 part 1 by their own names")]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Char(u32),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    Uuid(&'a [u8; 16]),
    /// A decimal of 4, 8 or 16 bytes, not interpreted.
    Decimal(&'a [u8]),
    Binary(&'a [u8]),
    Str(&'a str),
    Symbol(&'a str),
    List(List<'a>),
    Map(Map<'a>),
    Array(Array<'a>),
    /// A described value as encoded, from its descriptor on.
    Described(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text of a string or symbol.
    #[must_use]
    pub const fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Str(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// The number in any integer type, if it fits.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::Ubyte(n) => Some(n.into()),
            Self::Ushort(n) => Some(n.into()),
            Self::Uint(n) => Some(n.into()),
            Self::Ulong(n) => n.try_into().ok(),
            Self::Byte(n) => Some(n.into()),
            Self::Short(n) => Some(n.into()),
            Self::Int(n) => Some(n.into()),
            Self::Long(n) | Self::Timestamp(n) => Some(n),
            _ => None,
        }
    }

    /// The value without its descriptors.
    ///
    /// # Errors
    /// [`DecodeError`] if the described value is malformed.
    pub fn undescribed(self) -> Result<Self> {
        let mut value = self;
        while let Self::Described(encoded) = value {
            value = described_value(encoded)?;
        }
        Ok(value)
    }

    /// Checks everything inside, down to the bound on nesting.
    ///
    /// # Errors
    /// [`DecodeError`] of the first malformed element.
    pub fn validate(&self) -> Result<()> {
        self.validate_at(0)
    }

    fn validate_at(&self, depth: usize) -> Result<()> {
        if depth >= AMQP_NESTING_MAX {
            return Err(DecodeError::TooDeep);
        }
        let below = |items: Items<'a>| {
            let mut items = items;
            items.try_for_each(|item| item?.validate_at(depth + 1))
        };
        match self {
            Self::List(list) => below(list.iter()),
            Self::Map(map) => below(map.items()),
            Self::Array(array) => below(array.iter()),
            Self::Described(encoded) => described_value(encoded)?.validate_at(depth + 1),
            _ => Ok(()),
        }
    }
}

/// Reads what stands behind a descriptor.
fn described_value(encoded: &[u8]) -> Result<Value<'_>> {
    let mut reader = Reader::new(encoded);
    reader.value()?;
    reader.value()
}

/// A UUID in lower case, with hyphens.
#[must_use]
pub fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in uuid.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Walks the elements of a list, map or array; ends after the first malformed one.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    reader: Reader<'a>,
    left: u32,
    constructor: Option<u8>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Value<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = match self.constructor {
            None => self.reader.value(),
            Some(constructor) => self.reader.value_of(constructor),
        };
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }
}

/// A list as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a> {
    count: u32,
    body: &'a [u8],
}

impl<'a> List<'a> {
    pub(super) const EMPTY: Self = Self { count: 0, body: &[] };

    pub(super) fn new(count: u32, body: &'a [u8]) -> Result<Self> {
        check_count(count, body)?;
        Ok(Self { count, body })
    }

    /// Number of elements.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Stands before the first element.
    pub(crate) const fn reader(&self) -> Reader<'a> {
        Reader::new(self.body)
    }

    /// Walks the elements.
    #[must_use]
    pub const fn iter(&self) -> Items<'a> {
        Items { reader: self.reader(), left: self.count, constructor: None }
    }

    /// Appends the list with its elements unchanged.
    pub fn encode(&self, out: &mut BytesMut) {
        let start = begin_compound(out);
        out.put_slice(self.body);
        end_list(out, start, self.count);
    }
}

/// A map as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map<'a> {
    count: u32,
    body: &'a [u8],
}

impl<'a> Map<'a> {
    pub(super) fn new(count: u32, body: &'a [u8]) -> Result<Self> {
        check_count(count, body)?;
        if !count.is_multiple_of(2) {
            return Err(DecodeError::ElementCount);
        }
        Ok(Self { count, body })
    }

    /// Makes a map of pairs that are encoded already; `count` counts keys and values.
    ///
    /// # Errors
    /// [`DecodeError::ElementCount`] for an odd count, or one that the bytes cannot hold.
    pub fn from_encoded(count: u32, body: &'a [u8]) -> Result<Self> {
        Self::new(count, body)
    }

    /// Number of elements: keys and values.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The encoded pairs.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Walks keys and values in turn.
    #[must_use]
    pub const fn items(&self) -> Items<'a> {
        Items { reader: Reader::new(self.body), left: self.count, constructor: None }
    }

    /// Walks the pairs; ends after the first malformed one.
    pub fn pairs(&self) -> impl Iterator<Item = Result<(Value<'a>, Value<'a>)>> + Clone + use<'a> {
        let (mut reader, mut left) = (Reader::new(self.body), self.count);
        core::iter::from_fn(move || {
            left = left.checked_sub(2)?;
            let pair = reader.value().and_then(|key| Ok((key, reader.value()?)));
            if pair.is_err() {
                left = 0;
            }
            Some(pair)
        })
    }

    /// The value of the first pair whose key is this text, as string or symbol; malformed pairs end
    /// the search.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        self.pairs().map_while(Result::ok).find(|(k, _)| k.as_text() == Some(key)).map(|(_, v)| v)
    }

    /// Appends the map with its pairs unchanged.
    pub fn encode(&self, out: &mut BytesMut) {
        let start = begin_compound(out);
        out.put_slice(self.body);
        end_map(out, start, self.count);
    }
}

/// An array as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    count: u32,
    constructor: u8,
    body: &'a [u8],
}

impl<'a> Array<'a> {
    /// `reader` stands before the constructor of the elements.
    pub(super) fn new(count: u32, mut reader: Reader<'a>) -> Result<Self> {
        if count == 0 && reader.is_empty() {
            return Ok(Self { count, constructor: ctor::NULL, body: &[] });
        }
        let constructor = reader.element_constructor()?;
        let body = reader.rest();
        if constructor >> 4 != 4 {
            check_count(count, body)?;
        } else if count > u32::from(u8::MAX) {
            // Elements without bytes would let a few bytes claim billions of steps.
            return Err(DecodeError::ElementCount);
        }
        Ok(Self { count, constructor, body })
    }

    /// Walks the elements, without the descriptor that they may share.
    #[must_use]
    pub const fn iter(&self) -> Items<'a> {
        let constructor = Some(self.constructor);
        Items { reader: Reader::new(self.body), left: self.count, constructor }
    }

    /// Appends the array with its elements unchanged, without the descriptor that they may share.
    pub fn encode(&self, out: &mut BytesMut) {
        write_array(out, self.constructor, self.count, |out| out.put_slice(self.body));
    }
}

/// Every element takes at least a byte, so a count is bounded by the bytes that are really there.
fn check_count(count: u32, body: &[u8]) -> Result<()> {
    let fits = usize::try_from(count).is_ok_and(|count| count <= body.len());
    if fits { Ok(()) } else { Err(DecodeError::ElementCount) }
}
