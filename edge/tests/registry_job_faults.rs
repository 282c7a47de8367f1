//! Jobs with storage that is not what it should be: a TLS server that answers anything, or nothing,
//! and accounts that are full.
//!
//! Goal: the job fails in bounded time and says what and where, without the signature; the hub goes
//! on as if nothing had happened.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::address::Loopback;
use support::azurite_account::AzuriteAccount;
use support::hostile_account::{Hostile, PORT, SECRET, status};
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::registry_job::{create, ended, export_to, hub_with, import_from, show};
use support::rest::Device;
use support::storage_account::StorageAccount;

#[track_caller]
fn failure(hub: &Hub, request: &Value) -> String {
    let job = ended(hub, &create(hub, request), |_| {});
    assert_eq!(job["status"], "failed", "{job}");
    assert!(!job.to_string().contains(SECRET), "{job}");
    assert!(!hub.log().contains(SECRET), "the log must not show signatures");
    job["failureReason"].as_str().expect("a failed job says why").to_owned()
}

#[track_caller]
fn assert_says(reason: &str, parts: &[&str]) {
    for part in parts {
        assert!(reason.contains(part), "{part} is missing in: {reason}");
    }
}

#[test]
fn an_account_that_refuses_fails_the_job_at_once() {
    let server = Hostile::start("refuses", |_, _| status("403 Forbidden", "AuthenticationFailed"));
    let mut hub = hub_with(&server.account, "5s");
    Device::create(&hub, "a");
    let reason = failure(&hub, &export_to(&server.container()));
    assert_says(
        &reason,
        &["cannot write https://", "/c/devices.txt: ", "403 AuthenticationFailed", "expired"],
    );
    assert_eq!(server.requests(), 1, "it is not asked again");
    let reason = failure(&hub, &import_from(&server.container()));
    assert_says(&reason, &["cannot read https://", "/c/devices.txt: "]);
    hub.assert_sound();
}

#[test]
fn an_account_that_is_full_or_busy_is_asked_again_and_then_given_up() {
    let server = Hostile::start("busy", |n, _| match n % 3 {
        0 => status("503 Server Busy", "ServerBusy"),
        1 => status("409 Conflict", "AccountBeingCreated"),
        _ => status("500 Internal Server Error", "InternalError"),
    });
    let mut hub = hub_with(&server.account, "5s");
    Device::create(&hub, "a");
    let reason = failure(&hub, &export_to(&server.container()));
    assert_says(&reason, &["500 InternalError", "tried 6 times"]);
    assert_eq!(server.requests(), 6);
    hub.assert_sound();
}

#[test]
fn answers_that_are_cut_off_or_no_answers_are_no_blobs() {
    let server = Hostile::start("cut", |_, head| {
        if head.starts_with("HEAD") {
            return Some(
                b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 1000\r\n\r\n".to_vec(),
            );
        }
        if head.starts_with("PUT") {
            return Some(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_vec());
        }
        let text =
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 1000\r\n\r\n{\"id\":\"half\"}\nCUT";
        Some(text.as_bytes().to_vec())
    });
    let hub = hub_with(&server.account, "5s");
    let reason = failure(&hub, &import_from(&server.container()));
    assert_says(&reason, &["cannot read", "tried 6 times"]);
    let server =
        Hostile::start("noise", |_, _| Some(b"\x00\x01 this is no HTTP\r\n\r\nCUT".to_vec()));
    let mut hub = hub_with(&server.account, "5s");
    Device::create(&hub, "a");
    failure(&hub, &export_to(&server.container()));
    hub.assert_sound();
}

/// Goal: a silent account costs nobody but its job anything: the hub answers meanwhile, and ends in
/// order although the job waits.
#[test]
fn a_silent_account_is_waited_for_by_its_job_alone() {
    let server = Hostile::start("silent", |_, _| None);
    let mut hub = hub_with(&server.account, "2s");
    Device::create(&hub, "a");
    let reason = failure(&hub, &export_to(&server.container()));
    assert_says(&reason, &["does not answer in time", "tried 6 times"]);
    let id = create(&hub, &import_from(&server.container()));
    Device::create(&hub, "b");
    hub.terminate();
    hub.reap();
    hub.launch();
    assert!(matches!(show(&hub, &id)["status"].as_str(), Some("enqueued" | "running")));
    hub.assert_sound();
}

#[test]
fn accounts_that_are_not_there_or_not_trusted_are_said_to_be() {
    let server = Hostile::start("trusted", |_, _| status("200 OK", ""));
    let other = Hostile::start("another", |_, _| status("200 OK", ""));
    let hub = hub_with(&server.account, "2s");
    Device::create(&hub, "a");
    let reason = failure(&hub, &export_to(&other.container()));
    assert_says(&reason, &["does not prove itself over TLS", "storage.ca_file"]);
    let nowhere = format!("https://{}:{PORT}/account/c?sig={SECRET}", Loopback::claim().host());
    let reason = failure(&hub, &export_to(&nowhere));
    assert_says(&reason, &["tried 6 times"]);
    let unknown = format!("https://no-such-account.invalid/c?sig={SECRET}");
    let reason = failure(&hub, &export_to(&unknown));
    assert_says(&reason, &["https://no-such-account.invalid/c/devices.txt", "tried 6 times"]);
}

/// Goal: rights that are missing or have run out are told apart from anything else by the account,
/// and lead to a failure that says so.
#[test]
fn a_signature_without_rights_or_past_its_time_is_refused_by_a_real_account() {
    let Some(azurite) = AzuriteAccount::start() else { return };
    let account = &azurite.account;
    let hub = hub_with(account, "1min");
    Device::create(&hub, "a");
    let container = account.container("rights");
    let read_only = account.container_uri("rights", "r", Duration::from_secs(3600));
    let reason = failure(&hub, &export_to(&read_only));
    assert_says(&reason, &["403", "create and write"]);
    account.put(&container, "devices.txt", br#"{"id":"b"}"#);
    let request = json!({ "type": "import", "inputBlobContainerUri": container,
        "outputBlobContainerUri": read_only });
    assert_says(&failure(&hub, &request), &["cannot write", "importErrors.log", "403"]);
    let (status, _) = support::rest::exchange(&hub, "GET", "/devices/b", "").expect("it answers");
    assert_eq!(status, 404, "nothing is imported where the errors cannot be written");
    let expired = account.container_uri("rights", "rcw", Duration::ZERO);
    assert_says(&failure(&hub, &import_from(&expired)), &["403"]);
    let none = account.container_uri("nothing", "rcw", Duration::from_secs(3600));
    assert_says(&failure(&hub, &export_to(&none)), &["404 ContainerNotFound"]);
}

/// Goal: a hub whose own account is full says so, and what is there stays as it was.
#[test]
fn an_account_of_the_hub_that_is_full_fails_the_job_and_keeps_what_it_has() {
    let config = format!("{SMALL_SEGMENTS}\n[file_upload]\nquota = \"1MiB\"\n");
    let mut hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    Device::create(&hub, "a");
    let account = StorageAccount::of(&hub);
    let container = account.container("fleet");
    account.put(&container, "devices.txt", &[b'x'; 1_048_500]);
    let reason = failure(&hub, &export_to(&container));
    assert_says(&reason, &["413 RequestBodyTooLarge", "file_upload.quota"]);
    assert_eq!(account.get(&container, "devices.txt").map(|blob| blob.len()), Some(1_048_500));
    hub.assert_sound();
}
