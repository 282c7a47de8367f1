//! What became of a message, and whether its sender wants to know.

/// How a message ended.
///
/// Source: device-endpoints reference, "Feedback".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device completed it.
    Success,
    /// Its time ran out.
    Expired,
    /// It was abandoned too often.
    DeliveryCountExceeded,
    /// The device rejected it.
    Rejected,
    /// A back end emptied the queue.
    Purged,
}

impl Outcome {
    const ALL: [Self; 5] =
        [Self::Success, Self::Expired, Self::DeliveryCountExceeded, Self::Rejected, Self::Purged];

    /// The word for it in feedback.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Expired => "Expired",
            Self::DeliveryCountExceeded => "DeliveryCountExceeded",
            Self::Rejected => "Rejected",
            Self::Purged => "Purged",
        }
    }

    /// The number for it in some interfaces, and in the store.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The outcome of a number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Name of the property that asks for feedback.
pub(super) const ACK: &str = "iothub-ack";

/// Of which outcomes the sender of a message wants feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckLevel {
    /// Of none.
    #[default]
    None,
    /// When the device completed the message.
    Positive,
    /// When the message ended otherwise.
    Negative,
    /// Always.
    Full,
}

impl AckLevel {
    const ALL: [Self; 4] = [Self::None, Self::Positive, Self::Negative, Self::Full];

    /// Reads the property `iothub-ack`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text))
    }

    /// The value of the property `iothub-ack`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Full => "full",
        }
    }

    /// Whether `outcome` makes a feedback record.
    #[must_use]
    pub fn wants(self, outcome: Outcome) -> bool {
        match self {
            Self::None => false,
            Self::Positive => outcome == Outcome::Success,
            Self::Negative => outcome != Outcome::Success,
            Self::Full => true,
        }
    }

    /// The number for it in the store.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The level of a number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_want_what_the_reference_says() {
        for (level, expected) in [
            ("none", [false; 5]),
            ("Positive", [true, false, false, false, false]),
            ("NEGATIVE", [false, true, true, true, true]),
            ("full", [true; 5]),
        ] {
            let level = AckLevel::parse(level).unwrap();
            assert_eq!(Outcome::ALL.map(|outcome| level.wants(outcome)), expected, "{level:?}");
        }
        assert_eq!(AckLevel::parse("all"), None);
    }

    #[test]
    fn numbers_come_back() {
        for level in AckLevel::ALL {
            assert_eq!(AckLevel::from_code(level.code()), Some(level));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
        }
        assert_eq!((AckLevel::from_code(4), Outcome::from_code(5)), (None, None));
    }
}
