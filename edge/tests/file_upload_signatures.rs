//! Signatures that end in the middle of an upload, and names that would lead elsewhere.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use support::http::{HttpConnection, Response};
use support::http_device::HttpDevice;
use support::hub::Hub;
use support::patience::eventually;
use support::rest::Device;
use support::storage_account::StorageAccount;
use support::upload::Upload;

/// Sends a request to the store; `head` is its first line and headers, without `Host`.
fn send(hub: &Hub, line: &str, headers: &str, body: &str) -> Response {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    let (host, length) = (hub.address.https_host(), body.len());
    let text = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    connection.send(text.as_bytes()).expect("the hub listens");
    connection.read_response().expect("the hub answers")
}

fn file_count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("the folder is there").map(Result::unwrap);
    let count = |path: &Path| if path.is_dir() { file_count(path) } else { 1 };
    entries.map(|entry| count(&entry.path())).sum()
}

/// Goal: an upload whose signature ends before its list comes leaves no blob; what has begun before
/// the end is taken, as with the original.
#[test]
fn a_signature_that_ends_in_the_middle_of_an_upload_leaves_no_blob() {
    let mut hub = Hub::start();
    let account = StorageAccount::of(&hub);
    let good = account.container("parts");
    let short = account.container_uri("parts", "rcw", Duration::from_secs(3));
    let address = |uri: &str, name: &str, query: &str| {
        let (place, signature) = uri.split_once('?').expect("a signature");
        let (_, path) = place.split_once("/ringhubstorage").expect("the hub's own account");
        format!("/ringhubstorage{path}/{name}?{signature}{query}")
    };
    let put = |uri: &str, name: &str, query: &str, body: &str| {
        let line = format!("PUT {}", address(uri, name, query));
        send(&hub, &line, "x-ms-blob-type: BlockBlob\r\n", body)
    };
    // Both begin in time.
    let mut slow = HttpConnection::open(&hub).expect("the hub listens");
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 5\r\nx-ms-blob-type: BlockBlob\r\n\r\nhe",
        address(&short, "slow", ""),
        hub.address.https_host()
    );
    slow.send(head.as_bytes()).expect("the hub listens");
    let first = put(&short, "blocks", "&comp=block&blockid=QQ==", "first");
    assert_eq!(first.status, 201, "{}", first.body);
    let files = hub.data_dir().join("blobs/files");
    eventually("the hub has begun to store both", || file_count(&files) >= 1);

    let mut refused = None;
    eventually("the signature ends", || {
        let answer = put(&short, "blocks", "&comp=block&blockid=Qg==", "second");
        let is_over = answer.status != 201;
        refused = Some(answer);
        is_over
    });
    let refused = refused.expect("there was an answer");
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.head.contains("x-ms-error-code: AuthenticationFailed"), "{}", refused.head);
    assert!(refused.body.contains("the signature has expired"), "{}", refused.body);
    let list = "<BlockList><Latest>QQ==</Latest></BlockList>";
    assert_eq!(put(&short, "blocks", "&comp=blocklist", list).status, 403);
    assert_eq!(account.get(&good, "blocks"), None, "no blob appears");
    slow.send(b"llo").expect("the hub listens");
    assert_eq!(slow.read_response().expect("the hub answers").status, 201);
    assert_eq!(account.get(&good, "slow").as_deref(), Some(&b"hello"[..]));
    // Whoever gets another signature goes on with the blocks that wait.
    assert_eq!(put(&good, "blocks", "&comp=blocklist", list).status, 201);
    assert_eq!(account.get(&good, "blocks").as_deref(), Some(&b"first"[..]));
    hub.assert_sound();
}

/// Goal: a signature opens the blob that it names, however the name is written, and no other one;
/// nothing of a name ever becomes a path. Method: a device's signature, with paths of every trick.
#[test]
fn no_trick_of_a_path_leads_to_another_blob() {
    let mut hub = Hub::start();
    let account = StorageAccount::of(&hub);
    let uploads = account.container_uri("uploads", "rl", Duration::from_secs(3600));
    let [mut device, mut other] = ["pump-1", "pump-2"]
        .map(|id| HttpDevice::open(&hub, &Device::create(&hub, id)).expect("the hub listens"));
    let secret = Upload::start(&mut other, "secret");
    assert_eq!(secret.put(&hub, b"of pump-2").expect("the hub answers").status, 201);
    let own = Upload::start(&mut device, "a");
    let long = "x".repeat(1025);
    let base = "/ringhubstorage/uploads";
    for path in [
        format!("{base}/pump-2/secret"),
        format!("{base}/pump-1/../pump-2/secret"),
        format!("{base}/pump-1/%2e%2e/pump-2/secret"),
        format!("{base}/pump-1/%2E%2E%2Fpump-2%2Fsecret"),
        format!("{base}/pump-1/%252e%252e/pump-2/secret"),
        format!("{base}/pump-1/..%5cpump-2%5csecret"),
        format!("{base}/pump-1/%c0%ae%c0%ae/pump-2/secret"),
        format!("{base}/pump-1//a"),
        format!("{base}//pump-1/a"),
        format!("{base}/pump-1/a/"),
        format!("{base}/pump-1/./a"),
        format!("{base}/pump-1/a%00"),
        format!("{base}/pump-1/a%0d%0aX: y"),
        format!("{base}/pump-1/a%ff"),
        format!("{base}/pump-1/A"),
        format!("{base}/Pump-1/a"),
        format!("{base}/pump-1/a."),
        format!("{base}/pump-1/{long}"),
        format!("{base}/../uploads/pump-1/a"),
        "/ringhubstorage/UPLOADS/pump-1/a".to_owned(),
        "/ringhubstorage/$root/pump-1/a".to_owned(),
        "/ringhubstorage//uploads/pump-1/a".to_owned(),
        "/RINGHUBSTORAGE/uploads/pump-1/a".to_owned(),
    ] {
        let path = path.replace(' ', "%20");
        for (method, body) in [("PUT", "x"), ("GET", "")] {
            let line = format!("{method} {path}{}", own.query);
            let answer = send(&hub, &line, "x-ms-blob-type: BlockBlob\r\n", body);
            let is_refused = matches!(answer.status, 400 | 401 | 403 | 404);
            assert!(is_refused, "{method} {path}: {} {}", answer.status, answer.body);
            assert!(!answer.body.contains("of pump-2"), "{path}");
        }
    }
    assert_eq!(secret.get(&hub, "").body, "of pump-2");
    assert_eq!(file_count(&hub.data_dir().join("blobs/files")), 1, "nothing was stored");
    assert_eq!(own.put(&hub, b"x").expect("the hub answers").status, 201, "its own name is good");

    // Names that only look like tricks, and names of all the world, are names.
    for name in ["%2e%2e/x", "日本/ö", "o\u{308}", "a%00", "...x", "con", &"y".repeat(1024 - 7)]
    {
        let upload = Upload::start(&mut device, name);
        let encoded: Vec<_> = upload
            .path
            .split('/')
            .map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string())
            .collect();
        let upload = Upload { path: encoded.join("/"), ..upload };
        let put = upload.put(&hub, name.as_bytes()).expect("the hub answers");
        assert_eq!(put.status, 201, "{name}: {}", put.body);
        assert_eq!(upload.get(&hub, "").body, name);
    }
    assert!(Upload::try_start(&mut device, &"y".repeat(1025 - 7)).is_err());
    assert_eq!(account.get(&uploads, "pump-1/a").as_deref(), Some(&b"x"[..]));
    hub.assert_sound();
}
