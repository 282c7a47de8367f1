//! Uploads to a storage account elsewhere that is not what it should be: it refuses, is full, says
//! nothing or is not there.
//!
//! Goal: whoever says that a file is there hears within bounded time that it cannot be found, and
//! why, without a signature; nobody else waits; the upload stays open, so that it can be tried
//! again.

mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::address::Loopback;
use support::hostile_account::{Hostile, SECRET, status};
use support::http::{HttpConnection, Response};
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::rest::Device;
use support::storage_account::StorageAccount;
use support::upload::Upload;

/// A hub whose uploads go to this account, and a device of it.
fn start(account: &StorageAccount) -> (Hub, HttpDevice) {
    let file = account.ca.with_extension("connection-string");
    fs::write(&file, account.connection_string()).expect("the folder is writable");
    let config = format!(
        "{SMALL_SEGMENTS}\n[file_upload]\nstorage = \"account\"\naccount_file = {file:?}\n\
         account_ca_file = {:?}\n",
        account.ca
    );
    let hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    let device = Device::create(&hub, "pump");
    let device = HttpDevice::open(&hub, &device).expect("the hub listens");
    (hub, device)
}

/// An upload that nobody can find: its address is given, and its end refused with all of `parts`.
#[track_caller]
fn assert_not_found(hub: &mut Hub, device: &mut HttpDevice, parts: &[&str]) {
    let upload = Upload::start(device, "a");
    let refused: Response = upload.finish(device, true);
    assert_eq!(refused.status, 400, "{}", refused.body);
    for part in [&["InvalidStorageEndpointOrBlob"], parts].concat() {
        assert!(refused.body.contains(part), "{part} is missing in: {}", refused.body);
    }
    for text in [&refused.body, &hub.log()] {
        assert!(!text.contains(SECRET) && !text.contains("sig="), "{text}");
    }
    assert_eq!(upload.finish(device, false).status, 204, "it is still open");
    hub.assert_sound();
}

#[test]
fn an_account_that_refuses_is_told_to_the_device() {
    let account = Hostile::start("forbids", |_, _| status("403 Forbidden", "AuthenticationFailed"));
    let (mut hub, mut device) = start(&account.account);
    assert_not_found(&mut hub, &mut device, &["403 AuthenticationFailed"]);
}

#[test]
fn an_account_that_is_full_or_busy_is_told_to_the_device() {
    let account = Hostile::start("full", |_, head| match head.starts_with("PUT") {
        true => status("409 Conflict", "ContainerAlreadyExists"),
        false => status("503 Server Busy", "ServerBusy"),
    });
    let (mut hub, mut device) = start(&account.account);
    assert_not_found(&mut hub, &mut device, &["503 ServerBusy"]);
}

#[test]
fn an_account_that_is_not_there_is_told_to_the_device() {
    let account = Hostile::start("gone", |_, _| status("200 OK", ""));
    let nowhere = format!("https://{}:10443/account", Loopback::claim().host());
    let account = StorageAccount { endpoint: nowhere, ..account.account.clone() };
    let (mut hub, mut device) = start(&account);
    assert_not_found(&mut hub, &mut device, &["cannot be called"]);
}

/// Goal: an account that never answers holds up whoever waits for it, for a bounded time, and
/// nobody else: the registry answers as before.
#[test]
fn an_account_that_says_nothing_is_waited_for_by_its_device_alone() {
    let account = Hostile::start("mute", |_, _| None);
    let (mut hub, mut device) = start(&account.account);
    let is_over = AtomicBool::new(false);
    let answered = thread::scope(|scope| {
        let registry = scope.spawn(|| {
            let mut owner = HttpConnection::open(&hub).expect("the hub listens");
            let mut answered = 0;
            while !is_over.load(Ordering::SeqCst) {
                let answer = owner.exchange("GET", "/devices/pump", "", "");
                assert_eq!(answer.expect("the hub answers").status, 200);
                answered += 1;
            }
            answered
        });
        let upload = Upload::start(&mut device, "a");
        assert_eq!(upload.finish(&mut device, true).status, 400);
        is_over.store(true, Ordering::SeqCst);
        registry.join().expect("the registry answers")
    });
    assert!(answered > 0);
    assert!(account.requests() >= 1);
    hub.assert_sound();
}
