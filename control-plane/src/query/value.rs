//! Values while a condition is evaluated.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::json_text;
use super::path::Path;
use super::syntax::{Comparison, Constant};
use crate::store::StoreError;

/// What conditions are asked of.
pub(super) trait Values {
    /// The value that a path leads to.
    fn value(&self, path: &Path) -> Result<Value<'_>, StoreError>;
}

/// A value that a document has, or an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'v> {
    /// Nothing is there, or what was asked has no answer.
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'v, str>),
    /// Its JSON.
    Array(Cow<'v, str>),
    Object(Cow<'v, str>),
    /// An array of the query.
    Constants(&'v [Constant]),
}

impl<'v> Value<'v> {
    /// Reads a value from its JSON.
    pub(super) fn from_json(json: Cow<'v, str>) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => match json {
                Cow::Borrowed(json) => json_text::text(json).map_or(Self::Undefined, Self::Text),
                Cow::Owned(json) => json_text::text(&json)
                    .map_or(Self::Undefined, |text| Self::Text(text.into_owned().into())),
            },
            Some(b'{') => Self::Object(json),
            Some(b'[') => Self::Array(json),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            _ => json.parse().map_or(Self::Undefined, Self::Number),
        }
    }

    /// A number, if it is one: what is too large for a double has no value.
    pub(super) fn number(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Undefined }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True or false; `None` for everything else.
    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(is_true) => Some(*is_true),
            _ => None,
        }
    }

    /// Adds a form in which equal values are the same bytes, and several can be told apart.
    pub(super) fn put_bytes(&self, out: &mut Vec<u8>) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Undefined | Self::Constants(_) => (b'u', b""),
            Self::Null => (b'n', b""),
            Self::Bool(false) => (b'b', b"f"),
            Self::Bool(true) => (b'b', b"t"),
            // The sum of both zeros is the positive one.
            Self::Number(number) => (b'#', &(number + 0.0).to_be_bytes()),
            Self::Text(text) => (b'"', text.as_bytes()),
            Self::Array(json) | Self::Object(json) => (b'{', json.as_bytes()),
        };
        out.push(kind);
        out.extend_from_slice(&bytes.len().to_be_bytes());
        out.extend_from_slice(bytes);
    }

    /// The order of two primitives of one type; `None` for anything else. Texts are ordered by the
    /// numbers of their characters, and false comes before true.
    ///
    /// Source: control-plane reference, "Grammar".
    pub(super) fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, Value::Null) => Some(Ordering::Equal),
            (Self::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
            (Self::Number(one), Value::Number(other)) => one.partial_cmp(other),
            (Self::Text(one), Value::Text(other)) => Some(one.as_ref().cmp(other.as_ref())),
            _ => None,
        }
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(found: Option<bool>) -> Self {
        found.map_or(Self::Undefined, Self::Bool)
    }
}

impl<'v> From<&'v Constant> for Value<'v> {
    fn from(constant: &'v Constant) -> Self {
        match constant {
            Constant::Undefined => Self::Undefined,
            Constant::Null => Self::Null,
            Constant::Bool(is_true) => Self::Bool(*is_true),
            Constant::Number(number) => Self::Number(*number),
            Constant::Text(text) => Self::Text(text.into()),
        }
    }
}

impl Comparison {
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}
