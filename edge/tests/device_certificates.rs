//! Devices that prove themselves with certificates, over MQTT and AMQP.

mod support;

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rcgen::{CertificateParams, DnType, KeyPair};
use ringhub_core::session::amqp::ClientSasl;
use serde_json::Value;
use support::address::AMQP_PORT;
use support::amqp::AmqpClient;
use support::amqp_device::AmqpDevice;
use support::history::read_all;
use support::hub::Hub;
use support::mqtt::{Login, MqttDevice};
use support::rest::{Device, exchange};
use support::tls::{self, Certificate};
use time::{Duration, OffsetDateTime};

/// CONNACK 5, "not authorized".
const NOT_AUTHORIZED: u8 = 5;

/// A self-signed certificate of this common name, valid from and to some days from now.
fn self_signed(name: &str, from: i64, to: i64) -> Certificate {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = OffsetDateTime::now_utc() + Duration::days(from);
    parameters.not_after = OffsetDateTime::now_utc() + Duration::days(to);
    let key = KeyPair::generate().expect("keys can be made");
    let signed = parameters.self_signed(&key).expect("it signs itself");
    Certificate { chain: vec![signed.der().to_vec()], key: key.serialize_der() }
}

fn thumbprint(algorithm: &'static Algorithm, certificate: &Certificate) -> String {
    let digest = digest(algorithm, &certificate.chain[0]);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Registers a device with thumbprints, or changes them.
fn put(hub: &Hub, id: &str, status: &str, primary: &str, secondary: &str) {
    let body = format!(
        r#"{{"deviceId":"{id}","status":"{status}","authentication":{{"type":"selfSigned",
        "x509Thumbprint":{{"primaryThumbprint":"{primary}","secondaryThumbprint":"{secondary}"}}}}}}"#
    );
    let known = exchange(hub, "GET", &format!("/devices/{id}"), "").expect("the hub answers");
    if known.0 == 200 {
        let (status, reply) = support::rest::replace(hub, &format!("/devices/{id}"), &body);
        assert_eq!(status, 200, "{reply}");
        return;
    }
    let (status, reply) =
        exchange(hub, "PUT", &format!("/devices/{id}"), &body).expect("the hub answers");
    assert_eq!(status, 200, "{reply}");
}

fn connect(hub: &Hub, login: &Login, certificate: &Certificate) -> io::Result<(MqttDevice, u8)> {
    let mut device = MqttDevice::open_with(hub, certificate)?;
    device.send_connect(login)?;
    let verdict = device.read_connack()?;
    Ok((device, verdict))
}

fn verdict(hub: &Hub, id: &str, certificate: &Certificate) -> u8 {
    let connected = connect(hub, &Login::certified(hub, id), certificate);
    connected.expect("the handshake does not judge").1
}

#[test]
fn a_device_proves_itself_with_either_thumbprint_and_with_nothing_else() {
    let mut hub = Hub::start();
    let [one, two, other] = [0; 3].map(|_| self_signed("whatever", -1, 9));
    let upper = thumbprint(&SHA256, &two).to_ascii_uppercase();
    put(&hub, "pump-1", "enabled", &thumbprint(&SHA256, &one), &upper);
    let (mut device, code) =
        connect(&hub, &Login::certified(&hub, "pump-1"), &one).expect("the hub listens");
    assert_eq!(code, 0);
    device.publish(1, b"certified", false).expect("the hub listens");
    device.flush().expect("the hub listens");
    assert_eq!(device.read_puback().expect("an acknowledgement"), 1);
    assert_eq!(verdict(&hub, "pump-1", &two), 0);
    assert_eq!(verdict(&hub, "pump-1", &other), NOT_AUTHORIZED);
    let keyed = Device::create(&hub, "pump-2");
    assert_eq!(verdict(&hub, "pump-2", &one), NOT_AUTHORIZED, "it has keys");
    let with_token = connect(&hub, &Login::device(&hub, &keyed), &one).expect("the hub listens");
    assert_eq!(with_token.1, 0, "the certificate beside its token does not matter");
    let by_key = Login::device_with(&hub, "pump-1", keyed.token(&hub));
    let mut without = MqttDevice::open(&hub).expect("the hub listens");
    without.send_connect(&by_key).expect("the hub listens");
    assert_eq!(without.read_connack().expect("a verdict"), NOT_AUTHORIZED);

    let events = read_all(&hub);
    let method = events[0].stamp("iothub-connection-auth-method");
    let method: Value = serde_json::from_str(method).expect("the stamp is JSON");
    assert_eq!((&method["scope"], &method["type"]), (&"device".into(), &"x509".into()));
    hub.assert_sound();
}

#[test]
fn a_certificate_admits_over_amqp_with_sasl_and_without() {
    let mut hub = Hub::start();
    let [own, other] = [0; 2].map(|_| self_signed("whatever", -1, 9));
    put(&hub, "pump-1", "enabled", &thumbprint(&SHA256, &own), "");
    Device::create(&hub, "pump-2");
    let connect = |certificate: &Certificate, sasl| {
        let stream = tls::connect_with(&hub, AMQP_PORT, certificate)?;
        AmqpClient::connect_over(stream, sasl, 5000).map(AmqpDevice::without_tokens)
    };
    let address = |id: &str| format!("/devices/{id}/messages/events");
    for sasl in [ClientSasl::Skip, ClientSasl::External] {
        let mut device = connect(&own, sasl).expect("the handshake does not judge");
        let link = device.telemetry("pump-1").expect("the certificate is the device's");
        device.send(link, "certified").expect("the message is accepted");
        let keyed = device.sender(&address("pump-2")).expect("an answer");
        assert_eq!(keyed, Err("amqp:unauthorized-access".to_owned()));
        let mut stranger = connect(&other, sasl).expect("the handshake does not judge");
        let refused = stranger.sender(&address("pump-1")).expect("an answer");
        assert_eq!(refused, Err("amqp:unauthorized-access".to_owned()));
    }
    let without = AmqpClient::connect(&hub, ClientSasl::External, 5000);
    assert!(without.is_err(), "nothing was shown");
    assert_eq!(read_all(&hub).len(), 2);
    // The registry takes the certificate away from a device that is connected.
    let mut device = connect(&own, ClientSasl::Skip).expect("the handshake does not judge");
    device.telemetry("pump-1").expect("the certificate is the device's");
    put(&hub, "pump-1", "enabled", &thumbprint(&SHA256, &other), "");
    assert_eq!(device.detached().expect("a detach"), "amqp:unauthorized-access");
    hub.assert_sound();
}

#[test]
fn certificates_out_of_their_time_large_ones_and_none_at_all_get_an_answer() {
    let mut hub = Hub::start();
    let late = self_signed("a", -9, -1);
    let early = self_signed("a", 1, 9);
    let large = self_signed(&"x".repeat(8192), -1, 9);
    for (id, certificate, expected) in
        [("late", &late, NOT_AUTHORIZED), ("early", &early, NOT_AUTHORIZED), ("large", &large, 0)]
    {
        put(&hub, id, "enabled", &thumbprint(&SHA1_FOR_LEGACY_USE_ONLY, certificate), "");
        assert_eq!(verdict(&hub, id, certificate), expected, "{id}");
    }
    let log = hub.log();
    assert!(log.contains("the certificate has expired"), "{log}");
    assert!(log.contains("the certificate is not valid yet"), "{log}");
    for garbage in [vec![0x30, 0x82, 0xff, 0xff], vec![0xff; 9000], Vec::new()] {
        let broken = Certificate { chain: vec![garbage], key: late.key.clone() };
        let refused = connect(&hub, &Login::certified(&hub, "large"), &broken);
        assert!(refused.is_err(), "no handshake without a key that can be read");
    }
    let stolen = Certificate { chain: large.chain.clone(), key: late.key.clone() };
    let refused = connect(&hub, &Login::certified(&hub, "large"), &stolen);
    assert!(refused.is_err(), "the handshake needs the key of the certificate");
    hub.assert_sound();
}

#[test]
fn a_connection_ends_when_its_thumbprint_is_taken_away() {
    let hub = Hub::start();
    let [one, two] = [0; 2].map(|_| self_signed("a", -1, 9));
    let [first, second] = [&one, &two].map(|certificate| thumbprint(&SHA256, certificate));
    put(&hub, "pump-1", "enabled", &first, "");
    let open = || {
        let login = Login::certified(&hub, "pump-1");
        let (device, code) = connect(&hub, &login, &one).expect("the hub listens");
        assert_eq!(code, 0);
        device
    };
    let mut device = open();
    put(&hub, "pump-1", "enabled", &second, &first);
    device.ping().expect("the certificate still counts");
    put(&hub, "pump-1", "enabled", &second, "");
    device.read_to_end().expect("the hub ends the connection");
    put(&hub, "pump-1", "enabled", &first, "");
    let mut device = open();
    put(&hub, "pump-1", "disabled", &first, "");
    device.read_to_end().expect("the hub ends the connection");
    assert_eq!(verdict(&hub, "pump-1", &one), NOT_AUTHORIZED);
}

fn openssl(home: &Path, arguments: &[&str]) -> io::Result<Output> {
    Command::new("openssl").args(arguments).current_dir(home).output()
}

/// Goal: certificates of version 1, which `openssl x509 -req -signkey` and the npm package `pem`
/// make, pass the handshake. Method: openssl makes one of each kind of key; skipped with a message
/// where it is missing.
#[test]
fn certificates_of_version_1_count_by_their_thumbprint() {
    let hub = Hub::start();
    let home = hub.scratch("v1");
    fs::create_dir_all(&home).expect("the home is writable");
    for (id, algorithm) in
        [("rsa", &["rsa:2048"][..]), ("ecdsa", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])]
    {
        let request = [
            &["req", "-new", "-nodes", "-newkey"],
            algorithm,
            &["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=v1"],
        ]
        .concat();
        match openssl(&home, &request) {
            Ok(made) => assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr)),
            Err(error) => return println!("skipped: openssl cannot be started: {error}"),
        }
        for step in [
            &[
                "x509",
                "-req",
                "-in",
                "request.pem",
                "-signkey",
                "key.pem",
                "-outform",
                "DER",
                "-out",
                "v1.der",
                "-days",
                "9",
            ][..],
            &[
                "pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out",
                "key.der",
            ],
        ] {
            let made = openssl(&home, step).expect("it was there before");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let read = |name: &str| fs::read(home.join(name)).expect("openssl wrote it");
        let certificate = Certificate { chain: vec![read("v1.der")], key: read("key.der") };
        put(&hub, id, "enabled", &thumbprint(&SHA1_FOR_LEGACY_USE_ONLY, &certificate), "");
        assert_eq!(verdict(&hub, id, &certificate), 0, "{id}");
        let code = connect_tls12(&hub, id, &home);
        assert!(code.contains("Verification") || code.contains("CONNECTION ESTABLISHED"), "{code}");
    }
}

/// The handshake of TLS 1.2 with the certificate in `home`, as openssl tells it.
fn connect_tls12(hub: &Hub, id: &str, home: &Path) -> String {
    let address = format!("{}:8883", hub.address.ip);
    let ca = hub.ca_file();
    let ca = ca.to_str().expect("UTF-8");
    let pem = format!("{id}.pem");
    let made = openssl(home, &["x509", "-inform", "DER", "-in", "v1.der", "-out", &pem]);
    assert!(made.expect("it was there before").status.success());
    let arguments = [
        "s_client", "-connect", &address, "-tls1_2", "-brief", "-CAfile", ca, "-cert", &pem,
        "-key", "key.pem",
    ];
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(home).stdin(std::process::Stdio::null());
    let said = command.output().expect("it was there before");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stderr).into_owned()
}
