//! Times as they stand in signatures.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::SignatureRefused;
use crate::time::UnixMillis;

/// The seconds of a time as signatures have it, in UTC.
///
/// `None` beyond the year 9999.
#[must_use]
pub fn storage_time(time: UnixMillis) -> Option<String> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(time.as_secs()).ok()?.format(format).ok()
}

/// Reads a time in one of the forms of the service: a date, one with hours and minutes, or one with
/// seconds as well.
pub(super) fn parse(text: &str, field: &'static str) -> Result<UnixMillis, SignatureRefused> {
    let date = format_description!("[year]-[month]-[day]");
    let minutes = format_description!("[year]-[month]-[day]T[hour]:[minute]Z");
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| PrimitiveDateTime::parse(text, minutes).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| Date::parse(text, date).map(|date| date.midnight().assume_utc()))
        .map_err(|_| SignatureRefused::Malformed(field))?;
    let millis = i64::try_from(time.unix_timestamp_nanos() / 1_000_000);
    Ok(UnixMillis::from_millis(millis.map_err(|_| SignatureRefused::Malformed(field))?))
}

/// Checks the time of a signature: `start` may be missing.
pub(super) fn check(start: &str, expiry: &str, now: UnixMillis) -> Result<(), SignatureRefused> {
    if !start.is_empty() && now < parse(start, "st")? {
        return Err(SignatureRefused::NotYet);
    }
    if now >= parse(expiry, "se")? { Err(SignatureRefused::Expired) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_read() {
        let at = |secs: i64| Ok(UnixMillis::from_millis(secs * 1000));
        assert_eq!(parse("2026-11-23", "se"), at(1_795_392_000));
        assert_eq!(parse("2026-11-23T01:10Z", "se"), at(1_795_396_200));
        assert_eq!(parse("2026-11-23T01:10:07Z", "se"), at(1_795_396_207));
        assert_eq!(
            parse("2026-11-23T01:10:07.5Z", "se").map(UnixMillis::as_secs),
            Ok(1_795_396_207)
        );
        for bad in ["", "tomorrow", "2026-13-01", "2026-11-23T01:10"] {
            assert_eq!(parse(bad, "se"), Err(SignatureRefused::Malformed("se")), "{bad}");
        }
        let written = storage_time(UnixMillis::from_millis(1_795_396_207_999));
        assert_eq!(written.as_deref(), Some("2026-11-23T01:10:07Z"));
    }
}
