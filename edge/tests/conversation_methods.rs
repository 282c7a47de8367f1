//! Direct methods between back ends and devices, with the SDKs of both sides and without.
//!
//! Hubs run three shards, and devices are spread over all of them, so that most calls cross from
//! the shard of the caller to that of the device.

mod support;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use ringhub_core::limits::METHOD_CALLS_PER_IDENTITY_MAX;
use serde_json::{Value, json};
use support::http::HttpConnection;
use support::hub::{Hub, HubOptions};
use support::methods::{MethodDevice, device_error, invoke};
use support::node::Node;
use support::patience::{PATIENCE, eventually};
use support::python::Python;
use support::rest::{self, Device, Module};

const SHARDS: u16 = 3;
/// Calls at once, and the devices that they are for: enough of them for every shard to have some,
/// whatever the kernel's choice.
const CALLS: usize = 50;
const DEVICES: usize = 40;

fn start() -> Hub {
    let log = "info,ringhub_edge=debug";
    Hub::start_with(HubOptions { shards: SHARDS, log, ..HubOptions::default() })
}

#[test]
fn the_sdks_of_both_sides_hold_a_conversation() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let mut hub = start();
    let [py, py_ws, js, js_ws] = ["py", "py-ws", "js", "js-ws"].map(|id| Device::create(&hub, id));
    let module = Module::create(&hub, &py.id, "valve");
    let text = |device: &Device| hub.device_connection_string(&device.id, &device.key);
    let of_module = format!("{};ModuleId=valve", hub.device_connection_string("py", &module.key));
    let mut devices = vec![
        python.method_device(&hub, &text(&py)).spawn(),
        python.method_device(&hub, &of_module).spawn(),
        node.method_device(&hub, &js, "mqtt").spawn(),
    ];
    let mut targets = vec![json!({"device": "py"}), json!({"device": "js"})];
    targets.push(json!({"device": "py", "module": "valve"}));
    if hub.address.has_port_443() {
        devices.push(python.method_device(&hub, &text(&py_ws)).arg("--websockets").spawn());
        devices.push(node.method_device(&hub, &js_ws, "ws").spawn());
        targets.extend([json!({"device": "py-ws"}), json!({"device": "js-ws"})]);
    } else {
        eprintln!("without WebSockets: the SDKs dial port 443, which this user may not bind");
    }
    for device in &mut devices {
        device.wait_for("state");
    }
    let payload = json!({"delay": 5, "text": "ü", "list": [1, 2.5, null]});
    let echo = json!({"name": "echo", "payload": payload, "connect": 60});
    let status = json!({"name": "status", "payload": {"status": 404}, "connect": 60});
    let bare = json!({"name": "echo", "connect": 60});
    let calls: Vec<Value> = targets
        .iter()
        .flat_map(|target| [&echo, &status, &bare].map(|call| merged(call, target)))
        .collect();
    let echoed =
        |payload: &Value| json!({"status": 200, "payload": {"name": "echo", "payload": payload}});
    // Python turns no payload into an empty text, Node into null, which reaches the device as no
    // bytes at all: a Python device reads that as null, a Node device as broken JSON.
    let no_bytes = |target: &Value| {
        if target["device"].as_str().is_some_and(|id| id.starts_with("js")) {
            let text = "Invalid request format: Unexpected end of JSON input";
            json!({"status": 400, "payload": text})
        } else {
            echoed(&Value::Null)
        }
    };
    let empty_text = |_: &Value| echoed(&json!(""));
    type Reading<'a> = &'a dyn Fn(&Value) -> Value;
    let back_ends: [(_, Reading<'_>); 2] =
        [(python.methods(&hub, &calls), &empty_text), (node.methods(&hub, &calls), &no_bytes)];
    for (back_end, nothing) in back_ends {
        let called = back_end.run();
        let called = called.all("called");
        assert_eq!(called.len(), calls.len());
        for (target, answers) in targets.iter().zip(called.chunks(3)) {
            let refusal = json!({"status": 404, "payload": null});
            let expected = [&echoed(&payload), &refusal, &nothing(target)];
            assert_eq!(answers, expected, "{target}");
        }
    }
    drop(devices);
    hub.assert_sound();
}

#[test]
fn the_sdks_hear_why_a_call_fails() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = start();
    let [here, _away] = ["here", "away"].map(|id| Device::create(&hub, id));
    let text = hub.device_connection_string(&here.id, &here.key);
    let mut device = python.method_device(&hub, &text).spawn();
    device.wait_for("state");
    let large = "x".repeat(100 * 1024);
    let too_large = json!([large, large]);
    let cases = [
        (json!({"device": "away", "name": "echo"}), 404, "DeviceNotOnline", "Error"),
        (json!({"device": "nobody", "name": "echo"}), 404, "DeviceNotFound", "Error"),
        (json!({"device": "here", "module": "m", "name": "echo"}), 404, "ModuleNotFound", "Error"),
        (json!({"device": "here", "name": "a/b"}), 400, "ArgumentInvalid", "ArgumentError"),
        (
            json!({"device": "here", "name": "silent", "response": 5}),
            504,
            "GatewayTimeout",
            "GatewayTimeoutError",
        ),
    ];
    let calls: Vec<Value> = cases.iter().map(|(call, ..)| call.clone()).collect();
    let begun = Instant::now();
    let heard = python.methods(&hub, &calls).run();
    assert!(begun.elapsed() >= Duration::from_secs(4), "the silent device had its time");
    for (called, (_, http, code, _)) in heard.all("called").into_iter().zip(&cases) {
        assert_eq!((&called["http"], &called["code"]), (&json!(http), &json!(code)), "{called}");
    }
    let heard = node.methods(&hub, &calls).run();
    for (called, (call, http, _, name)) in heard.all("called").into_iter().zip(&cases) {
        assert_eq!(called["http"], json!(http), "{call}: {called}");
        assert_eq!(called["error"], json!(name), "{call}: {called}");
    }
    // An argument of a process cannot be so long.
    let call = json!({"methodName": "echo", "payload": too_large});
    let (status, body) = invoke(&hub, "here", &call);
    assert_eq!((status, &device_error(&body)["errorCode"]), (413, &json!(413_001)));
}

#[test]
fn a_call_waits_for_a_device_that_comes_late() {
    let (Some(python), Some(node)) = (Python::provisioned(), Node::provisioned()) else { return };
    let hub = start();
    let [py, js] = ["py", "js"].map(|id| Device::create(&hub, id));
    let call = |device: &Device| json!({"device": device.id, "name": "echo", "payload": 7, "connect": 120});
    let calls = [call(&py), call(&js)];
    let back_ends = [python.methods(&hub, &calls).spawn(), node.methods(&hub, &calls).spawn()];
    // The calls are under way before anybody is there to take them.
    thread::sleep(Duration::from_secs(3));
    let text = hub.device_connection_string(&py.id, &py.key);
    let _py = python.method_device(&hub, &text).spawn();
    let _js = node.method_device(&hub, &js, "mqtt").spawn();
    let expected = json!({"status": 200, "payload": {"name": "echo", "payload": 7}});
    for back_end in back_ends {
        assert_eq!(back_end.finish().all("called"), [&expected; 2]);
    }
}

#[test]
fn fifty_calls_at_once_reach_forty_devices_on_all_shards() {
    let Some(python) = Python::provisioned() else { return };
    let mut hub = start();
    let devices: Vec<Device> =
        (0..DEVICES).map(|n| Device::create(&hub, &format!("pump-{n}"))).collect();
    let connect = |device| MethodDevice::connect(&hub, device).expect("the device may connect");
    let connected: Vec<MethodDevice> = devices.iter().map(connect).collect();
    let used: BTreeSet<u16> = devices.iter().flat_map(|device| hub.shards_of(&device.id)).collect();
    assert_eq!(used.len(), usize::from(SHARDS), "devices were not spread over the shards");
    let calls: Vec<Value> = (0..CALLS)
        .map(|n| json!({"device": devices[n % DEVICES].id, "name": "echo", "payload": {"n": n}}))
        .collect();
    let called = thread::scope(|scope| {
        for (number, mut device) in connected.into_iter().enumerate() {
            // Python takes its time before it calls anybody.
            device.mqtt.set_patience(PATIENCE).expect("a socket");
            let calls = (number..CALLS).step_by(DEVICES).count();
            scope.spawn(move || device.echo(calls).expect("its calls come"));
        }
        python.methods(&hub, &calls).run()
    });
    let expected: Vec<Value> =
        (0..CALLS).map(|n| json!({"status": 200, "payload": {"n": n}})).collect();
    assert_eq!(called.all("called"), expected.iter().collect::<Vec<_>>());
    hub.assert_sound();
}

#[test]
fn a_takeover_ends_the_running_call_and_serves_the_next() {
    let mut hub = start();
    let device = Device::create(&hub, "pump");
    let mut connection = MethodDevice::connect(&hub, &device).expect("the device may connect");
    for _ in 0..10 {
        thread::scope(|scope| {
            let hub = &hub;
            let running = scope.spawn(move || invoke(hub, "pump", &json!({"methodName": "run"})));
            let call = connection.next_call().expect("the call comes");
            let next = MethodDevice::connect(hub, &device).expect("the next one wins");
            let mut old = std::mem::replace(&mut connection, next);
            old.mqtt.read_to_end().expect("the old connection is closed");
            // The device means well, but the caller has heard the truth already.
            connection.answer("200", &call.rid, "{}").expect("the answer is acknowledged");
            let (status, body) = running.join().expect("the call ends");
            assert_eq!((status, &device_error(&body)["errorCode"]), (404, &json!(404_104)));
            let next = scope.spawn(move || invoke(hub, "pump", &json!({"methodName": "next"})));
            connection.echo(1).expect("the next call comes");
            let answer = next.join().expect("the call ends");
            assert_eq!(answer, (200, json!({"status": 200, "payload": null})));
        });
    }
    let used: BTreeSet<u16> = hub.shards_of("pump").into_iter().collect();
    assert!(used.len() > 1, "no takeover between shards");
    hub.assert_sound();
}

#[test]
fn only_the_device_that_was_called_can_answer_and_only_once() {
    let mut hub = start();
    let [called, other] = ["called", "other"].map(|id| Device::create(&hub, id));
    let connect = |device| MethodDevice::connect(&hub, device).expect("the device may connect");
    let [mut called, mut other] = [&called, &other].map(connect);
    thread::scope(|scope| {
        let hub = &hub;
        let running = scope.spawn(|| invoke(hub, "called", &json!({"methodName": "run"})));
        let call = called.next_call().expect("the call comes");
        assert_eq!((&*call.name, &*call.payload), ("run", ""));
        other.answer("200", &call.rid, "\"forged\"").expect("it is acknowledged");
        for rid in ["0", "ffff", "no-such-call", &call.rid.to_uppercase()] {
            if rid != call.rid {
                called.answer("200", rid, "\"unknown\"").expect("it is acknowledged");
            }
        }
        called.answer("-7", &call.rid, "\"true\"").expect("it is acknowledged");
        called.answer("200", &call.rid, "\"again\"").expect("it is acknowledged");
        let answer = running.join().expect("the call ends");
        assert_eq!(answer, (200, json!({"status": -7, "payload": "true"})));
    });
    hub.assert_sound();
}

#[test]
fn bad_answers_of_a_device_are_told_to_the_caller() {
    let mut hub = start();
    let device = Device::create(&hub, "pump");
    let mut connection = MethodDevice::connect(&hub, &device).expect("the device may connect");
    thread::scope(|scope| {
        let hub = &hub;
        let run = || scope.spawn(|| invoke(hub, "pump", &json!({"methodName": "run"})));
        let running = run();
        let call = connection.next_call().expect("the call comes");
        connection.answer("200", &call.rid, "{no JSON").expect("it is acknowledged");
        let (status, body) = running.join().expect("the call ends");
        assert_eq!((status, &device_error(&body)["errorCode"]), (502, &json!(502_000)));

        // A topic that the hub does not know ends the connection, and with it the call.
        let running = run();
        let call = connection.next_call().expect("the call comes");
        connection.answer("fine", &call.rid, "{}").expect_err("the hub closes the connection");
        let (status, body) = running.join().expect("the call ends");
        assert_eq!((status, &device_error(&body)["errorCode"]), (404, &json!(404_104)));
    });
    hub.assert_sound();
}

#[test]
fn a_device_that_has_unsubscribed_is_not_online() {
    let hub = start();
    let device = Device::create(&hub, "pump");
    let mut connection = MethodDevice::connect(&hub, &device).expect("the device may connect");
    connection.unsubscribe().expect("the hub agrees");
    let (status, body) = invoke(&hub, "pump", &json!({"methodName": "run"}));
    assert_eq!(status, 404);
    let expected = json!({
        "errorCode": 404_103,
        "message": "Timed out waiting for device to connect.",
        "info": {"timeout": "00:00:00"},
    });
    assert_eq!(device_error(&body), expected);
    thread::scope(|scope| {
        let patient = json!({"methodName": "run", "connectTimeoutInSeconds": 20});
        let hub = &hub;
        let running = scope.spawn(move || invoke(hub, "pump", &patient));
        thread::sleep(Duration::from_millis(500));
        connection.subscribe().expect("the hub agrees");
        connection.echo(1).expect("the call comes");
        assert_eq!(running.join().expect("the call ends").0, 200);
    });
}

#[test]
fn a_persistent_session_listens_as_soon_as_it_is_back() {
    let hub = start();
    let device = Device::create(&hub, "pump");
    drop(MethodDevice::connect(&hub, &device).expect("the device may connect"));
    eventually("the device is gone", || {
        let (_, body) = rest::exchange(&hub, "GET", "/devices/pump", "").expect("answered");
        body.contains(r#""connectionState":"Disconnected""#)
    });
    thread::scope(|scope| {
        let patient = json!({"methodName": "run", "connectTimeoutInSeconds": 20});
        let hub = &hub;
        let running = scope.spawn(move || invoke(hub, "pump", &patient));
        thread::sleep(Duration::from_millis(500));
        let mqtt = support::mqtt::MqttDevice::connect(hub, &device);
        let mut connection = MethodDevice { mqtt: mqtt.expect("the device may connect") };
        connection.echo(1).expect("the call comes without a new subscription");
        assert_eq!(running.join().expect("the call ends").0, 200);
    });
}

fn merged(call: &Value, target: &Value) -> Value {
    let mut merged = call.clone();
    let members = target.as_object().expect("an object").clone();
    merged.as_object_mut().expect("an object").extend(members);
    merged
}

/// Method: as many calls as one device may have, of callers that hang up; the bound tells when they
/// are gone.
#[test]
fn calls_of_callers_that_hang_up_leave_when_their_time_is_over() {
    let mut hub = start();
    let device = Device::create(&hub, "pump");
    let mut connection = MethodDevice::connect(&hub, &device).expect("the device may connect");
    connection.mqtt.set_patience(PATIENCE).expect("a socket");
    // Longer than it takes to make so many connections.
    let body = json!({"methodName": "run", "responseTimeoutInSeconds": 30}).to_string();
    let mut last = None;
    for _ in 0..METHOD_CALLS_PER_IDENTITY_MAX {
        let mut caller = HttpConnection::open(&hub).expect("the hub listens");
        let request = caller.request("POST", "/twins/pump/methods", "", &body);
        caller.send(request.as_bytes()).expect("the hub listens");
        last = Some(connection.next_call().expect("the call comes"));
    }
    let call = || invoke(&hub, "pump", &json!({"methodName": "next"}));
    assert_eq!(call().0, 403, "calls without callers count");
    let begun = Instant::now();
    thread::scope(|scope| {
        // The oldest go first, so that there is room soon.
        let next = scope.spawn(|| {
            loop {
                match call() {
                    (403, _) => thread::sleep(Duration::from_millis(100)),
                    answer => return answer,
                }
            }
        });
        let call = connection.next_call().expect("the call comes");
        assert_eq!(call.name, "next");
        // An answer to somebody who is gone harms nobody.
        let late = last.expect("there were calls");
        connection.answer("200", &late.rid, "{}").expect("it is acknowledged");
        connection.answer("200", &call.rid, "7").expect("it is acknowledged");
        let (status, body) = next.join().expect("the call ends");
        assert_eq!((status, &body["payload"]), (200, &json!(7)));
    });
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    hub.assert_sound();
}
