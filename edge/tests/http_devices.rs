//! Devices over HTTPS, over real sockets and without any SDK: telemetry, arrays of messages, and
//! messages to devices under locks.

mod support;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use support::c2d::{C2d, C2dSender};
use support::history::{StoredEvent, read_all};
use support::http::Response;
use support::http_device::HttpDevice;
use support::hub::{Hub, HubOptions};
use support::kill::kill_after;
use support::mqtt::MqttDevice;
use support::rest::{self, Device, Module};
use support::sas;

const BATCH: &str = "Content-Type: application/vnd.microsoft.iothub.json\r\n";

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The lock of a message that was handed out, out of its quotes.
fn lock_of(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    let tag = header(response, "etag").expect("a message has a lock");
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).expect("a quoted tag").to_owned()
}

fn refusal(response: &Response) -> (u16, &str) {
    let code = header(response, "iothub-errorcode").unwrap_or_default();
    assert!(response.body.contains(&format!("ErrorCode:{code};")), "{response:?}");
    assert!(header(response, "x-ms-request-id").is_some(), "{response:?}");
    (response.status, code)
}

fn bodies(events: &[StoredEvent], identity: &str) -> Vec<String> {
    let of_identity = events.iter().filter(|event| event.identity() == identity);
    of_identity.map(|event| event.body.clone()).collect()
}

fn start() -> Hub {
    Hub::start_with(HubOptions { shards: 3, executors: 2, ..HubOptions::default() })
}

#[test]
fn messages_and_arrays_are_stored_in_order_beside_mqtt() {
    let mut hub = start();
    let device = Device::create(&hub, "pump-7");
    let module = Module::create(&hub, "pump-7", "motor");
    let mut http = HttpDevice::open(&hub, &device).expect("the hub listens");
    let mut mqtt = MqttDevice::connect(&hub, &device).expect("the device is known");
    for number in 0..5 {
        let response = http.send("iothub-app-level: hot\r\n", &format!("h{number}"));
        assert_eq!((response.status, &*response.body), (204, ""), "{response:?}");
        assert_eq!(header(&response, "content-type"), None, "204 has no body");
        mqtt.publish(number + 1, format!("m{number}").as_bytes(), false).expect("it is live");
        mqtt.flush().expect("it is live");
        assert_eq!(mqtt.read_puback().expect("HTTP evicts nobody"), number + 1);
    }
    let array = r#"[{"body":"YTA="},{"body":"a1","base64Encoded":false},{"body":"YTI="}]"#;
    assert_eq!(http.send(BATCH, array).status, 204);
    assert_eq!(http.send(BATCH, "[]").status, 204);
    let path = "/devices/pump-7/modules/motor".to_owned();
    let mut of_module = HttpDevice::with(&hub, path, module.token(&hub)).expect("it listens");
    assert_eq!(of_module.send("", "from the module").status, 204);

    let events = read_all(&hub);
    let expected = ["h0", "m0", "h1", "m1", "h2", "m2", "h3", "m3", "h4", "m4", "a0", "a1", "a2"];
    assert_eq!(bodies(&events, "pump-7"), expected);
    assert_eq!(bodies(&events, "pump-7/motor"), ["from the module"]);
    hub.assert_sound();
}

#[test]
fn pipelined_and_chunked_requests_are_answered_in_order() {
    let hub = start();
    let device = Device::create(&hub, "pump-7");
    let mut http = HttpDevice::open(&hub, &device).expect("the hub listens");
    let mut requests = String::new();
    for number in 0..20 {
        requests += &http.text("POST", "/messages/events", "", &format!("p{number}"));
    }
    requests += &http
        .text("POST", "/messages/events", "Transfer-Encoding: chunked\r\n", "")
        .replace("Content-Length: 0\r\n", "");
    requests += "3\r\nchu\r\n3\r\nnks\r\n0\r\n\r\n";
    http.connection.send(requests.as_bytes()).expect("the hub listens");
    for _ in 0..21 {
        assert_eq!(http.connection.read_response().expect("an answer each").status, 204);
    }
    let expected = (0..20).map(|number| format!("p{number}")).chain(["chunks".to_owned()]);
    assert_eq!(bodies(&read_all(&hub), "pump-7"), expected.collect::<Vec<_>>());
}

#[test]
fn one_bad_message_fails_the_array_and_nothing_of_it_is_stored() {
    let hub = start();
    let device = Device::create(&hub, "pump-7");
    let mut http = HttpDevice::open(&hub, &device).expect("the hub listens");
    let argument = (400, "ArgumentInvalid");
    for body in [
        "",
        "{}",
        "[",
        r#"[{"body":"AA=="},{"body":"no base64!"}]"#,
        r#"[{"body":"AA=="},{"body":1,"base64Encoded":false}]"#,
        r#"[{"body":"AA=="},{}]"#,
        r#"[{"body":"AA==","properties":{"a":"b"}},{"body":"AA= ="}]"#,
        r#"[{"body":"AA=="}],[{"body":"AA=="}]"#,
        &"[".repeat(100_000),
        &format!("[{}", r#"{"body":"AA=="},"#.repeat(10_000)),
    ] {
        assert_eq!(refusal(&http.send(BATCH, body)), argument, "{body:.80}");
    }
    let large = format!(r#"[{{"body":"{}"}}]"#, "A".repeat(256 * 1024));
    assert_eq!(refusal(&http.send(BATCH, &large)), (413, "MessageTooLarge"));
    assert_eq!(refusal(&http.send("", &large)), (413, "MessageTooLarge"));
    let other = "Content-Type: application/vnd.microsoft.iothub.cbor\r\n";
    assert_eq!(refusal(&http.send(other, "[]")), (415, "UnsupportedMediaType"));
    assert_eq!(bodies(&read_all(&hub), "pump-7"), [""; 0]);
}

#[test]
fn tokens_admit_to_the_routes_of_their_identity_only() {
    let hub = start();
    let device = Device::create(&hub, "pump-7");
    let other = Device::create(&hub, "pump-8");
    Module::create(&hub, "pump-7", "motor");
    let status = |path: &str, token: &str| {
        let http = HttpDevice::with(&hub, path.to_owned(), token.to_owned());
        let mut http = http.expect("the hub listens");
        let response = http.send("", "x");
        if response.status == 204 {
            (204, String::new())
        } else {
            let (status, code) = refusal(&response);
            (status, code.to_owned())
        }
    };
    let refused = |status, code: &str| (status, code.to_owned());
    let unauthorized = refused(401, "IotHubUnauthorizedAccess");
    assert_eq!(status("/devices/pump-7", &device.token(&hub)).0, 204);
    assert_eq!(status("/devices/pump-8", &device.token(&hub)), unauthorized);
    assert_eq!(status("/devices/pump-7", "SharedAccessSignature sr=x"), unauthorized);
    let past = SystemTime::now() - Duration::from_secs(3600);
    let resource = format!("{}/devices/pump-7", hub.address.ip);
    let expired = sas::token_until(&resource, &device.key, None, past);
    assert_eq!(status("/devices/pump-7", &expired), unauthorized);
    let policy = |name| sas::token(&hub.address.host(), &hub.policy_key(name), Some(name));
    assert_eq!(status("/devices/pump-8", &policy("device")).0, 204);
    assert_eq!(status("/devices/pump-8", &policy("service")), unauthorized);
    assert_eq!(status("/devices/nobody", &policy("device")), refused(404, "DeviceNotFound"));
    let missing = "/devices/pump-8/modules/motor";
    assert_eq!(status(missing, &policy("device")), refused(404, "ModuleNotFound"));
    rest::exchange(&hub, "PUT", "/devices/pump-9", r#"{"deviceId":"pump-9","status":"disabled"}"#)
        .expect("the hub listens");
    assert_eq!(status("/devices/pump-9", &policy("device")), refused(403, "DeviceDisabled"));

    let mut http = HttpDevice::open(&hub, &other).expect("the hub listens");
    for (method, rest) in [("PUT", "/messages/events"), ("GET", "/messages/events")] {
        let response = http.exchange(method, rest, "", "");
        assert_eq!(refusal(&response), (405, "GenericMethodNotAllowed"), "{method} {rest}");
    }
    assert_eq!(http.exchange("GET", "/messages/events?x=%", "", "").status, 405);
    assert_eq!(http.exchange("DELETE", "/messages/deviceBound", "", "").status, 405);
    http.token.clear();
    assert_eq!(refusal(&http.send("", "x")), (401, "IotHubUnauthorizedAccess"));
}

#[test]
fn messages_to_devices_are_locked_completed_abandoned_and_rejected() {
    let mut hub = start();
    let device = Device::create(&hub, "pump-7");
    let mut http = HttpDevice::open(&hub, &device).expect("the hub listens");
    assert_eq!(http.receive("").status, 204);
    let mut sender = C2dSender::connect(&hub).expect("the login is good");
    let to = "/devices/pump-7/messages/devicebound";
    for id in ["c-1", "c-2", "c-3"] {
        let message = C2d { to, id, ack: "full", expiry_ms: None };
        assert_eq!(sender.send(&message, &format!("body of {id}")).expect("accepted"), [""; 0]);
    }
    let first = http.receive("IoTHub-MessageLockTimeout: 120\r\n");
    assert_eq!(first.body, "body of c-1");
    assert_eq!(header(&first, "iothub-messageid"), Some("c-1"));
    assert_eq!(header(&first, "iothub-ack"), Some("full"));
    assert_eq!(header(&first, "iothub-deliverycount"), Some("0"));
    assert!(
        header(&first, "iothub-sequencenumber").is_some_and(|text| text.parse::<u64>().is_ok())
    );
    assert!(header(&first, "iothub-enqueuedtime").is_some_and(|time| time.ends_with('Z')));
    let second = http.receive("");
    assert_eq!(second.body, "body of c-2", "the first is locked");

    assert_eq!(http.settle("POST", &format!("{}/abandon", lock_of(&second))).status, 204);
    let again = http.receive("");
    assert_eq!((&*again.body, header(&again, "iothub-deliverycount")), ("body of c-2", Some("1")));
    let lost = http.settle("DELETE", &lock_of(&second));
    assert_eq!(refusal(&lost), (412, "DeviceMessageLockLost"));
    assert_eq!(refusal(&http.settle("DELETE", "no-token")), (412, "DeviceMessageLockLost"));
    assert_eq!(http.settle("DELETE", &format!("%22{}%22", lock_of(&again))).status, 204);
    assert_eq!(http.settle("DELETE", &format!("{}?reject", lock_of(&first))).status, 204);
    let third = http.receive("");
    assert_eq!(third.body, "body of c-3");
    assert_eq!(http.receive("").status, 204);
    for bad in ["0", "301", "soon"] {
        let response = http.receive(&format!("IoTHub-MessageLockTimeout: {bad}\r\n"));
        assert_eq!(refusal(&response), (400, "ArgumentInvalid"), "{bad}");
    }

    // Locks end with the process; verdicts do not.
    hub.kill();
    hub.reap();
    hub.launch();
    let mut http = HttpDevice::open(&hub, &device).expect("the hub listens");
    let lost = http.settle("DELETE", &lock_of(&third));
    assert_eq!(refusal(&lost), (412, "DeviceMessageLockLost"));
    let again = http.receive("");
    assert_eq!(again.body, "body of c-3", "what was settled does not come again");
    assert_eq!(http.settle("DELETE", &lock_of(&again)).status, 204);
    assert_eq!(http.receive("").status, 204);
}

#[test]
fn what_was_answered_204_survives_a_kill() {
    const ROUNDS: usize = 5;
    let mut hub = start();
    let devices: Vec<Device> =
        (0..3).map(|number| Device::create(&hub, &format!("pump-{number}"))).collect();
    let mut acknowledged = vec![Vec::<String>::new(); devices.len()];
    for round in 0..ROUNDS {
        let (killed, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let (hub, killed, count) = (&hub, &killed, &count);
            for (device, acknowledged) in devices.iter().zip(&mut acknowledged) {
                scope.spawn(move || {
                    for number in 0.. {
                        let body = format!("{round}/{number}");
                        match send_once(hub, device, &body) {
                            Ok(204) => acknowledged.push(body),
                            Ok(status) => panic!("{status}"),
                            Err(_) if killed.load(Ordering::SeqCst) => return,
                            Err(error) => panic!("before the kill: {error}"),
                        }
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let life = Duration::from_millis(50 * round as u64);
            kill_after(hub, killed, || count.load(Ordering::SeqCst) >= 6, life);
        });
        hub.reap();
        hub.launch();
    }
    let events = read_all(&hub);
    let mut total = 0;
    for (device, acknowledged) in devices.iter().zip(&acknowledged) {
        let stored = bodies(&events, &device.id);
        let kept: Vec<&String> = stored.iter().filter(|body| acknowledged.contains(body)).collect();
        assert_eq!(kept, acknowledged.iter().collect::<Vec<_>>(), "{}", device.id);
        total += acknowledged.len();
    }
    println!("http: {ROUNDS} rounds, {total} answered 204, missing 0");
}

/// One message on a connection of its own, which lands on any shard.
fn send_once(hub: &Hub, device: &Device, body: &str) -> io::Result<u16> {
    let mut http = HttpDevice::open(hub, device)?;
    let request = http.text("POST", "/messages/events", "", body);
    http.connection.send(request.as_bytes())?;
    Ok(http.connection.read_response()?.status)
}
