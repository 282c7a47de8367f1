//! Everything that a device does, for every SDK, every transport and every kind of proof: one
//! table, so that no protocol can miss a scenario.
//!
//! A scenario that a transport does not offer is tried all the same: the SDK has to say so, as
//! [`Client::lacks`] expects it. The table is printed by
//! `cargo test -p ringhub-edge --test scenarios -- --nocapture`.
//! Scripts: `told_device` in `tests/interop`.

mod support;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::BytesMut;
use ringhub_core::codec::amqp::primitive::write_str;
use ringhub_core::codec::amqp::section::{
    MapSection, MessageId, Properties, begin_map_section, end_map_section, write_data,
};
use serde_json::{Value, json};
use support::c2d::{C2dSender, FeedbackReader};
use support::factory::{Made, Wish};
use support::history::{StoredEvent, read_all};
use support::hub::{Hub, HubOptions};
use support::methods::invoke;
use support::node::Node;
use support::patience::eventually;
use support::python::Python;
use support::rest::{Device, add_authority, create_certified, exchange, set_status};
use support::told::{Proof, Told};

/// `Ok`, or the name of the error by which the SDK says that it has no such thing.
type Outcome = Result<(), String>;

type Scenario = fn(&mut Client<'_>) -> Outcome;

/// All of them, in the order in which a device goes through them.
const SCENARIOS: [(&str, Scenario); 13] = [
    ("send", send),
    ("batch", batch),
    ("wrong proof", wrong_proof),
    ("twin get", twin_get),
    ("twin patch", twin_patch),
    ("desired change", desired_change),
    ("method", method),
    ("complete", complete),
    ("abandon", abandon),
    ("reject", reject),
    ("eviction", eviction),
    ("renewal", renewal),
    ("disable", disable),
];

/// What an SDK is asked for by HTTP, which has no seat that another could take.
const NO_SEAT: &str = "nobody is evicted";

/// Sent while the device is being disabled.
const LATE: &str = "late";

enum Sdk {
    Node(Node),
    Python(Python),
}

/// The kinds of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    SelfSigned,
    Issued,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::SelfSigned => "self-signed",
            Self::Issued => "authority",
        }
    }
}

/// A hub with its authority, and what the devices of all clients of a test share.
struct Fleet {
    hub: Hub,
    line: Made,
    kind: Kind,
}

impl Fleet {
    fn start(kind: Kind) -> Self {
        let options =
            HubOptions { shards: 3, log: "info,ringhub_edge=debug", ..HubOptions::default() };
        let hub = Hub::start_with(options);
        let root = Made::authority("Factory");
        add_authority(&hub, "factory", root.pem());
        Self { hub, line: root.issue(&Wish::authority("Line 7")), kind }
    }

    /// Registers a device and gives its proof, and one that is not its own.
    fn register(&self, id: &str) -> [Proof; 2] {
        let home = self.hub.scratch("devices");
        let stranger = format!("{id}-stranger");
        let file = |made: &Made, name: &str| Proof::Certificate(made.write(&home, name));
        match self.kind {
            Kind::Key => [id, &stranger].map(|id| Proof::Key(Device::create(&self.hub, id).key)),
            Kind::Issued => {
                create_certified(&self.hub, id);
                let other = Made::authority("Factory").device(id);
                [file(&self.line.device(id), id), file(&other, &stranger)]
            }
            Kind::SelfSigned => {
                let [own, other] = [(); 2].map(|()| Made::root(&Wish::leaf(id)));
                let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &own.certificate.chain[0]);
                let thumbprint: String =
                    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
                let body = json!({"authentication": {
                    "type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint},
                }});
                let path = format!("/devices/{id}");
                let put = exchange(&self.hub, "PUT", &path, &body.to_string());
                assert_eq!(put.expect("the hub answers").0, 200);
                [file(&own, id), file(&other, &stranger)]
            }
        }
    }
}

/// A device over one transport of one SDK, on its way through the scenarios.
struct Client<'f> {
    fleet: &'f Fleet,
    sdk: &'f Sdk,
    transport: &'static str,
    id: String,
    proofs: [Proof; 2],
    device: Told,
    /// Bodies that were acknowledged, in their order.
    sent: Vec<String>,
}

impl<'f> Client<'f> {
    fn new(fleet: &'f Fleet, sdk: &'f Sdk, transport: &'static str) -> Self {
        let id = format!("over-{transport}");
        let proofs = fleet.register(&id);
        let device = told(fleet, sdk, &id, &proofs[0], transport);
        let mut client = Self { fleet, sdk, transport, id, proofs, device, sent: Vec::new() };
        client.device.act("open").expect("the proof is good");
        client
    }

    /// Goes through all scenarios and prints a line for each.
    fn run(mut self) {
        let sdk = match self.sdk {
            Sdk::Node(_) => "Node",
            Sdk::Python(_) => "Python",
        };
        let kind = self.fleet.kind.name();
        for (name, scenario) in SCENARIOS {
            let outcome = scenario(&mut self);
            let expected = self.lacks(name).map_or(Ok(()), |error| Err(error.to_owned()));
            assert_eq!(outcome, expected, "{sdk} {kind} {} {name}", self.transport);
            let verdict = match outcome {
                Ok(()) => "ok".to_owned(),
                Err(error) => format!("ok, not offered: {error}"),
            };
            println!("{sdk:<7}{kind:<12}{:<16}{name:<15}{verdict}", self.transport);
        }
        self.assert_order();
    }

    /// What was acknowledged is stored in its order, and nothing that was not sent. What was not
    /// acknowledged may be there as well, a cut away from its acknowledgement.
    fn assert_order(&self) {
        let events = self.events();
        let mut stored = events.iter();
        let in_order = self.sent.iter().all(|body| stored.any(|event| event.body == *body));
        assert!(in_order, "{:?} {events:?}", self.sent);
        for StoredEvent { body, .. } in &events {
            assert!(body == LATE || self.sent.contains(body), "{body}");
        }
    }

    /// What the SDK says where the transport or the proof has no such thing.
    fn lacks(&self, scenario: &str) -> Option<&'static str> {
        let is_node = matches!(self.sdk, Sdk::Node(_));
        match (self.transport, scenario) {
            (_, "renewal") if self.fleet.kind != Kind::Key => {
                Some(if is_node { "InvalidOperationError" } else { "TypeError" })
            }
            ("mqtt" | "websocket", "batch" | "abandon" | "reject") => {
                Some(if is_node { "NotImplementedError" } else { "AttributeError" })
            }
            ("amqp" | "amqp-websocket", "batch") => Some("NotImplementedError"),
            ("http", "twin get" | "twin patch" | "desired change" | "method") => {
                Some("NotImplementedError")
            }
            ("http", "eviction") => Some(NO_SEAT),
            _ => None,
        }
    }

    /// What the SDK says when the hub does not let a device in.
    fn refusal(&self) -> &'static str {
        match self.sdk {
            Sdk::Node(_) => "UnauthorizedError",
            Sdk::Python(_) => "CredentialError",
        }
    }

    /// What it says when the device is disabled: it has a name of its own for a 403.
    fn refusal_of_disabled(&self) -> &'static str {
        if self.transport == "http" { "IotHubQuotaExceededError" } else { self.refusal() }
    }

    fn telemetry(&self, body: &str) -> Value {
        let mut properties = json!({"level": "hot spot"});
        // The name of a header cannot hold it, nor its value the letter.
        if self.transport != "http" {
            properties["sign & sum"] = json!("a=b/c+ü");
        }
        json!({"do": "send", "id": format!("id-{body}"), "body": body, "properties": properties})
    }

    /// A process of the same device.
    fn another(&self, proof: &Proof) -> Told {
        told(self.fleet, self.sdk, &self.id, proof, self.transport)
    }

    /// Has a message sent until that is acknowledged: a connection may be lost under it.
    fn send(&mut self, body: &str) {
        let command = self.telemetry(body);
        eventually("the message is acknowledged", || self.device.ask(&command).is_ok());
        self.sent.push(body.to_owned());
    }

    /// The events of the device, in their order.
    fn events(&self) -> Vec<StoredEvent> {
        let mut events = read_all(&self.fleet.hub);
        events.retain(|event| event.identity() == self.id);
        events
    }

    /// How often the hub has noted `words` of this device.
    fn logged(&self, words: &str) -> usize {
        let log = self.fleet.hub.log();
        log.lines().filter(|line| line.contains(words) && line.contains(&self.id)).count()
    }

    /// How often the device has connected, as its hub saw it.
    fn connects(&self) -> usize {
        self.fleet.hub.shards_of(&self.id).len()
    }

    /// Lets a message come to the device and be settled.
    fn settle(&mut self, verdict: &str) -> Outcome {
        let id = format!("{verdict}-{}", self.id);
        let to = format!("/devices/{}/messages/devicebound", self.id);
        let mut sender = C2dSender::connect(&self.fleet.hub).expect("the login is good");
        sender.post(&message(&to, &id, verdict)).expect("the hub listens");
        assert_eq!(sender.outcome().expect("an outcome").1, [""; 0]);
        let came = self.device.next("message");
        let mut expected = json!({
            "id": id, "body": verdict, "correlation_id": "k", "mode": "night shift",
        });
        // Over HTTP the SDK does not look at it.
        if self.transport != "http" {
            expected["content_type"] = json!("text/plain");
        }
        assert_eq!(came, expected);
        let outcome = self.device.ask(&json!({"do": "settle", "id": id, "verdict": verdict}));
        if outcome.is_ok() && verdict == "abandon" {
            assert_eq!(self.device.next("message")["id"], id, "it comes again");
        }
        if outcome.is_err() || verdict == "abandon" {
            let complete = json!({"do": "settle", "id": id, "verdict": "complete"});
            self.device.ask(&complete).expect("every transport completes");
        }
        eventually("no message is left", || self.document()["cloudToDeviceMessageCount"] == 0);
        outcome.map(drop)
    }

    fn document(&self) -> Value {
        let path = format!("/devices/{}", self.id);
        let (status, text) = exchange(&self.fleet.hub, "GET", &path, "").expect("the hub answers");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("an identity is JSON")
    }

    fn patch_twin(&self, desired: &Value) {
        let patch = json!({"properties": {"desired": desired}}).to_string();
        let path = format!("/twins/{}", self.id);
        let (status, text) =
            exchange(&self.fleet.hub, "PATCH", &path, &patch).expect("the hub answers");
        assert_eq!(status, 200, "{text}");
    }
}

fn told(fleet: &Fleet, sdk: &Sdk, id: &str, proof: &Proof, transport: &str) -> Told {
    match sdk {
        Sdk::Node(node) => node.told(&fleet.hub, id, proof, transport),
        Sdk::Python(python) => python.told(&fleet.hub, id, proof, transport),
    }
}

/// A message of a back end to a device.
fn message(to: &str, id: &str, body: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let properties = Properties {
        message_id: Some(MessageId::Str(id)),
        to: Some(to),
        correlation_id: Some(MessageId::Str("k")),
        content_type: Some("text/plain"),
        ..Properties::default()
    };
    properties.encode(&mut out);
    let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
    for text in ["iothub-ack", "full", "mode", "night shift"] {
        write_str(&mut out, text);
    }
    end_map_section(&mut out, start, 4);
    write_data(&mut out, body.as_bytes());
    out
}

fn send(client: &mut Client<'_>) -> Outcome {
    client.send("first");
    let events = client.events();
    let [event] = &events[..] else { panic!("one event: {events:?}") };
    let sent = client.telemetry("first");
    assert_eq!(json!(event.properties), sent["properties"]);
    let system = json!({
        "message-id": sent["id"], "correlation-id": "k", "content-type": "text/plain",
        "content-encoding": "utf-8",
    });
    assert_eq!(json!(event.system), system);
    let method: Value = serde_json::from_str(event.stamp("iothub-connection-auth-method"))
        .expect("the stamp is JSON");
    let expected = if client.fleet.kind == Kind::Key { "sas" } else { "x509" };
    assert_eq!((&method["scope"], &method["type"]), (&json!("device"), &json!(expected)));
    Ok(())
}

fn batch(client: &mut Client<'_>) -> Outcome {
    let bodies = ["b-0", "b-1", "b-2"];
    client
        .device
        .ask(&json!({"do": "batch", "messages": bodies.map(|body| client.telemetry(body))}))?;
    client.sent.extend(bodies.map(str::to_owned));
    Ok(())
}

fn wrong_proof(client: &mut Client<'_>) -> Outcome {
    let mut stranger = client.another(&client.proofs[1]);
    let refused = stranger.act("open").and_then(|_| stranger.ask(&client.telemetry("stranger")));
    assert_eq!(refused, Err(client.refusal().to_owned()));
    Ok(())
}

fn twin_get(client: &mut Client<'_>) -> Outcome {
    client.patch_twin(&json!({"fan": {"min": 1}}));
    let twin = client.device.act("twin")?;
    assert_eq!(twin["desired"]["fan"], json!({"min": 1}));
    assert_eq!(twin["desired"]["$version"], 2);
    Ok(())
}

fn twin_patch(client: &mut Client<'_>) -> Outcome {
    let mut report = |patch: Value| client.device.ask(&json!({"do": "report", "patch": patch}));
    report(json!({"fan": {"speed": 3, "mode": "eco"}, "old": 1}))?;
    report(json!({"fan": {"mode": null}, "old": null}))?;
    let reported = client.device.act("twin")?["reported"].take();
    assert_eq!((&reported["fan"], reported.get("old")), (&json!({"speed": 3}), None));
    Ok(())
}

fn desired_change(client: &mut Client<'_>) -> Outcome {
    client.device.act("watch")?;
    // The SDK subscribes without saying when; requests of one connection are served in turn.
    client.device.ask(&json!({"do": "report", "patch": {"watching": true}}))?;
    client.patch_twin(&json!({"fan": {"min": 2}}));
    // Some SDKs tell listeners of what they have read, too.
    while client.device.next("desired")["fan"] != json!({"min": 2}) {}
    Ok(())
}

fn method(client: &mut Client<'_>) -> Outcome {
    client.device.act("serve")?;
    let payload = json!({"deep": [1, {"a": "ü"}]});
    let call = json!({"methodName": "echo", "payload": payload, "connectTimeoutInSeconds": 60});
    let (status, answer) = invoke(&client.fleet.hub, &client.id, &call);
    assert_eq!((status, &answer["status"], &answer["payload"]), (200, &json!(200), &payload));
    assert_eq!(client.device.next("method"), "echo");
    Ok(())
}

fn complete(client: &mut Client<'_>) -> Outcome {
    client.device.act("receive").expect("every transport receives");
    client.settle("complete")
}

fn abandon(client: &mut Client<'_>) -> Outcome {
    client.settle("abandon")
}

fn reject(client: &mut Client<'_>) -> Outcome {
    client.settle("reject")
}

/// A second process of the device takes its seat, and the first takes it back by its next message.
fn eviction(client: &mut Client<'_>) -> Outcome {
    let before = client.connects();
    let mut newer = client.another(&client.proofs[0]);
    newer.act("open").expect("the newest wins");
    newer.ask(&client.telemetry("newer")).expect("it has the seat");
    client.sent.push("newer".to_owned());
    client.send("older");
    match client.connects() {
        0 => Err(NO_SEAT.to_owned()),
        connects => {
            assert!(connects >= before + 2, "the older one was cut off: {before}, {connects}");
            Ok(())
        }
    }
}

fn renewal(client: &mut Client<'_>) -> Outcome {
    const TIMES: usize = 3;
    let before = (client.connects(), client.logged("token accepted"));
    client.device.ask(&json!({"do": "renew", "times": TIMES}))?;
    client.send("renewed");
    match client.transport {
        "mqtt" | "websocket" => {
            assert!(client.connects() >= before.0 + TIMES, "a new connection for a new token");
        }
        "http" => assert_eq!(client.connects(), 0, "each request has its token"),
        _ => {
            assert_eq!(client.connects(), before.0, "a renewal detaches nothing");
            assert!(client.logged("token accepted") >= before.1 + TIMES);
        }
    }
    Ok(())
}

fn disable(client: &mut Client<'_>) -> Outcome {
    set_status(&client.fleet.hub, &client.id, "disabled");
    let refusal = client.refusal_of_disabled();
    let late = client.telemetry(LATE);
    eventually("the device is refused", || match client.device.ask(&late) {
        Err(name) => name == refusal,
        // It was acknowledged before the device was cut off.
        Ok(_) => {
            client.sent.push(LATE.to_owned());
            false
        }
    });
    set_status(&client.fleet.hub, &client.id, "enabled");
    client.send("back");
    Ok(())
}

/// Checks what the senders of the messages heard of them.
fn assert_outcomes(fleet: &Fleet, sdk: &Sdk, transports: &[&str]) {
    let mut reader = FeedbackReader::connect(&fleet.hub, 100).expect("the login is good");
    let records = reader.take(3 * transports.len()).expect("each message has an outcome");
    let text = |record: &Value, name: &str| record[name].as_str().expect("a text").to_owned();
    let heard: BTreeMap<String, String> = records
        .iter()
        .map(|record| (text(record, "originalMessageId"), text(record, "statusCode")))
        .collect();
    let mut expected = BTreeMap::new();
    for transport in transports {
        let can_reject = matches!(sdk, Sdk::Node(_)) && !["mqtt", "websocket"].contains(transport);
        let rejected = if can_reject { "Rejected" } else { "Success" };
        for (verdict, outcome) in
            [("complete", "Success"), ("abandon", "Success"), ("reject", rejected)]
        {
            expected.insert(format!("{verdict}-over-{transport}"), outcome.to_owned());
        }
    }
    assert_eq!(heard, expected);
}

/// Sends a device through the scenarios over each of the transports that can be dialled.
fn run(sdk: &Sdk, kind: Kind, transports: &[&'static str]) {
    let mut fleet = Fleet::start(kind);
    let mut transports = transports.to_vec();
    if !fleet.hub.address.has_port_443() {
        transports.retain(|transport| !transport.ends_with("websocket"));
        eprintln!("skipped: WebSockets, for which SDKs dial port 443; this user may not bind it");
    }
    for transport in &transports {
        Client::new(&fleet, sdk, transport).run();
    }
    assert_outcomes(&fleet, sdk, &transports);
    fleet.hub.assert_sound();
}

const ALL: [&str; 5] = ["mqtt", "websocket", "amqp", "amqp-websocket", "http"];

fn node(kind: Kind) {
    let Some(node) = Node::provisioned() else { return };
    run(&Sdk::Node(node), kind, &ALL);
}

fn python(kind: Kind) {
    let Some(python) = Python::provisioned() else { return };
    run(&Sdk::Python(python), kind, &["mqtt", "websocket"]);
}

#[test]
fn node_devices_with_keys() {
    node(Kind::Key);
}

#[test]
fn node_devices_with_certificates_of_their_own() {
    node(Kind::SelfSigned);
}

#[test]
fn node_devices_with_certificates_of_an_authority() {
    node(Kind::Issued);
}

#[test]
fn python_devices_with_keys() {
    python(Kind::Key);
}

#[test]
fn python_devices_with_certificates_of_their_own() {
    python(Kind::SelfSigned);
}

#[test]
fn python_devices_with_certificates_of_an_authority() {
    python(Kind::Issued);
}
