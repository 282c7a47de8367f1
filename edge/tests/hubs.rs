//! Several hubs in one process, over real sockets: what is one's own stays so, and a hub that goes
//! lets go of everybody while the others hear nothing.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use ringhub_control_plane::{HubError, NewHub};
use ringhub_edge::client::amqp::{AmqpClient as BackEnd, AmqpFact};
use ringhub_edge::client::mqtt::{MqttClient, MqttFact};
use ringhub_edge::client::{Credential, Precondition, Principal, RestClient, Target};
use serde_json::{Value, json};
use support::http::HttpConnection;
use support::patience::{PATIENCE, eventually};
use support::tenants::{Tenants, put, register, serve};

const TWO: &str = "two.test";
const MOMENT: Duration = Duration::from_millis(200);

/// Begins an upload of a device; the connection, and the path that the file goes to.
fn start_upload(
    tenants: &Tenants,
    at: &Target,
    device: &str,
    key: &Credential,
) -> (HttpConnection, String) {
    let stream = tenants.dial(tenants.address.https_port, &at.host_name, None);
    let (host, token) = (at.host_name.clone(), key.token(&at.host_name));
    let mut http = HttpConnection::over(stream.expect("it listens"), host, token);
    let path = format!("/devices/{device}/files");
    let answer =
        http.exchange("POST", &path, "", r#"{"blobName": "log.txt"}"#).expect("it answers");
    let address: Value = serde_json::from_str(&answer.body).expect("an address");
    let text = |name: &str| address[name].as_str().expect("all members are texts");
    let path = format!("/{}/{}{}", text("containerName"), text("blobName"), text("sasToken"));
    (http, path)
}

/// Sends a file of a device to the storage account of its hub.
fn upload(tenants: &Tenants, at: &Target, device: &str, key: &Credential) {
    let (mut http, path) = start_upload(tenants, at, device, key);
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {}\r\nx-ms-blob-type: BlockBlob\r\n\
         Content-Length: 5\r\n\r\nhello",
        at.host_name
    );
    http.send(request.as_bytes()).expect("it reads");
    assert_eq!(http.read_response().expect("it answers").status, 201);
}

fn publish(device: &mut MqttClient, id: &str, body: &str) {
    let topic = format!("devices/{id}/messages/events/");
    assert!(device.publish(&topic, body.as_bytes(), 1).expect("it is connected"));
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "no acknowledgement");
        if let Some(MqttFact::Acknowledged(_)) = device.next(MOMENT).expect("it is connected") {
            return;
        }
    }
}

/// Bodies of all events of a hub, read from all partitions.
fn events(target: &Target, count: usize) -> Vec<String> {
    let mut client = BackEnd::connect(target).expect("the policy may read");
    let mut links = Vec::new();
    for partition in 0..4 {
        let address = format!("ringhub/ConsumerGroups/$Default/Partitions/{partition}");
        let link = client.attach_receiver(&address, None).expect("the session takes links");
        client.wait_for(|fact| (*fact == AmqpFact::Attached(link)).then_some(())).expect("a link");
        links.push(link);
    }
    links.iter().for_each(|link| client.grant_credit(*link, 100));
    let mut bodies = Vec::new();
    let until = Instant::now() + PATIENCE;
    while bodies.len() < count && Instant::now() < until {
        if let Some(AmqpFact::Message { payload, .. }) = client.next(MOMENT).expect("it reads") {
            let message = ringhub_core::codec::amqp::section::Message::decode(&payload);
            let message = message.expect("an event");
            let body: Vec<u8> = message.body.pieces().flatten().copied().collect();
            bodies.push(String::from_utf8(body).expect("the tests send text"));
        }
    }
    // What else there is would have come along.
    while let Some(fact) = client.next(MOMENT).expect("it reads") {
        assert!(!format!("{fact:?}").starts_with("Message"), "one more: {fact:?}");
    }
    bodies.sort();
    bodies
}

#[test]
fn what_is_one_hubs_own_is_no_other_hubs() {
    let tenants = Tenants::start();
    let (one, two) = (tenants.configured(), tenants.create(TWO));
    let keys = [register(&one, "pump"), register(&two, "pump")];
    for (target, key, body) in [(&one, &keys[0], "of one"), (&two, &keys[1], "of two")] {
        let mut device = MqttClient::connect(target, key, None).expect("its own key is good");
        publish(&mut device, "pump", body);
    }
    assert_eq!(events(&one, 1), ["of one"]);
    assert_eq!(events(&two, 1), ["of two"]);

    let (rest_one, rest_two) = (RestClient::new(&one), RestClient::new(&two));
    let tags = json!({"tags": {"owner": "two"}});
    let twin = rest_two.send(Method::PATCH, "/twins/pump", Precondition::Absent, Some(&tags));
    assert_eq!(twin.expect("it is there")["tags"]["owner"], "two");
    let other = rest_one.read("/twins/pump").expect("it is there");
    assert!(other["tags"]["owner"].is_null(), "{other}");
    put(&rest_two, "/devices/only-here", &json!({"deviceId": "only-here"}));
    assert!(rest_one.read("/devices/only-here").is_err());
    put(&rest_two, "/eventHubEndpoints/events/ConsumerGroups/mine", &json!({}));
    let groups = rest_one.read("/eventHubEndpoints/events/ConsumerGroups").expect("it answers");
    assert!(!groups.to_string().contains("mine"), "{groups}");

    let path = "/devices/pump/messages/devicebound";
    rest_two.send(Method::POST, path, Precondition::Absent, Some(&json!("hi"))).expect("queued");
    let queued = |rest: &RestClient| {
        rest.read("/devices/pump").expect("it is there")["cloudToDeviceMessageCount"].clone()
    };
    assert_eq!([queued(&rest_one), queued(&rest_two)], [json!(0), json!(1)]);
    let numbers = rest_two.exchange(Method::GET, "/metrics", Precondition::Absent, None, PATIENCE);
    let numbers = String::from_utf8(numbers.expect("it answers").body).expect("text");
    assert!(
        numbers.contains("ringhub_devices{hub=\"two.test\",state=\"registered\"} 2"),
        "{numbers}"
    );
    assert!(!numbers.contains(&one.host_name), "{numbers}");
}

#[test]
fn a_hub_that_goes_ends_what_is_connected_and_no_more() {
    let tenants = Tenants::start();
    let (one, two) = (tenants.configured(), tenants.create(TWO));
    let keys = [register(&one, "pump"), register(&two, "pump")];
    let mut kept = MqttClient::connect(&one, &keys[0], None).expect("its own key is good");
    let mut ended = MqttClient::connect(&two, &keys[1], None).expect("its own key is good");
    publish(&mut ended, "pump", "first");
    upload(&tenants, &two, "pump", &keys[1]);
    let mut reader = BackEnd::connect(&two).expect("the policy may read");
    let address = "ringhub/ConsumerGroups/$Default/Partitions/0";
    reader.attach_receiver(address, None).expect("the session takes links");
    reader.next(MOMENT).expect("it is attached");
    let rest = RestClient::new(&two);
    let mut targets = Vec::new();
    for number in 0..300 {
        targets.push(json!({"id": format!("d{number}"), "importMode": "create"}));
        if targets.len() == 100 {
            let list = Value::Array(std::mem::take(&mut targets));
            rest.send(Method::POST, "/devices", Precondition::Absent, Some(&list)).expect("made");
        }
    }
    let job = json!({
        "type": "scheduleDeviceMethod", "queryCondition": "*",
        "cloudToDeviceMethod": {"methodName": "m", "connectTimeoutInSeconds": 30},
        "maxExecutionTimeInSeconds": 3600,
    });
    put(&rest, "/jobs/v2/j", &job);
    let waiting = thread::spawn({
        let rest = rest.clone();
        move || {
            let call = json!({"methodName": "m", "connectTimeoutInSeconds": 300});
            let path = "/twins/d1/methods";
            rest.exchange(Method::POST, path, Precondition::Absent, Some(&call), PATIENCE)
        }
    });
    let hub = tenants.control().directory().hub_by_host(TWO).expect("it is there").id;
    thread::sleep(MOMENT);
    assert_eq!(tenants.control().blobs().used_bytes(hub), 5);

    tenants.control().delete_hub(hub).expect("it is there");
    eventually("the device is cut off", || ended.next(MOMENT).is_err());
    eventually("the reader is cut off", || reader.next(MOMENT).is_err());
    let answer = waiting.join().expect("it returns").expect("it is answered");
    assert_eq!(answer.status, 401, "the call waits no longer: {answer:?}");
    assert!(MqttClient::connect(&two, &keys[1], None).is_err());
    publish(&mut kept, "pump", "still here");
    assert_eq!(events(&one, 1), ["still here"]);
    eventually("the rest is removed", || tenants.control().deleting_hubs().is_empty());
    assert_eq!(tenants.control().blobs().used_bytes(hub), 0, "files go along");

    let again = tenants.create(TWO);
    assert!(RestClient::new(&again).read("/devices/pump").is_err(), "nothing is left");
    let key = register(&again, "pump");
    let mut device = MqttClient::connect(&again, &key, None).expect("its own key is good");
    publish(&mut device, "pump", "second");
    assert_eq!(events(&again, 1), ["second"]);
}

/// Devices that are connected to a hub when it goes.
const DEVICES: usize = 1000;

/// Registers devices with one key for all; what each logs in with.
fn register_many(rest: &RestClient) -> Vec<(String, Credential)> {
    let key = STANDARD.encode([7; 32]);
    let ids: Vec<_> = (0..DEVICES).map(|number| format!("d{number}")).collect();
    for ids in ids.chunks(100) {
        let keys = json!({ "primaryKey": key, "secondaryKey": key });
        let item = |id: &String| json!({ "id": id, "importMode": "create", "authentication": { "symmetricKey": keys } });
        let list = Value::Array(ids.iter().map(item).collect());
        rest.send(Method::POST, "/devices", Precondition::Absent, Some(&list)).expect("made");
    }
    let credential = |id: String| {
        let key = Credential::new(Principal::Device(id.clone()), &key);
        (id, key.expect("keys are base64"))
    };
    ids.into_iter().map(credential).collect()
}

/// Begins to send a file, and gives the connection on which half of it is still to come.
fn upload_half(tenants: &Tenants, at: &Target, device: &str, key: &Credential) -> HttpConnection {
    let (mut http, path) = start_upload(tenants, at, device, key);
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {}\r\nx-ms-blob-type: BlockBlob\r\n\
         Content-Length: {}\r\n\r\n",
        at.host_name,
        2 * HALF.len()
    );
    http.send(head.as_bytes()).expect("it reads");
    http.send(&HALF).expect("it reads");
    http
}

static HALF: [u8; 300 * 1024] = [b'x'; 300 * 1024];

/// Files with the bytes of blobs.
fn blob_files(tenants: &Tenants) -> usize {
    let folders = std::fs::read_dir(tenants.home.join("data/blobs/files")).expect("it is there");
    let files = folders.flatten().map(|folder| std::fs::read_dir(folder.path()));
    files.map(|files| files.expect("it is a folder").count()).sum()
}

/// Jobs of each kind that do not end by themselves for a while: calls that nobody answers, and a
/// storage account that never speaks.
fn start_jobs(tenants: &Tenants, rest: &RestClient) -> TcpListener {
    for mut job in [
        json!({ "type": "scheduleDeviceMethod",
                "cloudToDeviceMethod": { "methodName": "m", "responseTimeoutInSeconds": 300 } }),
        json!({ "type": "scheduleUpdateTwin",
                "updateTwin": { "etag": "*", "tags": { "site": "north" } } }),
    ] {
        (job["queryCondition"], job["maxExecutionTimeInSeconds"]) = (json!("*"), json!(3600));
        put(rest, &format!("/jobs/v2/{}", job["type"].as_str().unwrap_or_default()), &job);
    }
    let silent = TcpListener::bind((tenants.address.ip, 0)).expect("a port is free");
    let account = silent.local_addr().expect("it is bound");
    let export = json!({
        "type": "export", "outputBlobContainerUri": format!("https://{account}/c?sig=x"),
    });
    let made = rest.send(Method::POST, "/jobs/create", Precondition::Absent, Some(&export));
    let path = format!("/jobs/{}", made.expect("made")["jobId"].as_str().expect("an id"));
    eventually("the export runs", || rest.read(&path).expect("it is there")["status"] == "running");
    silent
}

/// Goal: the end of a large hub amid everything is no matter of its neighbours, and leaves nothing.
/// Method: a thousand connected devices, jobs of all kinds, and an upload of which half is there,
/// while a device of another hub sends all the time.
#[test]
fn a_hub_goes_beside_a_thousand_devices_running_jobs_and_an_upload() {
    let tenants = Tenants::start();
    let (one, two) = (tenants.configured(), tenants.create(TWO));
    let pump = register(&one, "pump");
    let files_before = blob_files(&tenants);
    let rest = RestClient::new(&two);
    let devices = register_many(&rest);
    let connect = |(_, key): &(String, Credential)| MqttClient::connect(&two, key, None);
    let mut connected: Vec<_> =
        devices.iter().map(|one| connect(one).expect("its own key is good")).collect();
    let mut half = upload_half(&tenants, &two, &devices[0].0, &devices[0].1);
    let _silent = start_jobs(&tenants, &rest);
    eventually("half of the file is there", || blob_files(&tenants) > files_before);

    let hub = tenants.control().directory().hub_by_host(TWO).expect("it is there").id;
    let (is_over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let slowest = thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let mut device = MqttClient::connect(&one, &pump, None).expect("its own key is good");
            let mut slowest = Duration::ZERO;
            while !is_over.load(Ordering::SeqCst) {
                let began = Instant::now();
                publish(&mut device, "pump", "still here");
                slowest = slowest.max(began.elapsed());
                sent.fetch_add(1, Ordering::SeqCst);
            }
            slowest
        });
        let more = || {
            let enough = sent.load(Ordering::SeqCst) + 10;
            eventually("the neighbour is served", || sent.load(Ordering::SeqCst) >= enough);
        };
        more();
        tenants.control().delete_hub(hub).expect("it is there");
        for device in &mut connected {
            eventually("the device is cut off", || device.next(MOMENT).is_err());
        }
        eventually("the rest is removed", || tenants.control().deleting_hubs().is_empty());
        more();
        is_over.store(true, Ordering::SeqCst);
        neighbour.join().expect("it is served throughout")
    });
    println!("the neighbour sent {sent:?} messages meanwhile, the slowest took {slowest:?}");
    let answer = half.send(&HALF).and_then(|()| half.read_response());
    assert!(!answer.as_ref().is_ok_and(|answer| answer.status == 201), "{answer:?}");
    drop(half);
    eventually("half a file goes as well", || blob_files(&tenants) == files_before);
    assert_eq!(tenants.control().blobs().used_bytes(hub), 0);

    let again = RestClient::new(&tenants.create(TWO));
    for path in ["/devices", "/jobs", "/jobs/v2/query"] {
        assert_eq!(again.read(path).expect("it answers"), json!([]), "{path}");
    }
}

/// Makes this test binary play the process that is killed.
const CHILD_HOME: &str = "RINGHUB_TEST_TENANTS_HOME";
const CHILD_ADDRESS: &str = "RINGHUB_TEST_TENANTS_ADDRESS";

#[test]
fn the_process_that_is_killed_while_hubs_come_and_go() {
    let Ok(home) = std::env::var(CHILD_HOME) else { return };
    let address = std::env::var(CHILD_ADDRESS).expect("both are given");
    let (ip, port) = address.split_once(' ').expect("address and port");
    let address = support::address::Loopback {
        ip: ip.parse().expect("an address"),
        https_port: port.parse().expect("a port"),
    };
    let running = serve(home.as_ref(), address);
    for number in 0_u32.. {
        let control = running.control();
        let made = control.create_hub(NewHub::named(&format!("h{number}.test")));
        println!("created {number}");
        if number % 2 == 1 {
            let hub = made.expect("it is made").id;
            println!("deleting {number}");
            control.delete_hub(hub).expect("it is there");
            println!("deleted {number}");
        }
    }
}

/// Goal: a hub is there as a whole or not at all, whenever the process ends. Method: another
/// process makes and deletes hubs and tells of each step; it is killed after more and more of them.
#[test]
fn hubs_survive_a_kill_or_are_gone() {
    for steps in [1, 2, 3, 4, 5, 6, 7, 23] {
        let mut tenants = Tenants::start();
        tenants.stop();
        let address = format!("{} {}", tenants.address.ip, tenants.address.https_port);
        let mut child = Command::new(std::env::current_exe().expect("the test has a path"))
            .args(["the_process_that_is_killed_while_hubs_come_and_go", "--nocapture"])
            .args(["--test-threads=1"])
            .env(CHILD_HOME, &tenants.home)
            .env(CHILD_ADDRESS, address)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut told: BTreeMap<u32, String> = BTreeMap::new();
        let words = lines.map_while(Result::ok).filter_map(|line| {
            let line = line.rsplit_once("... ").map_or(&*line, |(_, rest)| rest);
            let (word, number) = line.split_once(' ')?;
            Some((number.parse().ok()?, word.to_owned()))
        });
        told.extend(words.take(steps));
        child.kill().expect("the process runs still");
        child.wait().expect("it is a child of this process");
        tenants.launch();
        for (number, word) in &told {
            let found = tenants.control().directory().hub_by_host(&format!("h{number}.test"));
            match word.as_str() {
                "created" => assert!(found.is_some() || number % 2 == 1, "{number}: {told:?}"),
                "deleted" => assert!(found.is_none(), "{number}: {told:?}"),
                _ => {}
            }
        }
        eventually("removals end", || tenants.control().deleting_hubs().is_empty());
        for hub in tenants.control().hubs().iter().filter(|hub| !hub.is_configured) {
            let target = tenants.target(&hub.host_name);
            let key = register(&target, "pump");
            let mut device = MqttClient::connect(&target, &key, None).expect("it is whole");
            publish(&mut device, "pump", "x");
            assert_eq!(events(&target, 1), ["x"]);
        }
        for number in told.keys().filter(|number| *number % 2 == 1) {
            let name = format!("h{number}.test");
            match tenants.control().create_hub(NewHub::named(&name)) {
                Ok(_) | Err(HubError::NameTaken(_)) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

/// Resident memory of this process, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn disk_bytes(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(path).expect("it is there");
    let bytes = |entry: std::fs::DirEntry| match entry.file_type().expect("it has one").is_dir() {
        true => disk_bytes(&entry.path()),
        false => entry.metadata().map_or(0, |file| file.blocks() * 512),
    };
    entries.map_while(Result::ok).map(bytes).sum()
}

/// Prints what a small hub costs.
#[test]
fn a_process_carries_a_thousand_hubs() {
    const HUBS: usize = 1_000;
    let mut tenants = Tenants::start();
    let (memory, disk) = (resident_bytes(), disk_bytes(&tenants.home));
    let began = Instant::now();
    for number in 0..HUBS {
        let new = NewHub::named(&format!("tenant-{number}.test"));
        tenants.control().create_hub(new).expect("it is made");
    }
    let created = began.elapsed();
    let per_hub_memory = resident_bytes().saturating_sub(memory) / HUBS;
    let per_hub_disk = disk_bytes(&tenants.home).saturating_sub(disk) / HUBS as u64;
    tenants.stop();
    let began = Instant::now();
    tenants.launch();
    println!(
        "{HUBS} hubs: created in {created:?}, {per_hub_memory} bytes of memory and {per_hub_disk} \
         bytes of disk each, started in {:?}",
        began.elapsed()
    );
    let last = tenants.target("tenant-999.test");
    let key = register(&last, "pump");
    let mut device = MqttClient::connect(&last, &key, None).expect("its own key is good");
    publish(&mut device, "pump", "x");
    assert_eq!(events(&last, 1), ["x"]);
    assert_eq!(tenants.control().hubs().len(), HUBS + 1);
}
