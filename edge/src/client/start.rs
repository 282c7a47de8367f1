//! From where on events are read.

use bytes::BytesMut;
use ringhub_core::codec::amqp::performative::{SELECTOR_FILTER, Source};
use ringhub_core::codec::amqp::primitive::{Map, write_str, write_symbol};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The place in a partition at which a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// What arrives from now on.
    Latest,
    /// The oldest event that is retained.
    Earliest,
    /// The first event that was enqueued at this time or after it, in milliseconds since 1970.
    EnqueuedAt(i64),
}

impl Start {
    /// The selector of a receiving link.
    ///
    /// Source: service-endpoints reference, "Start position: the selector filter".
    #[must_use]
    pub fn selector(self) -> String {
        match self {
            Self::Latest => "amqp.annotation.x-opt-offset > '@latest'".to_owned(),
            Self::Earliest => "amqp.annotation.x-opt-offset > '-1'".to_owned(),
            Self::EnqueuedAt(millis) => {
                format!("amqp.annotation.x-opt-enqueued-time >= '{millis}'")
            }
        }
    }
}

/// Reads a time: milliseconds since 1970, or as RFC 3339 has it.
///
/// # Errors
/// What is not right, as the end of a sentence.
pub fn parse_enqueued_time(text: &str) -> Result<i64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "is neither milliseconds since 1970 nor like 2026-11-23T06:00:00Z")?;
    Ok(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

/// The source of a receiving link, with a selector if there is one; `pairs` holds its bytes.
pub fn source<'a>(address: &'a str, selector: Option<&str>, pairs: &'a mut BytesMut) -> Source<'a> {
    let filter = selector.and_then(|selector| {
        write_symbol(pairs, SELECTOR_FILTER);
        write_str(pairs, selector);
        Map::from_encoded(2, pairs).ok()
    });
    Source { filter, ..Source::new(address) }
}

#[cfg(test)]
mod tests {
    use ringhub_core::reader::Selector;

    use super::*;

    #[test]
    fn times_are_taken_in_both_forms() {
        assert_eq!(parse_enqueued_time("0"), Ok(0));
        assert_eq!(parse_enqueued_time("1970-01-01T00:00:01.5Z"), Ok(1500));
        assert!(parse_enqueued_time("yesterday").unwrap_err().contains("2026-11-23T06:00:00Z"));
    }

    #[test]
    fn the_hub_understands_the_selectors() {
        for start in [Start::Latest, Start::Earliest, Start::EnqueuedAt(5)] {
            let text = start.selector();
            assert!(Selector::parse(&text).is_ok(), "{text}");
        }
    }
}
