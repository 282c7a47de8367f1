//! News of files over AMQP and HTTPS: verdicts, deliveries that are counted, locks that run out,
//! several back ends, and the end of their life.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use ringhub_core::codec::amqp::performative::DeliveryState;
use support::c2d::FileReader;
use support::http::HttpConnection;
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::rest::Device;
use support::upload::Upload;

const NOTIFICATIONS: &str = "/messages/serviceBound/filenotifications";

fn start(config: &str) -> (Hub, HttpDevice) {
    let config = format!("{SMALL_SEGMENTS}\n[file_upload]\n{config}\n");
    let hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    let device = Device::create(&hub, "pump");
    let device = HttpDevice::open(&hub, &device).expect("the hub listens");
    (hub, device)
}

fn reader(hub: &Hub, credit: u32) -> FileReader {
    FileReader::connect(hub, credit).expect("the hub accepts readers")
}

/// Uploads a file and says that it is there.
fn upload(hub: &Hub, device: &mut HttpDevice, name: &str) {
    let upload = Upload::start(device, name);
    assert_eq!(upload.put(hub, b"x").expect("the hub answers").status, 201);
    assert_eq!(upload.finish(device, true).status, 204);
}

/// Whether nothing waits for back ends.
fn is_empty(hub: &Hub) -> bool {
    let mut owner = HttpConnection::open(hub).expect("the hub listens");
    owner.exchange("GET", NOTIFICATIONS, "", "").expect("the hub answers").status == 204
}

#[test]
fn verdicts_count_as_the_reference_says_and_a_file_is_given_up_after_the_configured_deliveries() {
    let (mut hub, mut device) = start("notification_max_delivery_count = 2");
    let mut reader = reader(&hub, 10);
    upload(&hub, &mut device, "released");
    for count in 0..2 {
        let (file, name, deliveries) = reader.next().expect("a file is there");
        assert_eq!((name.as_str(), deliveries), ("pump/released", count));
        reader.settle(file, DeliveryState::Released).expect("the hub listens");
    }
    upload(&hub, &mut device, "rejected");
    let (file, name, _) = reader.next().expect("a file is there");
    assert_eq!(name, "pump/rejected", "the other one is given up");
    reader.settle(file, DeliveryState::Rejected(None)).expect("the hub listens");
    upload(&hub, &mut device, "accepted");
    let (file, name, _) = reader.next().expect("a file is there");
    assert_eq!(name, "pump/accepted", "what is rejected does not come again");
    reader.settle(file, DeliveryState::Accepted).expect("the hub listens");
    drop(reader);
    assert!(is_empty(&hub));
    hub.assert_sound();
}

#[test]
fn a_lock_that_runs_out_gives_the_file_to_whoever_waits_without_counting() {
    let (mut hub, mut device) = start("notification_lock_duration = \"5s\"");
    let mut silent = reader(&hub, 1);
    upload(&hub, &mut device, "a");
    let (held, name, deliveries) = silent.next().expect("a file is there");
    assert_eq!((name.as_str(), deliveries), ("pump/a", 0));
    let mut other = reader(&hub, 1);
    let (_, name, deliveries) = other.next().expect("the lock runs out");
    assert_eq!((name.as_str(), deliveries), ("pump/a", 0));
    // Too late: the other one has it.
    silent.settle(held, DeliveryState::Accepted).expect("the hub listens");
    drop(other);
    // With its link it gives back what it holds, and the late verdict has changed nothing.
    let mut third = reader(&hub, 1);
    let (again, name, deliveries) = third.next().expect("it comes again");
    assert_eq!((name.as_str(), deliveries), ("pump/a", 0));
    third.settle(again, DeliveryState::Accepted).expect("the hub listens");
    drop(third);
    assert!(is_empty(&hub));
    hub.assert_sound();
}

/// Goal: each file goes to one of several back ends, in the order in which they were uploaded.
#[test]
fn two_receivers_share_the_files_between_them() {
    let (mut hub, mut device) = start("");
    let mut readers = [reader(&hub, 1), reader(&hub, 1)];
    let names = ["a", "b", "c", "d"];
    names.into_iter().for_each(|name| upload(&hub, &mut device, name));
    let mut got = Vec::new();
    for _ in 0..names.len() / readers.len() {
        // Both hold one, and have credit for no more.
        let held: Vec<_> =
            readers.iter_mut().map(|reader| reader.next().expect("a file is there")).collect();
        for (reader, (file, name, deliveries)) in readers.iter_mut().zip(held) {
            assert_eq!(deliveries, 0);
            got.push(name);
            reader.settle(file, DeliveryState::Accepted).expect("the hub listens");
            let link = reader.link;
            reader.client.machine().grant_credit(link, 1);
            reader.client.flush().expect("the hub listens");
        }
    }
    got.sort();
    assert_eq!(got, names.map(|name| format!("pump/{name}")));
    drop(readers);
    assert!(is_empty(&hub));
    hub.assert_sound();
}

/// Goal: what nobody fetches is there for its life, and not after it. Method: back ends look at it
/// and give it back, until it is gone.
#[test]
fn news_that_nobody_fetches_have_their_time() {
    const LIFE: Duration = Duration::from_secs(60);
    let config = "notification_ttl = \"1m\"\nnotification_max_delivery_count = 100";
    let (mut hub, mut device) = start(config);
    let before = Instant::now();
    upload(&hub, &mut device, "a");
    let mut owner = HttpConnection::open(&hub).expect("the hub listens");
    let mut looks = 0;
    loop {
        let answer = owner.exchange("GET", NOTIFICATIONS, "", "").expect("the hub answers");
        if answer.status == 204 {
            break;
        }
        looks += 1;
        assert!(looks < 100, "it is there for ever");
        let tag = answer.head.lines().find_map(|line| line.strip_prefix("etag: "));
        let tag = tag.expect("a lock").trim_matches('"');
        let path = format!("{NOTIFICATIONS}/{tag}/abandon");
        let back = owner.exchange("POST", &path, "", "").expect("the hub answers");
        assert_eq!(back.status, 204, "{}", back.body);
        thread::sleep(Duration::from_secs(2));
    }
    assert!(looks > 0 && before.elapsed() >= LIFE, "gone after {:?}", before.elapsed());
    hub.assert_sound();
}
