//! Hubs with quotas over real sockets: a day is used up to the message by devices of all protocols
//! on two shards, what comes too fast waits, and a neighbour notices nothing.

mod support;

use std::time::{Duration, Instant};

use http::Method;
use ringhub_core::session::amqp::ClientSasl;
use ringhub_edge::client::mqtt::{MqttClient, MqttFact};
use ringhub_edge::client::{Credential, Precondition, Principal, RestClient, Target};
use serde_json::json;
use support::address::MQTT_PORT;
use support::amqp_device::AmqpDevice;
use support::http::HttpConnection;
use support::hub::SMALL_SEGMENTS;
use support::mqtt::{Login, MqttDevice};
use support::patience::PATIENCE;
use support::tenants::Tenants;

/// The hub at its limit.
const BUSY: &str = "busy.test";
const MOMENT: Duration = Duration::from_millis(200);

fn start(quota: &str) -> Tenants {
    Tenants::start_with(&format!("{SMALL_SEGMENTS}\n{quota}"))
}

/// Registers a device with keys.
fn register(target: &Target, id: &str) -> Credential {
    let rest = RestClient::new(target);
    let body = json!({ "deviceId": id });
    let path = format!("/devices/{id}");
    let made = rest.send(Method::PUT, &path, Precondition::Absent, Some(&body));
    let made = made.expect("it is made");
    let key = made["authentication"]["symmetricKey"]["primaryKey"].as_str().expect("keys");
    Credential::new(Principal::Device(id.to_owned()), key).expect("keys are base64")
}

fn mqtt(tenants: &Tenants, at: &Target, id: &str, key: &Credential) -> MqttDevice {
    let stream = tenants.dial(MQTT_PORT, &at.host_name, None).expect("it listens");
    let mut device = MqttDevice::over(stream).expect("the handshake judges nobody");
    device.set_patience(PATIENCE).expect("the socket takes it");
    let login = Login {
        client_id: id.to_owned(),
        user_name: format!("{}/{id}/?api-version=2021-04-12", at.host_name),
        password: key.token(&at.host_name),
        topic: format!("devices/{id}/messages/events/"),
    };
    device.send_connect(&login).expect("it listens");
    assert_eq!(device.read_connack().expect("it answers"), 0);
    device
}

/// Publishes one message after the other until the hub ends the connection; how many were
/// acknowledged.
fn publish_to_the_end(mut device: MqttDevice) -> u64 {
    for (acknowledged, id) in (0..).zip(1..=u16::MAX) {
        let published = device.publish(id, b"hot", false).and_then(|()| device.flush());
        if published.and_then(|()| device.read_puback()).is_err() {
            return acknowledged;
        }
    }
    panic!("the hub takes more than a day of messages")
}

/// The answer to one message over HTTP.
fn post(tenants: &Tenants, at: &Target, id: &str, key: &Credential) -> (u16, String) {
    let stream = tenants.dial(tenants.address.https_port, &at.host_name, None);
    let (host, token) = (at.host_name.clone(), key.token(&at.host_name));
    let mut http = HttpConnection::over(stream.expect("it listens"), host, token);
    let answer = http.exchange("POST", &format!("/devices/{id}/messages/events"), "", "hot");
    let answer = answer.expect("it answers");
    (answer.status, answer.body)
}

/// The outcome of one message over AMQP: empty, or the condition with its text.
fn transfer(tenants: &Tenants, at: &Target, id: &str, key: &Credential) -> Vec<String> {
    let client = tenants.amqp(&at.host_name, ClientSasl::Skip, None).expect("it opens");
    let mut device = AmqpDevice::over(client).expect("$cbs is for everybody");
    let audience = format!("{}/devices/{id}", at.host_name);
    let put = device.put_token(&audience, &key.token(&at.host_name)).expect("it answers");
    assert_eq!(put.0, 200, "{put:?}");
    let link = device.telemetry(id).expect("its own link");
    let sent = device.post(link, "hot").expect("it has credit");
    let (settled, outcome) = device.outcome().expect("it is settled");
    assert_eq!(settled, sent);
    outcome
}

/// Publishes so many messages, which must all be acknowledged.
fn publish_all(target: &Target, id: &str, key: &Credential, count: u64) {
    let mut device = MqttClient::connect(target, key, None).expect("its own key is good");
    let topic = format!("devices/{id}/messages/events/");
    for tag in 0..count {
        assert!(device.publish(&topic, b"calm", tag).expect("it is connected"));
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "message {tag} is not acknowledged");
            let fact = device.next(MOMENT).expect("it is connected");
            if fact == Some(MqttFact::Acknowledged(tag)) {
                break;
            }
        }
    }
}

/// Goal: a day has its messages, not one more and not one less, whatever protocol and shard brings
/// them, and none of it touches the neighbour. Method: eight devices over MQTT publish until they
/// are cut off, beside one of another hub; then the other protocols are asked.
#[test]
fn a_day_is_used_up_to_the_message_and_the_neighbour_goes_on() {
    let tenants = start("[quota]\nmessages_per_day = 500\n");
    let (calm, busy) = (tenants.configured(), tenants.create(BUSY));
    let names: Vec<String> = (0..8).map(|number| format!("d{number}")).collect();
    let keys: Vec<_> = names.iter().map(|name| register(&busy, name)).collect();
    let key = register(&calm, "pump");
    // While there is something left, each protocol takes it.
    assert_eq!(post(&tenants, &busy, "d0", &keys[0]).0, 204);
    assert!(transfer(&tenants, &busy, "d0", &keys[0]).is_empty());
    let acknowledged: u64 = std::thread::scope(|scope| {
        let publish = |(name, key): (&String, &Credential)| {
            let device = mqtt(&tenants, &busy, name, key);
            scope.spawn(move || publish_to_the_end(device))
        };
        let devices: Vec<_> = names.iter().zip(&keys).map(publish).collect();
        publish_all(&calm, "pump", &key, 200);
        devices.into_iter().map(|device| device.join().expect("it returns")).sum()
    });
    assert_eq!(acknowledged + 2, 500);

    let (status, body) = post(&tenants, &busy, "d0", &keys[0]);
    assert!(status == 403 && body.contains("ErrorCode:IotHubQuotaExceeded;"), "{status} {body}");
    let outcome = transfer(&tenants, &busy, "d0", &keys[0]);
    assert_eq!(outcome[0], "amqp:resource-limit-exceeded", "{outcome:?}");
    let twin = RestClient::new(&busy).read("/twins/d0").expect_err("the day is used up");
    assert!(twin.to_string().contains("IotHubQuotaExceeded"), "{twin}");
    publish_all(&calm, "pump", &key, 100);
    assert_eq!(post(&tenants, &calm, "pump", &key).0, 204);

    let numbers = |of: &Target| {
        let rest = RestClient::new(of);
        let page = rest.exchange(Method::GET, "/metrics", Precondition::Absent, None, PATIENCE);
        String::from_utf8(page.expect("it answers").body).expect("text")
    };
    let (of_busy, of_calm) = (numbers(&busy), numbers(&calm));
    for line in [
        "ringhub_quota_messages{hub=\"busy.test\"} 500",
        "ringhub_quota_messages_max{hub=\"busy.test\"} 500",
        "ringhub_quota_refused_total{hub=\"busy.test\",class=\"twin_reads\",reason=\"day\"} 1",
    ] {
        assert!(of_busy.lines().any(|found| found == line), "{line} is missing in {of_busy}");
    }
    let own = format!("ringhub_quota_messages{{hub=\"{}\"}} 301", calm.host_name);
    assert!(of_calm.lines().any(|found| found == own), "{own} is missing");
}

/// Goal: what comes too fast is late and not lost, whatever its QoS. Method: more messages than a
/// burst has; a ping behind those of QoS 0 is answered when all of them were taken.
#[test]
fn what_comes_too_fast_waits_and_is_not_lost() {
    let tenants =
        start("[quota]\nd2c_sends_per_second = 10\nburst = \"1s\"\nwait_max = \"1min\"\n");
    let busy = tenants.create(BUSY);
    let key = register(&busy, "pump");
    let mut device = mqtt(&tenants, &busy, "pump", &key);
    let began = Instant::now();
    for id in 1..=15 {
        device.publish(id, b"hot", false).expect("it is connected");
    }
    for _ in 0..10 {
        device.publish_qos0(b"hot").expect("it is connected");
    }
    device.flush().expect("it is connected");
    for id in 1..=15 {
        assert_eq!(device.read_puback().expect("it is acknowledged"), id);
    }
    device.ping().expect("it is connected");
    assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
    // More would be refused, were it not for the wait.
    assert_eq!(post(&tenants, &busy, "pump", &key).0, 204);
    assert!(transfer(&tenants, &busy, "pump", &key).is_empty());
    let hub = tenants.control().directory().hub_by_host(BUSY).expect("it is there");
    let quota = hub.quota().expect("it has limits");
    let delayed = quota.delayed(ringhub_core::quota::OperationClass::D2cSends);
    assert!(delayed > 0, "some had to wait");
}

/// Goal: a hub that takes no more sends of a device says so in each protocol. Method: a second has
/// one send and nobody may wait, so that of many at once some are refused.
#[test]
fn who_would_wait_too_long_is_refused_in_the_words_of_its_protocol() {
    let tenants = start(
        "[quota]\nd2c_sends_per_second = 1\nconnections_per_second = 1\nburst = \"1s\"\nwait_max = \"0s\"\n",
    );
    let busy = tenants.create(BUSY);
    let key = register(&busy, "pump");
    let until = Instant::now() + PATIENCE;
    let refused = std::iter::repeat_with(|| post(&tenants, &busy, "pump", &key))
        .take_while(|_| Instant::now() < until)
        .find(|(status, _)| *status != 204);
    let (status, body) = refused.expect("requests come faster than one in a second");
    assert_eq!(status, 429, "{body}");
    assert!(body.contains("ErrorCode:ThrottlingException;Throttled"), "{body}");

    let login = Login {
        client_id: "pump".to_owned(),
        user_name: format!("{BUSY}/pump/?api-version=2021-04-12"),
        password: key.token(BUSY),
        topic: "devices/pump/messages/events/".to_owned(),
    };
    let connect = || {
        let stream = tenants.dial(MQTT_PORT, BUSY, None).expect("it listens");
        let mut device = MqttDevice::over(stream).expect("the handshake judges nobody");
        device.send_connect(&login).expect("it listens");
        device.read_connack().expect("it answers")
    };
    let refused = std::iter::repeat_with(connect)
        .take_while(|_| Instant::now() < until)
        .find(|code| *code != 0);
    assert_eq!(refused, Some(3), "clients come again after that");
}
