//! What can be wrong with bytes.

/// Why bytes are not a frame, a performative or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A value goes on past the end of what contains it.
    #[error("a value goes on past the end of its container")]
    UnexpectedEnd,
    /// A constructor byte that AMQP 1.0 does not define.
    #[error("unknown constructor {0:#04x}")]
    UnknownConstructor(u8),
    /// A string or symbol that is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// A symbol that is not ASCII.
    #[error("a symbol is not ASCII")]
    NotAscii,
    /// Values nested deeper than [`AMQP_NESTING_MAX`](crate::limits::AMQP_NESTING_MAX).
    #[error("values are nested too deeply")]
    TooDeep,
    /// More elements are claimed than the bytes can hold, or a map has an odd number of them.
    #[error("an element count does not fit its bytes")]
    ElementCount,
    /// A field holds a value of another type than its definition says.
    #[error("a field holds a value of the wrong type")]
    WrongType,
    /// A mandatory field is null or missing.
    #[error("the mandatory field {0} is missing")]
    MissingField(&'static str),
    /// A field holds a value out of its range.
    #[error("the field {0} is out of range")]
    OutOfRange(&'static str),
    /// A descriptor that has no meaning at its place.
    #[error("unexpected descriptor {0:#x}")]
    UnknownDescriptor(u64),
    /// A frame smaller than its header, or larger than the receiver permits.
    #[error("a frame of {0} bytes is out of bounds")]
    FrameSize(u32),
    /// A data offset below two or past the end of the frame.
    #[error("a data offset of {0} words is out of bounds")]
    DataOffset(u8),
    /// A frame type other than AMQP and SASL.
    #[error("unknown frame type {0}")]
    FrameType(u8),
}
