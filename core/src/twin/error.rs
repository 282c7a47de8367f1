//! Why a twin does not change.

use core::fmt;

use crate::limits::{
    TWIN_DEPTH_MAX, TWIN_INTEGER_MAX, TWIN_INTEGER_MIN, TWIN_KEY_BYTES_MAX, TWIN_STRING_BYTES_MAX,
};

/// Characters of a name that an error shows; the rest of a longer one is left out.
const SHOWN_CHARS_MAX: usize = 64;

/// What is wrong with a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwinProblem {
    /// The bytes are not JSON.
    #[error("is not JSON, or nested far too deep")]
    NotJson,
    /// Something else stands where an object must.
    #[error("must be an object")]
    NotAnObject,
    /// An object or array lies too deep.
    #[error("is nested deeper than {TWIN_DEPTH_MAX} levels")]
    TooDeep,
    /// The name is empty or too long.
    #[error("a name must have 1 to {TWIN_KEY_BYTES_MAX} bytes")]
    KeyLength,
    /// The name has a character that names may not have.
    #[error("a name must not have control characters, white space, '.', '$' or '#'")]
    KeyCharacter,
    /// The text is too long.
    #[error("a string must have at most {TWIN_STRING_BYTES_MAX} bytes")]
    StringLength,
    /// A whole number is too large or too small.
    #[error("a whole number must lie between {TWIN_INTEGER_MIN} and {TWIN_INTEGER_MAX}")]
    NumberRange,
    /// `null` stands in an array, where it can delete nothing.
    #[error("null must not stand within an array")]
    NullInArray,
    /// `null` stands in content that takes the place of all.
    #[error("Value of Property or Tag cannot be null")]
    Null,
    /// The section would have more bytes than it may.
    #[error("must have at most {0} bytes")]
    SectionSize(usize),
}

/// A refusal that names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TwinError {
    problem: TwinProblem,
    /// Names from the problem outwards.
    path: Vec<String>,
}

impl TwinError {
    pub(super) const fn new(problem: TwinProblem) -> Self {
        Self { problem, path: Vec::new() }
    }

    /// Says that the problem lies in the member `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        self.path.push(name.chars().take(SHOWN_CHARS_MAX).collect());
        self
    }

    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> TwinProblem {
        self.problem
    }

    /// Where, with dots between names: `properties.desired.fan.speed`.
    #[must_use]
    pub fn path(&self) -> String {
        let names: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        names.join(".")
    }
}

impl fmt::Display for TwinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.problem, self.path.first()) {
            // In the words of the real service, which tools look for.
            (TwinProblem::Null, Some(name)) => {
                write!(f, "{}. Error in Property/Tag {name}", self.problem)
            }
            _ => write!(f, "{}: {}", self.path(), self.problem),
        }
    }
}
