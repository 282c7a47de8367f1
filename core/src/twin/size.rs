//! How much sections and patches hold.

use core::ops::{Add, AddAssign};

use super::patch_value::{PatchMembers, PatchValue};

/// How much a section holds. No patch has four gigabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes as limits count them: names, texts without control characters, 8 for a number, 4 for
    /// a boolean.
    ///
    /// Source: control-plane reference, "Limits" of twins.
    pub(super) counted: u32,
    /// The same with what limits leave out: control characters, and 4 for each value, so that
    /// nothing is free.
    pub(super) held: u32,
}

impl Size {
    /// Of an object without its members.
    pub(super) const OBJECT: Self = Self { counted: 0, held: 4 };

    pub(super) fn of_name(name: &str) -> Self {
        let bytes = name.len() as u32;
        Self { counted: bytes, held: bytes }
    }

    pub(super) fn of_members(members: &PatchMembers<'_>) -> Self {
        let of_member = |(name, value)| Self::of_name(name) + Self::of_value(value);
        members.iter().map(of_member).fold(Self::default(), Self::add)
    }

    pub(super) fn of_value(value: &PatchValue<'_>) -> Self {
        let own = |counted, held| Self { counted, held: 4 + held };
        match value {
            PatchValue::Null => own(0, 0),
            PatchValue::Bool(_) => own(4, 4),
            PatchValue::Number(_) => own(8, 8),
            PatchValue::Text(text) => {
                own((text.len() - control_bytes(text)) as u32, text.len() as u32)
            }
            PatchValue::Array(items) => items.iter().map(Self::of_value).fold(own(0, 0), Self::add),
            PatchValue::Object(members) => Self::OBJECT + Self::of_members(members),
        }
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let [counted, held] = [(self.counted, other.counted), (self.held, other.held)]
            .map(|(one, other)| one.saturating_add(other));
        Self { counted, held }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Bytes of the control characters of a text.
fn control_bytes(text: &str) -> usize {
    if text.is_ascii() {
        return text.bytes().map(|byte| usize::from(byte.is_ascii_control())).sum();
    }
    text.chars().filter(|c| c.is_control()).map(char::len_utf8).sum()
}
