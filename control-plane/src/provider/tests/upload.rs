//! File upload in the description of a hub.

use super::changing::{GROUP, minimal, start};
use super::*;
use crate::file_upload::{FileUpload, UploadStorage};
use std::time::Duration;

const STRING: &str = "AccountName=acc;AccountKey=c2VjcmV0;EndpointSuffix=example.net";

fn with(properties: Value) -> Value {
    let mut body = minimal();
    body["properties"] = properties;
    body
}

fn endpoint(endpoint: Value) -> Value {
    with(json!({ "storageEndpoints": { "$default": endpoint } }))
}

#[test]
fn an_account_takes_the_files_and_its_key_is_not_shown() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let path = format!("{GROUP}/plant-2");
    let body = with(json!({
        "storageEndpoints": { "$default": {
            "connectionString": STRING, "containerName": "files", "sasTtlAsIso8601": "PT2H",
        } },
        "messagingEndpoints": { "fileNotifications": { "ttlAsIso8601": "PT5M" } },
        "enableFileUploadNotifications": false,
    }));
    let made = administrator.put(&path, None, &body);
    assert_eq!(made.status, 201, "{:?}", made.body);
    let made = crate::api::tests::body(&made);
    let properties = &made["properties"];
    let shown = json!({ "$default": {
        "connectionString": "AccountName=acc;AccountKey=****;EndpointSuffix=example.net",
        "containerName": "files",
        "sasTtlAsIso8601": "PT2H",
        "authenticationType": "keyBased",
    } });
    assert_eq!(properties["storageEndpoints"], shown);
    let notifications = json!({ "fileNotifications": {
        "ttlAsIso8601": "PT5M", "lockDurationAsIso8601": "PT1M", "maxDeliveryCount": 10,
    } });
    assert_eq!(properties["messagingEndpoints"], notifications);
    assert_eq!(properties["enableFileUploadNotifications"], false);
    let hub = || control.directory().hub_by_host("plant-2.example.net").expect("it is there");
    let files = hub().file_upload();
    let UploadStorage::Account(account) = &files.storage else { panic!("{files:?}") };
    assert_eq!((account.host(), account.key()), ("acc.blob.example.net", &b"secret"[..]));
    assert_eq!((files.container.as_str(), files.notifies), ("files", false));
    assert_eq!(files.address_ttl, Duration::from_hours(2));
    assert_eq!(files.notifications.ttl, Duration::from_mins(5));

    let again = good(&administrator.put(&path, None, &made));
    assert_eq!(again["properties"], made["properties"], "what was read is sent back");
    assert_eq!(hub().file_upload(), files, "the key behind the mask stays");
    control.shutdown();

    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let hub = control.directory().hub_by_host("plant-2.example.net").expect("it is there");
    assert_eq!(hub.file_upload(), files, "it survives");
    let bare = good(&administrator.put(&path, None, &minimal()));
    let shown = &bare["properties"]["storageEndpoints"]["$default"];
    assert_eq!((&shown["connectionString"], &shown["containerName"]), (&json!(""), &json!("")));
    assert_eq!(bare["properties"]["enableFileUploadNotifications"], true);
    assert_eq!(*hub.file_upload(), FileUpload::default(), "files go to the hub's own account");
    control.shutdown();
}

#[test]
fn what_no_file_can_be_sent_to_is_refused_by_its_member() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let path = format!("{GROUP}/plant");
    for (body, said) in [
        (
            endpoint(json!({ "connectionString": STRING })),
            "needs both connectionString and containerName",
        ),
        (
            endpoint(json!({ "connectionString": "x", "containerName": "files" })),
            "connectionString: a connection string of a storage account has parts",
        ),
        (
            endpoint(json!({
                "connectionString": "AccountName=a;AccountKey=****", "containerName": "files",
            })),
            "connectionString: AccountKey is not base64",
        ),
        (
            endpoint(json!({ "connectionString": STRING, "containerName": "Files" })),
            "containerName: ",
        ),
        (
            endpoint(json!({ "authenticationType": "identityBased" })),
            "'identityBased' must be keyBased here",
        ),
        (
            endpoint(json!({ "sasTtlAsIso8601": "P2D" })),
            "'P2D' must be a span of time from PT1M to P1D",
        ),
        (
            with(json!({ "storageEndpoints": { "other": {} } })),
            "storageEndpoints: can have $default and nothing else",
        ),
        (
            with(
                json!({ "messagingEndpoints": { "fileNotifications": { "maxDeliveryCount": 0 } } }),
            ),
            "maxDeliveryCount must be a whole number from 1 to 100",
        ),
        (
            with(json!({ "enableFileUploadNotifications": "perhaps" })),
            "enableFileUploadNotifications must be true or false",
        ),
    ] {
        let (status, _, text) = refusal(&administrator.put(&path, None, &body));
        assert!(status == 400 && text.contains(said), "{said}: {status} {text}");
        assert!(!text.contains("c2VjcmV0"), "{text}");
    }
    control.shutdown();
}
