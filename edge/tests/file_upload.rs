//! File upload to the hub's own storage account, byte by byte: what devices may do, and what
//! becomes of those who break off, run out of time or room, or try tricks.

mod support;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::http::HttpConnection;
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::kill::kill_after;
use support::patience::eventually;
use support::prometheus::Page;
use support::rest::{self, Device};
use support::upload::Upload;

const NOTIFICATIONS: &str = "/messages/serviceBound/filenotifications";

fn start(config: &str) -> (Hub, HttpDevice) {
    let config = format!("{SMALL_SEGMENTS}\n[file_upload]\n{config}\n");
    let hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    let device = Device::create(&hub, "cooler-7");
    let device = HttpDevice::open(&hub, &device).expect("the hub listens");
    (hub, device)
}

/// The next notification, which is completed.
fn notification(hub: &Hub) -> Option<Value> {
    let mut owner = HttpConnection::open(hub).expect("the hub listens");
    let answer = owner.exchange("GET", NOTIFICATIONS, "", "").expect("the hub answers");
    if answer.status == 204 {
        return None;
    }
    let tag = answer.head.lines().find_map(|line| line.strip_prefix("etag: "));
    let path = format!("{NOTIFICATIONS}/{}", tag.expect("a lock").trim_matches('"'));
    let done = owner.exchange("DELETE", &path, "", "").expect("the hub answers");
    assert_eq!(done.status, 204, "{}", done.body);
    Some(serde_json::from_str(&answer.body).expect("a notification is JSON"))
}

/// Bytes of all files below a folder.
fn stored_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).map(Iterator::flatten);
    entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                stored_bytes(&path)
            } else {
                entry.metadata().map_or(0, |m| m.len())
            }
        })
        .sum()
}

fn bytes(length: usize) -> Vec<u8> {
    // Of letters, so that answers are texts; of a length that no buffer has.
    (0..length).map(|at| b'a' + u8::try_from(at % 23).expect("it is less")).collect()
}

#[test]
fn a_file_goes_to_the_hubs_own_account_and_back_ends_are_told() {
    let (hub, mut device) = start("");
    let upload = Upload::start(&mut device, "logs/a b.txt");
    assert_eq!(upload.path, "/ringhubstorage/uploads/cooler-7/logs/a b.txt");
    let upload = Upload { path: upload.path.replace(' ', "%20"), ..upload };
    let put = upload.put(&hub, b"hello").expect("the hub answers");
    assert_eq!(put.status, 201, "{}", put.body);
    assert_eq!(notification(&hub), None, "the device has not said that it is done");
    assert_eq!(upload.finish(&mut device, true).status, 204);
    let told = notification(&hub).expect("there is one");
    assert_eq!(told["deviceId"], "cooler-7");
    assert_eq!(told["blobName"], "cooler-7/logs/a b.txt");
    assert_eq!(told["blobSizeInBytes"], 5);
    let uri = told["blobUri"].as_str().expect("an address");
    assert!(uri.ends_with("/ringhubstorage/uploads/cooler-7/logs/a%20b.txt"), "{uri}");
    assert_eq!(notification(&hub), None);
    let whole = upload.get(&hub, "");
    assert_eq!((whole.status, whole.body.as_str()), (200, "hello"));
    let part = upload.get(&hub, "x-ms-range: bytes=1-3\r\n");
    assert_eq!((part.status, part.body.as_str()), (206, "ell"));
    assert!(part.head.contains("content-range: bytes 1-3/5"), "{}", part.head);
    let beyond = upload.get(&hub, "Range: bytes=5-\r\n");
    assert_eq!(beyond.status, 416, "{}", beyond.body);
    let again = upload.finish(&mut device, true);
    assert!(again.body.contains("InvalidFileUploadCorrelationId"), "{}", again.body);
    let older = device.exchange("GET", "/files/logs/b.txt", "", "");
    assert_eq!(older.status, 200, "{}", older.body);
}

#[test]
fn uploads_are_refused_by_the_rules_of_the_reference() {
    let (hub, mut device) = start("");
    for name in ["../secret", "a/../../b", "a//b", "dir/", "x.", "a\\b", "a\0"] {
        let refused = Upload::try_start(&mut device, name).expect_err(name);
        assert_eq!(refused.status, 400, "{name:?}");
        assert!(refused.body.contains("ArgumentInvalid"), "{}", refused.body);
    }
    for body in ["", "{}", "[]", r#"{"blobName":""}"#] {
        assert_eq!(device.exchange("POST", "/files", "", body).status, 400, "{body}");
    }
    let first = Upload::start(&mut device, "f0");
    let unfinished = first.finish(&mut device, true);
    assert_eq!(unfinished.status, 400);
    assert!(unfinished.body.contains("InvalidStorageEndpointOrBlob"), "{}", unfinished.body);
    for n in 1..10 {
        Upload::start(&mut device, &format!("f{n}"));
    }
    let eleventh = Upload::try_start(&mut device, "f10").expect_err("ten are open");
    assert_eq!(eleventh.status, 403);
    let text = "DeviceMaximumActiveFileUploadLimitExceeded;\
                Number of active file upload requests cannot exceed 10";
    assert!(eleventh.body.contains(text), "{}", eleventh.body);
    assert_eq!(first.finish(&mut device, false).status, 204);
    Upload::start(&mut device, "f10");
    assert_eq!(notification(&hub), None, "nothing was uploaded");
    let body = r#"{"correlationId":"MjAy","isSuccess":"maybe"}"#;
    let unclear = device.exchange("POST", "/files/notifications", "", body);
    assert!(unclear.body.contains("InvalidFileUploadCompletionStatus"), "{}", unclear.body);
    let named = r#"{"isSuccess":true}"#;
    let unknown = device.exchange("POST", "/files/notifications/MjAy", "", named);
    assert!(unknown.body.contains("InvalidFileUploadCorrelationId"), "{}", unknown.body);
}

#[test]
fn a_signature_counts_for_its_blob_alone() {
    let (hub, mut device) = start("");
    let upload = Upload::start(&mut device, "a");
    let with = |path: &str, query: &str| Upload {
        path: path.to_owned(),
        query: query.to_owned(),
        ..upload.clone()
    };
    let status = |upload: &Upload| upload.put(&hub, b"x").expect("the hub answers").status;
    let own = upload.path.as_str();
    assert_eq!(status(&with("/ringhubstorage/uploads/other/a", &upload.query)), 403);
    assert_eq!(status(&with("/ringhubstorage/uploads/cooler-7/../a", &upload.query)), 400);
    assert_eq!(status(&with("/ringhubstorage/uploads/cooler-7/%2e%2e/a", &upload.query)), 400);
    assert_eq!(status(&with("/ringhubstorage/uploads/cooler-7%2F..%2Fa", &upload.query)), 400);
    assert_eq!(status(&with("/ringhubstorage/uploads", &upload.query)), 403);
    assert_eq!(status(&with(own, &upload.query.replace("sp=rw", "sp=rwdl"))), 403);
    assert_eq!(status(&with(own, &upload.query.replace("se=20", "se=21"))), 403);
    assert_eq!(status(&with(own, "?")), 401);
    let mut delete = HttpConnection::open(&hub).expect("the hub listens");
    let head = upload.head(&hub, "DELETE", "", "Content-Length: 0\r\n");
    delete.send(head.as_bytes()).expect("the hub listens");
    assert_eq!(delete.read_response().expect("the hub answers").status, 403, "it may not delete");
    let mut chunked = HttpConnection::open(&hub).expect("the hub listens");
    let headers = "x-ms-blob-type: BlockBlob\r\nTransfer-Encoding: chunked\r\n";
    let head = upload.head(&hub, "PUT", "", headers);
    chunked.send(head.as_bytes()).expect("the hub listens");
    assert_eq!(chunked.read_response().expect("the hub answers").status, 411);
    assert_eq!(status(&upload), 201);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing_and_gives_its_room_back() {
    let (hub, mut device) = start("quota = \"1MiB\"");
    let files = hub.data_dir().join("blobs/files");
    let upload = Upload::start(&mut device, "a");
    let headers = "x-ms-blob-type: BlockBlob\r\nContent-Length: 1000000\r\n";
    let mut broken = HttpConnection::open(&hub).expect("the hub listens");
    let head = upload.head(&hub, "PUT", "", headers);
    broken.send(head.as_bytes()).expect("the hub listens");
    broken.send(&bytes(600_000)).expect("the hub takes it");
    eventually("the hub has begun to store it", || stored_bytes(&files) > 0);
    let full = upload.put(&hub, &bytes(900_000)).expect("the hub answers");
    assert_eq!(full.status, 413, "the room is kept for the first");
    assert!(full.body.contains("file_upload.quota"), "{}", full.body);
    drop(broken);
    eventually("what has come is removed", || stored_bytes(&files) == 0);
    assert_eq!(upload.get(&hub, "").status, 404);
    let put = upload.put(&hub, &bytes(900_000)).expect("the hub answers");
    assert_eq!(put.status, 201, "{}", put.body);
    let more = upload.put(&hub, &bytes(900_000)).expect("the hub answers");
    assert_eq!(more.status, 413, "the old blob is there until the new one is");
    assert_eq!(upload.get(&hub, "").body.len(), 900_000);
    // The end of a transfer is counted when its connection has heard of it.
    let under_way = || Page::scrape(&hub).sum("ringhub_blob_transfers", &[]);
    eventually("no transfer is under way", || under_way() == 0.0);
    let page = Page::scrape(&hub);
    for (name, labels, expected) in [
        ("ringhub_blob_bytes", &[][..], 900_000.0),
        ("ringhub_blob_quota_bytes", &[], 1_048_576.0),
        ("ringhub_blob_sent_bytes_total", &[], 900_000.0),
        ("ringhub_blob_refusals_total", &[("reason", "quota")], 2.0),
        ("ringhub_blob_refusals_total", &[("reason", "request")], 1.0),
        ("ringhub_blob_refusals_total", &[("reason", "failed")], 0.0),
    ] {
        assert_eq!(page.sum(name, labels), expected, "{name} {labels:?}");
    }
    let received = page.sum("ringhub_blob_received_bytes_total", &[]);
    assert!((900_000.0..=1_500_000.0).contains(&received), "{received}");
}

#[test]
fn open_uploads_and_notifications_outlive_a_restart_and_addresses_expire() {
    let (mut hub, mut device) = start("");
    let done = Upload::start(&mut device, "done");
    assert_eq!(done.put(&hub, b"x").expect("the hub answers").status, 201);
    assert_eq!(done.finish(&mut device, true).status, 204);
    let open = Upload::start(&mut device, "open");
    assert_eq!(open.put(&hub, b"yz").expect("the hub answers").status, 201);
    hub.kill();
    hub.reap();
    hub.launch();
    let known = Device::known(&hub, "cooler-7");
    let mut device = HttpDevice::open(&hub, &known).expect("the hub listens");
    assert_eq!(open.get(&hub, "").body, "yz");
    assert_eq!(open.finish(&mut device, true).status, 204);
    let told: Vec<Value> = std::iter::from_fn(|| notification(&hub)).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["blobName"], &told[1]["blobName"]),
        (&"cooler-7/done".into(), &"cooler-7/open".into())
    );
}

/// Many uploads, and `kill -9` amid them: whatever was answered is there as a whole, whatever was
/// not is whole or not there, and no file is left over.
#[test]
fn a_blob_is_whole_or_not_there_whenever_the_hub_is_killed() {
    const CLIENTS: usize = 3;
    let (mut hub, mut device) = start("");
    let uploads: Vec<Upload> =
        (0..CLIENTS).map(|n| Upload::start(&mut device, &format!("f{n}"))).collect();
    let (killed, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let content = |round: u8| vec![b'a' + round % 26; 700_000 + usize::from(round)];
    let last: Vec<Option<u8>> = thread::scope(|scope| {
        let clients: Vec<_> = uploads
            .iter()
            .map(|upload| {
                let (hub, killed, acknowledged) = (&hub, &killed, &acknowledged);
                scope.spawn(move || {
                    let mut last = None;
                    for round in 0.. {
                        match upload.put(hub, &content(round)) {
                            Ok(answer) => {
                                assert_eq!(answer.status, 201, "{}", answer.body);
                                acknowledged.fetch_add(1, Ordering::SeqCst);
                                last = Some(round);
                            }
                            Err(_) if killed.load(Ordering::SeqCst) => return last,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    unreachable!("rounds are not counted so far")
                })
            })
            .collect();
        let is_enough = || acknowledged.load(Ordering::SeqCst) >= 3 * CLIENTS;
        kill_after(&hub, &killed, is_enough, Duration::from_millis(20));
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    hub.reap();
    hub.launch();
    let mut sizes = 0;
    for (upload, last) in uploads.iter().zip(last) {
        let found = upload.get(&hub, "");
        let last = last.expect("each was acknowledged once at least");
        let expected = [last, last.wrapping_add(1)].map(content);
        assert!(expected.iter().any(|content| found.body.as_bytes() == content), "{last}");
        sizes += found.body.len() as u64;
    }
    assert_eq!(stored_bytes(&hub.data_dir().join("blobs/files")), sizes, "nothing is left over");
}

/// Goal: memory does not grow with the size of a file. Method: 256 MiB, of which the hub may keep a
/// quarter.
#[test]
fn a_large_file_passes_through_little_memory() {
    const LENGTH: usize = 256 << 20;
    let (hub, mut device) = start("");
    let upload = Upload::start(&mut device, "large");
    upload.put(&hub, &bytes(1 << 20)).expect("the hub answers");
    let before = hub.resident_kib();
    let peak = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let piece = bytes(1 << 20);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let now = usize::try_from(hub.resident_kib()).expect("it fits");
                peak.fetch_max(now, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let send = || -> io::Result<u16> {
            let mut connection = HttpConnection::open(&hub)?;
            let headers = format!("x-ms-blob-type: BlockBlob\r\nContent-Length: {LENGTH}\r\n");
            connection.send(upload.head(&hub, "PUT", "", &headers).as_bytes())?;
            for _ in 0..LENGTH / piece.len() {
                connection.send(&piece)?;
            }
            Ok(connection.read_response()?.status)
        };
        let status = send();
        is_over.store(true, Ordering::SeqCst);
        assert_eq!(status.expect("the hub answers"), 201);
    });
    let grown = peak.load(Ordering::SeqCst).saturating_sub(usize::try_from(before).expect("fits"));
    println!("{before} KiB before, {grown} KiB more at the peak");
    assert!(grown < 64 * 1024, "{grown} KiB for a file of {} KiB", LENGTH / 1024);
    let head = upload.get(&hub, "Range: bytes=268435446-268435455\r\n");
    assert_eq!((head.status, head.body.len()), (206, 10));
}

#[test]
fn a_hub_without_storage_says_so_and_a_device_without_notifications_ends_its_uploads() {
    let (_hub, mut device) = start("storage = \"none\"");
    let refused = Upload::try_start(&mut device, "a").expect_err("there is no storage");
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("DefaultStorageEndpointNotConfigured"), "{}", refused.body);
    let (hub, mut device) = start("notifications = false");
    let upload = Upload::start(&mut device, "a");
    assert_eq!(upload.finish(&mut device, true).status, 204);
    assert_eq!(notification(&hub), None);
}

/// A deleted device has no uploads, and its files stay.
#[test]
fn files_outlive_their_device() {
    let (hub, mut device) = start("");
    let upload = Upload::start(&mut device, "a");
    assert_eq!(upload.put(&hub, b"kept").expect("the hub answers").status, 201);
    let (status, body) = rest::exchange(&hub, "DELETE", "/devices/cooler-7", "").expect("answered");
    assert_eq!(status, 204, "{body}");
    assert_eq!(upload.finish(&mut device, true).status, 404);
    assert_eq!(upload.get(&hub, "").body, "kept");
}
