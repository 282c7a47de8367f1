//! Ids of uploads.
//!
//! ```text
//! base64url(<when it ends: yyyymmddhhmmss>_<32 hexadecimal digits>)
//! ```
//!
//! The time lets the hub tell an upload that has expired from one that never was, without
//! remembering it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringhub_core::time::UnixMillis;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::UploadError;
use crate::api::random_hex;

type Format = &'static [time::format_description::BorrowedFormatItem<'static>];

const FORMAT: Format = format_description!("[year][month][day][hour][minute][second]");
const TIME_CHARS: usize = 14;

/// Longest text that is looked at.
const CHARS_MAX: usize = 128;

/// Makes an id of an upload that ends at `expires`.
pub(super) fn new(expires: UnixMillis) -> String {
    let time = OffsetDateTime::from_unix_timestamp(expires.as_secs());
    let time = time.ok().and_then(|time| time.format(FORMAT).ok()).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{time}_{}", random_hex()))
}

/// Why an id that no upload has is refused.
pub(super) fn explain(id: &str, now: UnixMillis) -> UploadError {
    match expiry(id) {
        Some(at) if at <= now.as_secs() => UploadError::Expired,
        _ => UploadError::Unknown,
    }
}

fn expiry(id: &str) -> Option<i64> {
    let text = URL_SAFE_NO_PAD.decode(id.get(..id.len().min(CHARS_MAX))?).ok()?;
    let text = str::from_utf8(text.get(..TIME_CHARS)?).ok()?;
    let time = PrimitiveDateTime::parse(text, FORMAT).ok()?;
    Some(time.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_upload_has_ended() {
        let at = |secs: i64| UnixMillis::from_millis(secs * 1000);
        let id = new(at(1_800_000_000));
        assert!(id.starts_with("MjAy"), "{id}");
        assert_eq!(explain(&id, at(1_799_999_999)), UploadError::Unknown);
        assert_eq!(explain(&id, at(1_800_000_000)), UploadError::Expired);
        for foreign in ["", "x", "MjAy", "ööööö", &"A".repeat(500)] {
            assert_eq!(explain(foreign, at(1_800_000_000)), UploadError::Unknown, "{foreign}");
        }
    }
}
