//! A file notification as JSON, for AMQP and REST alike.
//!
//! Source: service-endpoints reference, "File-upload notifications".

use ringhub_core::c2d::FileNotification;
use ringhub_core::time::UnixMillis;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use super::feedback_json::time_text;

/// Content type of [`file_notification_json`].
pub(super) const FILE_NOTIFICATION_CONTENT_TYPE: &str =
    "application/vnd.microsoft.iothub.filenotification.json";

/// A file, as back ends read of it: one object, and no list.
pub(super) fn file_notification_json(file: &FileNotification) -> String {
    json!({
        "deviceId": file.device.as_str(),
        "blobUri": &*file.blob_uri,
        "blobName": &*file.blob_name,
        "lastUpdatedTime": offset_text(file.last_updated),
        "blobSizeInBytes": file.size,
        "enqueuedTimeUtc": time_text(file.enqueued),
    })
    .to_string()
}

/// Whole seconds, as the storage account knows them.
fn offset_text(time: UnixMillis) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+00:00");
    let time = OffsetDateTime::from_unix_timestamp(time.as_secs());
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ringhub_core::id::DeviceId;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_file_is_told_as_the_reference_shows_it() {
        let file = FileNotification {
            id: 1,
            device: DeviceId::parse("dev-1").expect("valid"),
            blob_uri: "https://acct.blob.core.windows.net/up/dev-1/a.bin".into(),
            blob_name: "dev-1/a.bin".into(),
            last_updated: UnixMillis::from_millis(1_900_000_000_123),
            size: 1234,
            enqueued: UnixMillis::from_millis(1_900_000_001_500),
        };
        let text: Value = serde_json::from_str(&file_notification_json(&file)).expect("JSON");
        assert_eq!(
            text,
            json!({
                "deviceId": "dev-1",
                "blobUri": "https://acct.blob.core.windows.net/up/dev-1/a.bin",
                "blobName": "dev-1/a.bin",
                "lastUpdatedTime": "2030-03-17T17:46:40+00:00",
                "blobSizeInBytes": 1234,
                "enqueuedTimeUtc": "2030-03-17T17:46:41.5000000Z",
            })
        );
    }
}
