//! What an operation uses of the quotas of its hub.

use ringhub_core::quota::OperationClass;

/// What is used before an operation happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) class: OperationClass,
    /// Of the rate of the class.
    pub(crate) units: u64,
    /// Of the day.
    pub(crate) messages: u64,
}

impl Cost {
    /// One operation that the day is charged `messages` for.
    pub(crate) const fn one(class: OperationClass, messages: u64) -> Self {
        Self { class, units: 1, messages }
    }
}

/// What the answer to an operation uses, which is known only when it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerCost {
    Nothing,
    /// A message for each step of its size, the first of which is paid for.
    Rest,
    /// A message for each step of its size.
    Whole,
}
