//! Honest answers for what the hub does not do yet.

use ringhub_core::time::UnixMillis;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Body of a twin reply that says that twins are not there, in the shape that SDKs show to their
/// users.
///
/// Source: device-endpoints reference, "Twins"; control-plane reference, "Full error-code table".
pub(super) fn twin_error_body(wall: UnixMillis) -> String {
    let nanos = i128::from(wall.as_millis()) * 1_000_000;
    let time =
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let time = time.format(&Rfc3339).unwrap_or_default();
    let message = "This hub does not keep device twins yet.";
    format!(
        r#"{{"errorCode":404013,"trackingId":"","message":"{message}","timestampUtc":"{time}"}}"#
    )
}
