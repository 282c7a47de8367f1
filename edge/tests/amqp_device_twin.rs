//! Twins and methods of devices over AMQP without any SDK: the forms of ids, credit, half pairs,
//! and what is told to whom.

mod support;

use std::thread;

use ringhub_core::codec::amqp::section::MessageId;
use ringhub_core::method::{AmqpAnswer, AmqpCall};
use ringhub_core::session::amqp::{ClientSasl, LinkId, Outgoing};
use ringhub_core::twin::{TwinNews, TwinOperation, TwinRequest};
use serde_json::{Value, json};
use support::amqp::{AmqpClient, Fact};
use support::amqp_device::AmqpDevice;
use support::hub::{Hub, HubOptions};
use support::methods::{device_error, invoke};
use support::mqtt::MqttDevice;
use support::rest::{self, Device};

const TWIN: &str = "/devices/pump/twin";
const METHODS: &str = "/devices/pump/methods/devicebound";

/// A device with a twin pair.
struct TwinDevice {
    amqp: AmqpDevice,
    requests: LinkId,
    replies: LinkId,
}

impl TwinDevice {
    fn connect(hub: &Hub, device: &Device, credit: u32) -> Self {
        let mut amqp = AmqpDevice::connect(hub, device).expect("the device may connect");
        let requests = amqp.sender(TWIN).expect("an answer").expect("the device has a twin");
        let replies = amqp.receiver(TWIN).expect("an answer").expect("the device has a twin");
        let mut device = Self { amqp, requests, replies };
        device.grant(credit);
        device
    }

    fn grant(&mut self, credit: u32) {
        self.amqp.client.machine().grant_credit(self.replies, credit);
        self.amqp.client.flush().expect("the hub listens");
    }

    /// Sends a request and waits until it is taken.
    fn ask(&mut self, id: MessageId<'_>, operation: TwinOperation<'_>) {
        let mut message = bytes::BytesMut::new();
        TwinRequest { correlation_id: id, operation }.encode(&mut message);
        let sent = self.amqp.transfer(self.requests, 0, &message).expect("the hub listens");
        // The answer may come before the outcome.
        loop {
            match self.amqp.client.next().expect("an outcome") {
                Fact::Settled(delivery, outcome) => {
                    assert_eq!((delivery, outcome), (sent, Vec::new()));
                    return;
                }
                Fact::Credit(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The answer that comes next: status, version and body.
    fn answer(&mut self, id: MessageId<'_>) -> (i32, Option<i64>, Value) {
        let message = self.next();
        match TwinNews::decode(&message).expect("news of the twin") {
            TwinNews::Answer { correlation_id, status, version, body } => {
                assert_eq!(correlation_id, id, "value and type");
                let body = match &*body {
                    b"" => Value::Null,
                    body => serde_json::from_slice(body).expect("JSON"),
                };
                (status, version, body)
            }
            other @ TwinNews::Desired { .. } => panic!("{other:?}"),
        }
    }

    fn desired(&mut self) -> (i64, Value) {
        let message = self.next();
        match TwinNews::decode(&message).expect("news of the twin") {
            TwinNews::Desired { version, patch } => {
                (version, serde_json::from_slice(&patch).expect("JSON"))
            }
            other @ TwinNews::Answer { .. } => panic!("{other:?}"),
        }
    }

    fn next(&mut self) -> Vec<u8> {
        loop {
            match self.amqp.client.next().expect("news") {
                Fact::Message(message) => return message,
                Fact::Credit(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn change(hub: &Hub, desired: &Value) {
    let body = json!({"properties": {"desired": desired}}).to_string();
    let (status, answer) =
        rest::exchange(hub, "PATCH", "/twins/pump", &body).expect("the hub answers");
    assert_eq!(status, 200, "{answer}");
}

fn report(patch: &str, version: Option<u64>) -> TwinOperation<'_> {
    TwinOperation::Report { version, patch: patch.as_bytes().into() }
}

#[test]
fn requests_are_answered_under_their_ids_and_changes_come_when_asked_for() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut device = TwinDevice::connect(&hub, &pump, 100);
    change(&hub, &json!({"early": 1}));
    let ids = [
        MessageId::Ulong(7),
        MessageId::Uuid([9; 16]),
        MessageId::Binary(b"0123456789abcdef"),
        MessageId::Str("09090909-0909-0909-0909-090909090909"),
    ];
    for id in ids {
        device.ask(id, TwinOperation::Get);
        let (status, _, twin) = device.answer(id);
        assert_eq!((status, &twin["desired"]["early"]), (200, &json!(1)), "{twin}");
    }
    let id = ids[1];
    device.ask(id, report(r#"{"fan":3}"#, None));
    assert_eq!(device.answer(id), (200, Some(2), Value::Null));
    device.ask(id, report(r#"{"fan":4}"#, Some(1)));
    assert_eq!(device.answer(id).0, 412);
    device.ask(id, report(r#"{"fan":"#, None));
    let (status, _, error) = device.answer(id);
    assert_eq!((status, error["errorCode"].is_u64()), (400, true), "{error}");

    device.ask(id, TwinOperation::Subscribe);
    assert_eq!(device.answer(id), (200, None, Value::Null));
    change(&hub, &json!({"late": 2}));
    assert_eq!(device.desired(), (3, json!({"late": 2, "$version": 3})));
    device.ask(id, TwinOperation::Unsubscribe);
    assert_eq!(device.answer(id), (200, None, Value::Null));
    change(&hub, &json!({"unheard": 3}));
    device.ask(id, TwinOperation::Get);
    assert_eq!(device.answer(id).2["desired"]["unheard"], 3, "nothing came before");

    let sent = device.amqp.transfer(device.requests, 0, b"\0\x53\x77\x40").expect("listens");
    let (settled, outcome) = device.amqp.outcome().expect("an outcome");
    assert_eq!((settled, &*outcome[0]), (sent, "com.microsoft:argument-error"));
    hub.assert_sound();
}

#[test]
fn answers_wait_for_credit_and_changes_do_not() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut device = TwinDevice::connect(&hub, &pump, 1);
    device.ask(MessageId::Ulong(0), TwinOperation::Subscribe);
    assert_eq!(device.answer(MessageId::Ulong(0)).0, 200);
    for number in 1..=5 {
        device.ask(MessageId::Ulong(number), report(&format!(r#"{{"n":{number}}}"#), None));
    }
    change(&hub, &json!({"missed": true}));
    device.grant(100);
    for number in 1..=5 {
        let version = i64::try_from(number + 1).expect("small");
        assert_eq!(device.answer(MessageId::Ulong(number)), (200, Some(version), Value::Null));
    }
    change(&hub, &json!({"heard": true}));
    let (version, patch) = device.desired();
    assert_eq!((version, &patch["heard"]), (3, &json!(true)), "{patch}");
    hub.assert_sound();
}

#[test]
fn a_device_that_takes_no_answers_leaves_others_theirs() {
    let mut hub = Hub::start();
    let (pump, fan) = (Device::create(&hub, "pump"), Device::create(&hub, "fan"));
    let text = "x".repeat(4000);
    let large: serde_json::Map<_, _> =
        (0..7).map(|n| (format!("p{n}"), Value::String(text.clone()))).collect();
    for id in ["pump", "fan"] {
        let body = json!({"properties": {"desired": large}}).to_string();
        let (status, answer) =
            rest::exchange(&hub, "PATCH", &format!("/twins/{id}"), &body).expect("the hub answers");
        assert_eq!(status, 200, "{answer}");
    }
    let mut device = TwinDevice::connect(&hub, &pump, 0);
    device.amqp.authenticate(&hub, &fan).expect("its token is good");
    let address = TWIN.replace("pump", "fan");
    let requests = device.amqp.sender(&address).expect("an answer").expect("fan has a twin");
    let replies = device.amqp.receiver(&address).expect("an answer").expect("fan has a twin");
    let mut message = bytes::BytesMut::new();
    let get = TwinRequest { correlation_id: MessageId::Ulong(1), operation: TwinOperation::Get };
    get.encode(&mut message);
    // One link after the other.
    let mut detached = 0;
    while detached < 2 {
        if detached == 0 {
            let machine = device.amqp.client.machine();
            let _ = machine.send(device.requests, &[&message], Outgoing::default());
        }
        match device.amqp.client.next().expect("an outcome") {
            Fact::Settled(..) | Fact::Credit(_) => {}
            Fact::Detached { condition, .. } => {
                assert_eq!(condition, "amqp:resource-limit-exceeded");
                detached += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    (device.requests, device.replies) = (requests, replies);
    device.grant(1);
    device.ask(MessageId::Ulong(2), TwinOperation::Get);
    assert_eq!(device.answer(MessageId::Ulong(2)).0, 200);
    hub.assert_sound();
}

#[test]
fn a_device_that_drains_gets_its_credit_back() {
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut twin = TwinDevice::connect(&hub, &pump, 10);
    let calls = twin.amqp.receiver(METHODS).expect("an answer").expect("it may be called");
    for link in [twin.replies, calls] {
        let machine = twin.amqp.client.machine();
        machine.grant_credit(link, 5);
        machine.drain(link);
        assert_eq!(twin.amqp.client.next().expect("an answer"), Fact::Drained);
        let left = twin.amqp.client.machine().credit_of(link).expect("the link is there");
        assert_eq!(left.left, 0);
    }
    twin.grant(1);
    twin.ask(MessageId::Ulong(1), TwinOperation::Get);
    assert_eq!(twin.answer(MessageId::Ulong(1)).0, 200);
    hub.assert_sound();
}

#[test]
fn changes_wait_for_a_connection_that_is_busy() {
    const CHANGES: i64 = 20;
    let mut hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let (user, password) = (format!("pump@sas.{}", hub.address.ip), pump.token(&hub));
    let login = ClientSasl::Plain { user: &user, password: &password };
    // The window of its session takes two messages, and it does not read for a while.
    let client = AmqpClient::connect(&hub, login, 2).expect("its token is good");
    let mut amqp = AmqpDevice::without_tokens(client);
    let requests = amqp.sender(TWIN).expect("an answer").expect("the device has a twin");
    let replies = amqp.receiver(TWIN).expect("an answer").expect("the device has a twin");
    let mut device = TwinDevice { amqp, requests, replies };
    device.grant(100);
    device.ask(MessageId::Ulong(0), TwinOperation::Subscribe);
    assert_eq!(device.answer(MessageId::Ulong(0)).0, 200);
    for number in 1..=CHANGES {
        change(&hub, &json!({"n": number}));
    }
    for number in 1..=CHANGES {
        let (version, patch) = device.desired();
        assert_eq!((version, &patch["n"]), (number + 1, &json!(number)));
    }
    hub.assert_sound();
}

/// A device with one or both of its method links.
struct MethodDevice {
    amqp: AmqpDevice,
    answers: LinkId,
}

impl MethodDevice {
    fn connect(hub: &Hub, device: &Device) -> Self {
        let mut amqp = AmqpDevice::connect(hub, device).expect("the device may connect");
        let answers = amqp.sender(METHODS).expect("an answer").expect("methods are served");
        Self { amqp, answers }
    }

    fn listen(&mut self, credit: u32) {
        let calls = self.attach_calls();
        self.grant(calls, credit);
    }

    fn attach_calls(&mut self) -> LinkId {
        self.amqp.receiver(METHODS).expect("an answer").expect("methods are served")
    }

    fn grant(&mut self, calls: LinkId, credit: u32) {
        self.amqp.client.machine().grant_credit(calls, credit);
        self.amqp.client.flush().expect("the hub listens");
    }

    fn next(&mut self) -> Vec<u8> {
        loop {
            match self.amqp.client.next().expect("a call is due") {
                Fact::Message(message) => return message,
                Fact::Credit(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn answer(&mut self, id: MessageId<'_>, status: i32, body: &str) -> Vec<String> {
        let mut message = bytes::BytesMut::new();
        AmqpAnswer::encode_as(id, status, body.as_bytes(), &mut message);
        self.amqp.transfer(self.answers, 0, &message).expect("the hub listens");
        self.amqp.outcome().expect("an outcome").1
    }
}

fn error_code(answer: &(u16, Value)) -> (u16, Value) {
    (answer.0, device_error(&answer.1)["errorCode"].clone())
}

#[test]
fn a_device_without_credit_is_not_called_yet() {
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let pump = Device::create(&hub, "pump");
    let mut device = MethodDevice::connect(&hub, &pump);
    let calls = device.attach_calls();
    let refused = invoke(&hub, "pump", &json!({"methodName": "run"}));
    assert_eq!(error_code(&refused), (404, json!(404_103)), "the whole pair is without credit");
    let call = json!({"methodName": "run", "connectTimeoutInSeconds": 60});
    thread::scope(|scope| {
        let running = scope.spawn(|| invoke(&hub, "pump", &call));
        device.grant(calls, 1);
        let message = device.next();
        let received = AmqpCall::decode(&message).expect("a call");
        device.answer(received.correlation_id, 200, "1");
        assert_eq!(running.join().expect("the call ends").0, 200);
    });
    hub.assert_sound();
}

#[test]
fn a_device_is_called_on_a_whole_pair_and_answers_in_any_form() {
    let mut hub = Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() });
    let pump = Device::create(&hub, "pump");
    let call = json!({"methodName": "run", "payload": {"fast": true}});
    let mut device = MethodDevice::connect(&hub, &pump);
    let half = invoke(&hub, "pump", &call);
    assert_eq!(error_code(&half), (404, json!(404_103)), "there is no link for calls");
    device.listen(4);
    for form in 0..3 {
        let waiting = json!({
            "methodName": "run", "payload": {"fast": true}, "connectTimeoutInSeconds": 30,
        });
        thread::scope(|scope| {
            let running = scope.spawn(|| invoke(&hub, "pump", &waiting));
            let message = device.next();
            let received = AmqpCall::decode(&message).expect("a call");
            assert_eq!((received.name, &*received.payload), ("run", &br#"{"fast":true}"#[..]));
            let MessageId::Uuid(uuid) = received.correlation_id else { panic!("a UUID") };
            let text = ringhub_core::codec::amqp::primitive::uuid_text(&uuid);
            let id = match form {
                0 => MessageId::Uuid(uuid),
                1 => MessageId::Binary(&uuid),
                _ => MessageId::Str(&text),
            };
            assert_eq!(device.answer(id, 200 + form, r#"{"ok":true}"#), Vec::<String>::new());
            let (code, answer) = running.join().expect("the call ends");
            assert_eq!(code, 200, "{answer}");
            assert_eq!(answer, json!({"status": 200 + form, "payload": {"ok": true}}));
            // Once more is too late, and harmless.
            assert_eq!(device.answer(id, 500, ""), Vec::<String>::new());
        });
    }
    let bad = device.answer(MessageId::Str("nobody asked"), 200, "");
    assert_eq!(bad[0], "com.microsoft:argument-error");
    thread::scope(|scope| {
        let running = scope.spawn(|| invoke(&hub, "pump", &call));
        device.next();
        let mqtt = MqttDevice::connect(&hub, &pump).expect("the newest wins");
        let ended = running.join().expect("the call ends");
        assert_eq!(error_code(&ended), (404, json!(404_104)));
        drop(mqtt);
    });
    hub.assert_sound();
}
