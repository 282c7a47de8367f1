//! Calls through the whole control plane, with seats that only remember what they are told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method};
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::{ConnectionId, DeviceId, HubId, Identity, SeatId, ShardId};
use ringhub_core::limits::METHOD_CALLS_PER_IDENTITY_MAX;
use ringhub_core::method::MethodCall;
use ringhub_core::time::UnixMillis;
use serde_json::{Value, json};

use crate::api::{Request, Response};
use crate::directory::IdentityRef;
use crate::tests::{HOST_NAME, TempDir, config};
use crate::{ControlPlane, Shards};

const HUB: HubId = HubId(0);
const DEVICE: SeatId =
    SeatId { connection: ConnectionId { shard: ShardId(1), slot: 4, generation: 2 }, number: 7 };

#[derive(Default)]
struct Told(Mutex<Vec<(SeatId, MethodCall)>>);

impl Shards for Told {
    fn invoke_method(&self, seat: SeatId, call: MethodCall) {
        self.0.lock().expect("no test panics here").push((seat, call));
    }
}

/// A control plane with the device `pump`.
struct World {
    control: ControlPlane,
    told: Arc<Told>,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let (dir, told) = (TempDir::new(), Arc::<Told>::default());
        let control = ControlPlane::open(&config(dir.path()), told.clone());
        let control = control.expect("a fresh directory opens");
        let world = Self { control, told, _dir: dir };
        assert_eq!(world.send("PUT", "/devices/pump", &json!({})).status, 200);
        world
    }

    fn token(&self, policy: &str) -> String {
        let policies = self.control.policies(HUB);
        let policy = policies.iter().find(|known| known.name == policy).expect("a default policy");
        sign(HOST_NAME, policy.keys.primary(), 4_000_000_000, Some(&policy.name))
    }

    fn submit(
        &self,
        policy: &str,
        verb: &str,
        path: &str,
        body: &Value,
    ) -> flume::Receiver<Response> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(HOST_NAME));
        let token = HeaderValue::try_from(self.token(policy)).expect("a header value");
        headers.insert(AUTHORIZATION, token);
        let request = Request {
            method: Method::from_bytes(verb.as_bytes()).expect("a method"),
            path_and_query: format!("{path}?api-version=2021-04-12"),
            headers,
            properties: Vec::new(),
            body: body.to_string().into(),
        };
        let (sender, receiver) = flume::bounded(1);
        self.control.submit(request, Box::new(move |response| drop(sender.send(response))));
        receiver
    }

    fn send(&self, verb: &str, path: &str, body: &Value) -> Response {
        self.submit("iothubowner", verb, path, body).recv().expect("every request is answered")
    }

    fn invoke(&self, body: &Value) -> flume::Receiver<Response> {
        self.submit("service", "POST", "/twins/pump/methods", body)
    }

    fn connect(&self) {
        let token = self.token("device");
        let directory = self.control.directory();
        let name = IdentityRef { device: "pump", module: None };
        let now = UnixMillis::EPOCH;
        let grant = directory.authenticate(HUB, name, &token, now).expect("the policy may");
        directory.reserve(&grant, DEVICE, now).expect("the device may connect");
    }

    /// Waits for the next call that the device's shard hears of.
    fn next_call(&self) -> MethodCall {
        let begun = Instant::now();
        loop {
            if let Some((seat, call)) = self.told.0.lock().expect("no panic").pop() {
                assert_eq!(seat, DEVICE);
                return call;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no call came");
            std::thread::yield_now();
        }
    }
}

fn pump() -> Identity {
    Identity { device: DeviceId::parse("pump").expect("a valid id"), module: None }
}

fn code(response: &Response) -> u64 {
    let body: Value = serde_json::from_slice(&response.body).expect("errors are JSON");
    let message = body["Message"].as_str().expect("errors have a message");
    let inner: Value = serde_json::from_str(message).expect("the message is JSON");
    let code = inner["errorCode"].as_u64().expect("a number");
    assert_eq!(code / 1000, u64::from(response.status.as_u16()), "{inner}");
    code
}

#[test]
fn refusals_come_before_anybody_is_told() {
    let world = World::new();
    let call = json!({"methodName": "run"});
    let ask = |path: &str| code(&world.send("POST", path, &call));
    assert_eq!(ask("/twins/nobody/methods"), 404_001);
    assert_eq!(ask("/twins/nobody/modules/m/methods"), 404_001);
    assert_eq!(ask("/twins/pump/modules/m/methods"), 404_010);
    assert_eq!(ask("/twins/pump/methods"), 404_103);
    assert_eq!(world.send("GET", "/twins/pump/methods", &call).status, 405);
    for policy in ["registryReadWrite", "device"] {
        let response = world.submit(policy, "POST", "/twins/pump/methods", &call).recv();
        assert_eq!(response.expect("answered").status, 401, "{policy}");
    }
    let disabled = json!({"status": "disabled"});
    let path = "/devices/pump";
    let device: Value = serde_json::from_slice(&world.send("GET", path, &json!({})).body)
        .expect("a device is JSON");
    assert_eq!(device["status"], "enabled");
    assert_eq!(world.send("DELETE", path, &json!({})).status, 204);
    assert_eq!(world.send("PUT", path, &disabled).status, 200);
    assert_eq!(ask("/twins/pump/methods"), 403_012);
    assert!(world.told.0.lock().expect("no panic").is_empty());
}

#[test]
fn a_call_goes_to_the_live_seat_and_its_answer_back() {
    let world = World::new();
    world.connect();
    let answer = world.invoke(&json!({"methodName": "run", "payload": {"a": 1}}));
    let call = world.next_call();
    assert_eq!((&*call.invocation.name, &*call.invocation.payload), ("run", &br#"{"a":1}"#[..]));
    let methods = world.control.methods();
    let other = SeatId { number: 8, ..DEVICE };
    methods.handle_answer(other, &call.id.to_string(), 200, b"1");
    methods.handle_answer(DEVICE, "0", 200, b"2");
    methods.handle_answer(DEVICE, &call.id.to_string(), 201, b"3");
    methods.handle_answer(DEVICE, &call.id.to_string(), 202, b"4");
    let answer = answer.recv().expect("the call is answered");
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (200, &br#"{"status":201,"payload":3}"#[..])
    );
}

#[test]
fn a_call_that_waits_is_sent_when_the_device_listens() {
    let world = World::new();
    let patient = json!({"methodName": "run", "connectTimeoutInSeconds": 60});
    let answer = world.invoke(&patient);
    while world.control.methods().waiting.load(super::Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    world.connect();
    world.control.methods().handle_ready(HUB, &pump(), DEVICE);
    let call = world.next_call();
    world.control.methods().handle_gone(HUB, &pump(), DEVICE);
    assert_eq!(code(&answer.recv().expect("the call is answered")), 404_104);
    world.control.methods().handle_answer(DEVICE, &call.id.to_string(), 200, b"1");
}

#[test]
fn the_clock_ends_what_nobody_answers() {
    let world = World::new();
    let begun = Instant::now();
    let nobody = world.invoke(&json!({"methodName": "run", "connectTimeoutInSeconds": 1}));
    assert_eq!(code(&nobody.recv().expect("the call is answered")), 404_103);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    world.connect();
    let begun = Instant::now();
    let long = world.invoke(&json!({"methodName": "run", "responseTimeoutInSeconds": 300}));
    let short = world.invoke(&json!({"methodName": "run", "responseTimeoutInSeconds": 5}));
    assert_eq!(code(&short.recv().expect("the call is answered")), 504_101);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
    assert!(long.try_recv().is_err(), "the other one waits on");
    world.control.shutdown();
    assert!(long.recv().is_err(), "nobody answers a call of a hub that has ended");
}

#[test]
fn a_device_has_a_bounded_number_of_calls() {
    let world = World::new();
    world.connect();
    let run = json!({"methodName": "run"});
    let waiting: Vec<_> = (0..METHOD_CALLS_PER_IDENTITY_MAX).map(|_| world.invoke(&run)).collect();
    for _ in &waiting {
        world.next_call();
    }
    let refused = world.invoke(&run).recv().expect("answered at once");
    assert_eq!(code(&refused), 403_800);
    world.control.methods().handle_gone(HUB, &pump(), DEVICE);
    for answer in waiting {
        assert_eq!(code(&answer.recv().expect("the call is answered")), 404_104);
    }
}
