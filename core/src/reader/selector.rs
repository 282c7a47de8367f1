//! Where a reader starts.

use crate::position::{EnqueuedTime, Offset, SequenceNumber};
use crate::time::UnixMillis;

/// Whether the named event itself is part of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `>=`
    Inclusive,
    /// `>`
    Exclusive,
}

/// A start position.
///
/// Source: service-endpoints reference, "Start position: the selector filter".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// From the oldest retained event on.
    Earliest,
    /// Only events that are enqueued after the reader was opened.
    Latest,
    /// From an offset on.
    Offset(Offset, Bound),
    /// From a sequence number on.
    SequenceNumber(SequenceNumber, Bound),
    /// From the first event on that was enqueued at or after a time.
    EnqueuedTime(EnqueuedTime, Bound),
}

/// A selector filter that says no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the selector is not of the form amqp.annotation.<field> > '<value>'")]
pub struct InvalidSelector;

impl Selector {
    /// Reads the text of a selector filter: `amqp.annotation.<field> > '<value>'`, or `>=`, quoted
    /// or not.
    ///
    /// # Errors
    /// [`InvalidSelector`] for an unknown field or operator, or a value that is no number where one
    /// is due.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let expression = text.trim().strip_prefix("amqp.annotation.").ok_or(InvalidSelector)?;
        let (field, comparison) = expression.split_once('>').ok_or(InvalidSelector)?;
        let (bound, value) = match comparison.strip_prefix('=') {
            Some(value) => (Bound::Inclusive, value),
            None => (Bound::Exclusive, comparison),
        };
        let value = unquoted(value.trim())?;
        match field.trim() {
            "x-opt-offset" => Self::by_offset(value, bound),
            "x-opt-sequence-number" => Self::by_sequence_number(value, bound),
            "x-opt-enqueued-time" | "x-opt-enqueuedtimeutc" => {
                let time = UnixMillis::from_millis(number(value)?);
                Ok(Self::EnqueuedTime(EnqueuedTime(time), bound))
            }
            _ => Err(InvalidSelector),
        }
    }

    fn by_offset(value: &str, bound: Bound) -> Result<Self, InvalidSelector> {
        match value {
            "-1" => Ok(Self::Earliest),
            "@latest" => Ok(Self::Latest),
            digits => Ok(Self::Offset(Offset(number(digits)?), bound)),
        }
    }

    fn by_sequence_number(value: &str, bound: Bound) -> Result<Self, InvalidSelector> {
        match value {
            "-1" => Ok(Self::Earliest),
            digits => Ok(Self::SequenceNumber(SequenceNumber(number(digits)?), bound)),
        }
    }
}

fn unquoted(value: &str) -> Result<&str, InvalidSelector> {
    match value.strip_prefix('\'') {
        Some(rest) => rest.strip_suffix('\'').map(str::trim).ok_or(InvalidSelector),
        None => Ok(value),
    }
}

fn number<T: core::str::FromStr>(digits: &str) -> Result<T, InvalidSelector> {
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidSelector);
    }
    digits.parse().map_err(|_| InvalidSelector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_clients_send_is_read() {
        let offset = |n, bound| Selector::Offset(Offset(n), bound);
        let sequence = |n, bound| Selector::SequenceNumber(SequenceNumber(n), bound);
        let time =
            |n, bound| Selector::EnqueuedTime(EnqueuedTime(UnixMillis::from_millis(n)), bound);
        for (text, expected) in [
            ("amqp.annotation.x-opt-offset > '@latest'", Selector::Latest),
            ("amqp.annotation.x-opt-offset > '-1'", Selector::Earliest),
            ("amqp.annotation.x-opt-offset >= -1", Selector::Earliest),
            ("amqp.annotation.x-opt-offset >'12'", offset(12, Bound::Exclusive)),
            ("amqp.annotation.x-opt-offset >= '12'", offset(12, Bound::Inclusive)),
            ("  amqp.annotation.x-opt-sequence-number>7 ", sequence(7, Bound::Exclusive)),
            ("amqp.annotation.x-opt-sequence-number >= '7'", sequence(7, Bound::Inclusive)),
            ("amqp.annotation.x-opt-sequence-number > '-1'", Selector::Earliest),
            ("amqp.annotation.x-opt-enqueued-time > '1700'", time(1700, Bound::Exclusive)),
            ("amqp.annotation.x-opt-enqueuedtimeutc > 1700", time(1700, Bound::Exclusive)),
            ("amqp.annotation.x-opt-enqueued-time >= -5", time(-5, Bound::Inclusive)),
        ] {
            assert_eq!(Selector::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "x-opt-offset > '1'",
            "amqp.annotation.x-opt-offset = '1'",
            "amqp.annotation.x-opt-offset < '1'",
            "amqp.annotation.x-opt-offset > '1",
            "amqp.annotation.x-opt-offset > ''",
            "amqp.annotation.x-opt-offset > '+1'",
            "amqp.annotation.x-opt-offset > '-2'",
            "amqp.annotation.x-opt-offset > '99999999999999999999'",
            "amqp.annotation.x-opt-sequence-number > '@latest'",
            "amqp.annotation.x-opt-partition-key > 'a'",
            "amqp.annotation.x-opt-offset > '1' and true",
        ] {
            assert_eq!(Selector::parse(text), Err(InvalidSelector), "{text}");
        }
    }
}
