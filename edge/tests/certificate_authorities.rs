//! Devices with certificates from authorities of the hub, over every protocol: who gets in, who is
//! refused and why, and who is cut off.

mod support;

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose;
use ringhub_core::session::amqp::ClientSasl;
use support::address::AMQP_PORT;
use support::amqp::AmqpClient;
use support::amqp_device::AmqpDevice;
use support::amqp_raw::{AMQP_HEADER, FLOW, attach_sender, begin_frame, contains, open_frame};
use support::c2d::{C2d, C2dSender};
use support::command::at;
use support::factory::{Made, Wish};
use support::history::read_all;
use support::http::{HttpConnection, Response};
use support::hub::Hub;
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::rest::{Device, add_authority, create_certified, exchange, remove_authority};
use support::tls::{self, Certificate};

/// CONNACK 5, "not authorized".
const NOT_AUTHORIZED: u8 = 5;

/// A cut takes milliseconds; this is far above what a busy machine needs, and far below the keep
/// alive, after which a connection would end by itself.
const CUT_TIME_MAX: Duration = Duration::from_secs(20);

fn connect(hub: &Hub, id: &str, certificate: &Certificate) -> io::Result<(MqttDevice, u8)> {
    let mut device = MqttDevice::open_with(hub, certificate)?;
    device.send_connect(&Login::certified(hub, id))?;
    let verdict = device.read_connack()?;
    Ok((device, verdict))
}

fn verdict(hub: &Hub, id: &str, certificate: &Certificate) -> u8 {
    connect(hub, id, certificate).expect("the handshake does not judge").1
}

/// A request of a device that has nothing but its certificate.
fn request(http: &mut HttpConnection, hub: &Hub, verb: &str, path: &str, body: &str) -> Response {
    let text = format!(
        "{verb} {path}?api-version=2021-04-12&iothub-no-client-cert=true HTTP/1.1\r\nHost: {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        hub.address.host(),
        body.len()
    );
    http.send(text.as_bytes()).expect("the hub listens");
    http.read_response().expect("the hub answers")
}

fn http_status(hub: &Hub, id: &str, certificate: &Certificate) -> u16 {
    let mut http = HttpConnection::open_with(hub, certificate).expect("the hub listens");
    let path = format!("/devices/{id}/messages/events");
    request(&mut http, hub, "POST", &path, "x").status
}

/// A WebSocket, on the path of clients that want to show no certificate.
fn websocket(hub: &Hub, protocol: &str, certificate: &Certificate) -> HttpConnection {
    let mut http = HttpConnection::open_with(hub, certificate).expect("the hub listens");
    let upgrade = format!(
        "GET /$iothub/websocket?iothub-no-client-cert=true HTTP/1.1\r\nHost: {}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        hub.address.host()
    );
    http.send(upgrade.as_bytes()).expect("the hub listens");
    assert_eq!(http.read_response().expect("the hub answers").status, 101);
    http
}

/// Sends one binary frame, with a mask of zeros.
fn send_frame(websocket: &mut HttpConnection, payload: &[u8]) {
    let length = u16::try_from(payload.len()).expect("a short frame");
    let head = match u8::try_from(length) {
        Ok(length @ ..126) => vec![0x82, 0x80 | length],
        _ => [&[0x82, 0xfe][..], &length.to_be_bytes()].concat(),
    };
    websocket.send(&[&head[..], &[0; 4], payload].concat()).expect("the hub listens");
}

/// CONNACK of a device over a WebSocket.
fn websocket_verdict(hub: &Hub, id: &str, certificate: &Certificate) -> u8 {
    let mut websocket = websocket(hub, "mqtt", certificate);
    send_frame(&mut websocket, &Login::certified(hub, id).connect_packet());
    let answer = websocket.read(6).expect("a verdict");
    assert_eq!(answer[..4], [0x82, 4, 0x20, 2], "a frame with CONNACK");
    answer[5]
}

/// Whether a device may attach its link for telemetry, and the condition if not.
fn amqp_verdict(
    hub: &Hub,
    id: &str,
    sasl: ClientSasl<'_>,
    certificate: &Certificate,
) -> Result<(), String> {
    let stream = tls::connect_with(hub, AMQP_PORT, certificate).expect("the hub listens");
    let client = AmqpClient::connect_over(stream, sasl, 5000).expect("SASL does not judge");
    let mut device = AmqpDevice::without_tokens(client);
    let link = device.sender(&format!("/devices/{id}/messages/events"));
    link.expect("the hub answers").map(drop)
}

/// As above over a WebSocket.
fn amqp_websocket_verdict(hub: &Hub, id: &str, certificate: &Certificate) -> Result<(), String> {
    const UNAUTHORIZED: &str = "amqp:unauthorized-access";
    let mut websocket = websocket(hub, "AMQPWSB10", certificate);
    let attach = attach_sender("telemetry", 0, &format!("/devices/{id}/messages/events"));
    let frames = [&AMQP_HEADER[..], &open_frame(), &begin_frame(0), &attach].concat();
    send_frame(&mut websocket, &frames);
    let mut answer = Vec::new();
    // Credit, or a reason why not.
    while !contains(&answer, &[0, 0x53, FLOW]) {
        answer.extend(websocket.read(1).expect("the hub answers"));
        if contains(&answer, UNAUTHORIZED.as_bytes()) {
            return Err(UNAUTHORIZED.to_owned());
        }
    }
    Ok(())
}

/// With SASL and without, and over a WebSocket.
fn check_over_amqp(hub: &Hub, id: &str, certificate: &Certificate, is_good: bool, says: &str) {
    let expected = if is_good { Ok(()) } else { Err("amqp:unauthorized-access".to_owned()) };
    for sasl in [ClientSasl::Skip, ClientSasl::External] {
        assert_eq!(amqp_verdict(hub, id, sasl, certificate), expected, "{says}");
    }
    assert_eq!(amqp_websocket_verdict(hub, id, certificate), expected, "{says}");
}

#[test]
fn a_chain_to_a_verified_authority_gets_in_and_each_defect_is_refused_by_its_reason() {
    let mut hub = Hub::start();
    let root = Made::authority("Factory");
    let (foreign, unproved) = (Made::authority("Factory"), Made::authority("Unproved"));
    let line = root.issue(&Wish { below: Some(0), ..Wish::authority("Line 7") });
    let below_line = line.issue(&Wish::authority("Station"));
    let narrow = Made::root(&Wish { below: Some(0), ..Wish::authority("Narrow") });
    let below_narrow = narrow.issue(&Wish::authority("Below"));
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    add_authority(&hub, "factory", root.pem());
    add_authority(&hub, "narrow", narrow.pem());
    let unproved_document = serde_json::json!({ "certificate": unproved.pem() }).to_string();
    let put = exchange(&hub, "PUT", "/certificates/unproved", &unproved_document);
    assert_eq!(put.expect("the hub answers").0, 201);
    create_certified(&hub, "pump-1");

    let direct = root.device("pump-1");
    let over_line = line.device("pump-1");
    let stranger = foreign.device("pump-1");
    let self_signed = Made::root(&Wish::leaf("pump-1"));
    let mut forged = direct.certificate.clone();
    let last = forged.chain[0].len() - 1;
    forged.chain[0][last] ^= 1;
    let of = |by: &Made, wish: Wish<'_>| by.issue(&wish).certificate;
    let leaf = || Wish::leaf("pump-1");
    let authority = "no verified certificate authority of the hub has issued";
    let issuer = "an issuer in the chain may not issue";
    let invalid = "the chain of the certificate is invalid";
    for (says, certificate, reason) in [
        ("direct", direct.certificate.clone(), ""),
        ("with its root", direct.with(&root), ""),
        ("over one in between", over_line.certificate.clone(), ""),
        ("what is between is missing", over_line.alone(), authority),
        ("another name", root.device("pump-2").certificate, "the common name"),
        ("another case", root.device("Pump-1").certificate, "the common name"),
        ("expired", of(&root, Wish { days: (-9, -1), ..leaf() }), "has expired"),
        ("too early", of(&root, Wish { days: (1, 9), ..leaf() }), "not valid yet"),
        ("purpose", of(&root, Wish { purpose: server, ..leaf() }), "not for clients"),
        ("path length in between", below_line.device("pump-1").certificate, issuer),
        ("path length of the root", below_narrow.device("pump-1").certificate, issuer),
        ("a leaf as issuer", direct.device("pump-1").certificate, issuer),
        ("an authority as device", of(&root, Wish { below: Some(0), ..leaf() }), issuer),
        ("unknown", stranger.certificate.clone(), invalid),
        ("unknown, with its root", stranger.with(&foreign), invalid),
        ("not verified", unproved.device("pump-1").certificate, authority),
        ("self-signed", self_signed.certificate.clone(), authority),
        ("forged", forged, invalid),
    ] {
        let before = hub.log().len();
        let code = verdict(&hub, "pump-1", &certificate);
        let (expected, status, lines) =
            if reason.is_empty() { (0, 204, 0) } else { (NOT_AUTHORIZED, 401, 6) };
        assert_eq!(code, expected, "{says}");
        assert_eq!(websocket_verdict(&hub, "pump-1", &certificate), expected, "{says}");
        assert_eq!(http_status(&hub, "pump-1", &certificate), status, "{says}");
        check_over_amqp(&hub, "pump-1", &certificate, reason.is_empty(), says);
        let said = hub.log()[before..].to_owned();
        let is_refusal = |line: &&str| line.contains(" refused ") && line.contains(reason);
        assert_eq!(said.lines().filter(is_refusal).count(), lines, "{says}: {said}");
    }
    let late = Made::root(&Wish { days: (-9, 0), ..Wish::authority("Late") });
    let chain = vec![direct.certificate.chain[0].clone(); 11];
    let many = Certificate { chain, key: direct.certificate.key.clone() };
    assert_eq!(verdict(&hub, "pump-1", &many), NOT_AUTHORIZED);
    assert!(hub.log().contains("too many certificates"));
    let upload = serde_json::json!({ "certificate": late.pem(), "isVerified": true }).to_string();
    let (status, reply) = exchange(&hub, "PUT", "/certificates/late", &upload).expect("it answers");
    assert_eq!(status, 400, "{reply}");
    hub.assert_sound();
}

#[test]
fn the_kind_in_the_registry_decides_which_credential_counts() {
    let hub = Hub::start();
    let root = Made::authority("Factory");
    add_authority(&hub, "factory", root.pem());
    let keyed = Device::create(&hub, "keyed");
    create_certified(&hub, "issued");
    let [of_keyed, of_issued] = ["keyed", "issued"].map(|id| root.device(id).certificate);
    assert_eq!(verdict(&hub, "keyed", &of_keyed), NOT_AUTHORIZED, "it has keys");
    assert_eq!(http_status(&hub, "keyed", &of_keyed), 401);
    let token_of = |id: &str| Device { id: id.to_owned(), ..keyed.clone() }.token(&hub);
    let by_token = |id: &str, certificate: &Certificate| {
        let mut device = MqttDevice::open_with(&hub, certificate).expect("the hub listens");
        let login = Login::device_with(&hub, id, token_of(id));
        device.send_connect(&login).expect("the hub listens");
        device.read_connack().expect("a verdict")
    };
    assert_eq!(by_token("keyed", &of_keyed), 0, "the certificate beside its token does not matter");
    assert_eq!(by_token("issued", &of_issued), 0, "nor the token beside its certificate");
    assert_eq!(by_token("issued", &of_keyed), NOT_AUTHORIZED, "a token is none of its kind");

    let module = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    let put = exchange(&hub, "PUT", "/devices/issued/modules/motor", module);
    assert_eq!(put.expect("the hub answers").0, 200);
    let of_module = root.device("issued/motor").certificate;
    let path = "/devices/issued/modules/motor/messages/events";
    for (certificate, status) in [(&of_module, 204), (&of_issued, 401)] {
        let mut http = HttpConnection::open_with(&hub, certificate).expect("the hub listens");
        assert_eq!(request(&mut http, &hub, "POST", path, "x").status, status);
    }
    let events = read_all(&hub);
    let method = events[0].stamp("iothub-connection-auth-method");
    assert!(method.contains(r#""type":"x509""#), "{method}");
    assert!(method.contains(r#""scope":"module""#), "{method}");
}

#[test]
fn connections_end_with_the_authority_that_let_them_in() {
    let mut hub = Hub::start();
    let (root, other) = (Made::authority("Factory"), Made::authority("Other"));
    add_authority(&hub, "factory", root.pem());
    add_authority(&hub, "other", other.pem());
    for id in ["pump-1", "pump-2"] {
        create_certified(&hub, id);
    }
    let one = root.device("pump-1").certificate;
    let two = other.device("pump-2").certificate;
    let open = |hub: &Hub, id: &str, certificate: &Certificate| {
        let (device, code) = connect(hub, id, certificate).expect("the hub listens");
        assert_eq!(code, 0, "{id}");
        device
    };
    let mut first = open(&hub, "pump-1", &one);
    let mut second = open(&hub, "pump-2", &two);
    let mut http = HttpConnection::open_with(&hub, &one).expect("the hub listens");
    let events = "/devices/pump-1/messages/events";
    assert_eq!(request(&mut http, &hub, "POST", events, "x").status, 204);
    create_certified(&hub, "pump-3");
    let three = root.device("pump-3").certificate;
    let stream = tls::connect_with(&hub, AMQP_PORT, &three).expect("the hub listens");
    let client = AmqpClient::connect_over(stream, ClientSasl::Skip, 5000).expect("no SASL");
    let mut third = AmqpDevice::without_tokens(client);
    third.telemetry("pump-3").expect("the certificate is the device's");

    let began = Instant::now();
    remove_authority(&hub, "factory");
    first.read_to_end().expect("the hub ends the connection");
    assert!(began.elapsed() < CUT_TIME_MAX, "{:?}", began.elapsed());
    assert_eq!(third.detached().expect("a detach"), "amqp:unauthorized-access");
    second.ping().expect("its authority is still there");
    assert_eq!(request(&mut http, &hub, "POST", events, "x").status, 401, "each request is judged");
    assert_eq!(verdict(&hub, "pump-1", &one), NOT_AUTHORIZED);

    // The identity decides as well.
    let by_key = r#"{"authentication":{"type":"sas"}}"#;
    let kind = |body: &str| support::rest::replace(&hub, "/devices/pump-2", body).0;
    assert_eq!(kind(by_key), 200);
    second.read_to_end().expect("the hub ends the connection");
    assert_eq!(kind(r#"{"authentication":{"type":"certificateAuthority"}}"#), 200);
    let mut second = open(&hub, "pump-2", &two);

    // Another upload under the name has to be proved anew.
    let again = serde_json::json!({ "certificate": other.pem() }).to_string();
    let (status, reply) = support::rest::replace(&hub, "/certificates/other", &again);
    assert_eq!(status, 200, "{reply}");
    second.read_to_end().expect("the hub ends the connection");

    add_authority(&hub, "again", root.pem());
    hub.kill();
    hub.reap();
    hub.launch();
    open(&hub, "pump-1", &one);
    assert_eq!(verdict(&hub, "pump-2", &two), NOT_AUTHORIZED);
    hub.assert_sound();
}

#[test]
fn a_device_with_a_certificate_sends_and_receives_over_https() {
    let hub = Hub::start();
    let root = Made::authority("Factory");
    add_authority(&hub, "factory", root.pem());
    create_certified(&hub, "pump-1");
    let line = root.issue(&Wish::authority("Line 7"));
    let certificate = line.device("pump-1").certificate;
    let mut http = HttpConnection::open_with(&hub, &certificate).expect("the hub listens");
    let mut call = |verb: &str, rest: &str, body: &str| {
        request(&mut http, &hub, verb, &format!("/devices/pump-1/messages/{rest}"), body)
    };
    assert_eq!(call("POST", "events", "by certificate").status, 204);
    let mut sender = C2dSender::connect(&hub).expect("the login is good");
    let to = "/devices/pump-1/messages/devicebound";
    let message = C2d { to, id: "c-1", ack: "none", expiry_ms: None };
    assert_eq!(sender.send(&message, "to it").expect("accepted"), [""; 0]);
    let received = call("GET", "devicebound", "");
    assert_eq!((received.status, &*received.body), (200, "to it"));
    let tag = received.head.lines().find_map(|line| line.strip_prefix("etag: "));
    let tag = tag.expect("a lock").trim_matches('"').to_owned();
    assert_eq!(call("DELETE", &format!("devicebound/{tag}"), "").status, 204);
    assert_eq!(call("GET", "devicebound", "").status, 204);
    let other = request(&mut http, &hub, "POST", "/devices/pump-2/messages/events", "x");
    assert_eq!(other.status, 404);
    // A device manages its own modules, and nobody else's.
    let mut manage = |verb: &str, path: &str, body: &str| {
        let text = format!(
            "{verb} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            hub.address.host(),
            body.len()
        );
        http.send(text.as_bytes()).expect("the hub listens");
        http.read_response().expect("the hub answers")
    };
    let motor = r#"{"deviceId":"pump-1","moduleId":"motor"}"#;
    assert_eq!(manage("PUT", "/devices/pump-1/modules/motor", motor).status, 200);
    assert!(manage("GET", "/devices/pump-1/modules", "").body.contains("motor"));
    assert_eq!(manage("GET", "/devices/pump-2/modules", "").status, 401);
    assert_eq!(manage("GET", "/devices/pump-1", "").status, 401, "itself it does not manage");
    let events = read_all(&hub);
    assert_eq!(events[0].body, "by certificate");
    let method = events[0].stamp("iothub-connection-auth-method");
    assert!(method.contains(r#""type":"x509""#), "{method}");
}

fn openssl(home: &Path, arguments: &str) -> io::Result<()> {
    let words: Vec<&str> = arguments.split(' ').collect();
    let made = Command::new("openssl").args(words).current_dir(home).output()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// Goal: what README says about certificates can be typed. Method: openssl and the commands, from
/// nothing to a device that gets in; the leaf is of version 1, as openssl makes it. Skipped with a
/// message where openssl is missing.
#[test]
fn openssl_and_the_commands_lead_from_nothing_to_a_device_that_gets_in() {
    let hub = Hub::start();
    let home = hub.scratch("openssl");
    fs::create_dir_all(&home).expect("the home is writable");
    let file = |name: &str| home.join(name).to_str().expect("UTF-8").to_owned();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let ca = format!("req -x509 -days 9 {key} -subj /CN=Factory -keyout ca.key -out ca.pem");
    match openssl(&home, &ca) {
        Err(error) => return println!("skipped: openssl cannot be started: {error}"),
        Ok(()) => at(&hub, &["certificate", "add", "-n", "factory", "--path", &file("ca.pem")]),
    }
    .good();
    let issue = |name: &str, subject: &str| {
        for step in [
            format!("req -new {key} -subj /CN={subject} -keyout {name}.key -out {name}.csr"),
            format!(
                "x509 -req -in {name}.csr -days 9 -CA ca.pem -CAkey ca.key -CAcreateserial \
                 -out {name}.pem"
            ),
            format!("x509 -in {name}.pem -outform DER -out {name}.der"),
            format!("pkcs8 -topk8 -nocrypt -in {name}.key -outform DER -out {name}.pkcs8"),
        ] {
            openssl(&home, &step).expect("it was there before");
        }
        let read = |kind: &str| fs::read(home.join(format!("{name}.{kind}"))).expect("it wrote it");
        Certificate { chain: vec![read("der")], key: read("pkcs8") }
    };
    at(&hub, &["device-identity", "create", "-d", "pump-7", "--auth-method", "x509_ca"]).good();
    let device = issue("pump-7", "pump-7");
    assert_eq!(verdict(&hub, "pump-7", &device), NOT_AUTHORIZED, "nobody has proved it yet");
    let code = at(&hub, &["certificate", "generate-code", "-n", "factory"]).good();
    issue("wrong", "wrong");
    let verify =
        |name: &str| at(&hub, &["certificate", "verify", "-n", "factory", "--path", &file(name)]);
    verify("wrong.pem").refused(1, &["ArgumentInvalid", "not the verification code"]);
    verify("absent.pem").refused(1, &["absent.pem cannot be used"]);
    issue("proof", code.trim());
    let verified = verify("proof.der").json();
    assert_eq!(verified["properties"]["isVerified"], true);
    assert_eq!(verdict(&hub, "pump-7", &device), 0);

    let list = at(&hub, &["certificate", "list"]).good();
    assert!(list.contains("factory") && list.contains("CN=Factory"), "{list}");
    let shown = at(&hub, &["certificate", "show", "-n", "FACTORY"]).json();
    assert_eq!(shown["etag"], verified["etag"]);
    let named = |action: &str, more: &[&str]| {
        at(&hub, &[&["certificate", action, "-n", "factory"], more].concat())
    };
    named("delete", &["--etag", "AAAAAAAAAAA="]).refused(1, &["PreconditionFailed"]);
    let (device, code) = connect(&hub, "pump-7", &device).expect("the hub listens");
    assert_eq!(code, 0);
    assert_eq!(named("delete", &[]).good(), "");
    let mut device = device;
    device.read_to_end().expect("the hub ends the connection");
    named("show", &[]).refused(3, &["CertificateNotFound"]);
    named("delete", &[]).refused(3, &["CertificateNotFound"]);
    eventually("the log says why", || hub.log().contains("certificate"));
}
