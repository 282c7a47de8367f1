//! The isolation of hubs in one process: no credential of one opens anything of another.

mod support;

use ringhub_core::session::amqp::ClientSasl;
use ringhub_edge::client::{Credential, Principal, RestClient, Target, sasl_user};
use serde_json::json;
use support::address::MQTT_PORT;
use support::amqp_device::AmqpDevice;
use support::factory::Made;
use support::http::HttpConnection;
use support::mqtt::{Login, MqttDevice};
use support::tenants::{Tenants, put, register};
use support::tls::Certificate;

const TWO: &str = "two.test";

/// A credential of the one hub, and how it is called in what the test says.
struct Stolen {
    name: String,
    credential: Credential,
}

/// All keys of a hub: its policies, a device and a module.
fn credentials(tenants: &Tenants, of: &Target) -> Vec<Stolen> {
    let names = ["iothubowner", "service", "device", "registryRead", "registryReadWrite"];
    let policy = |name: &&str| Stolen {
        name: format!("policy {name}"),
        credential: tenants.policy(&of.host_name, name),
    };
    let mut all: Vec<_> = names.iter().map(policy).collect();
    all.push(Stolen { name: "device d".to_owned(), credential: register(of, "d") });
    let module = put(
        &RestClient::new(of),
        "/devices/d/modules/m",
        &json!({"deviceId": "d", "moduleId": "m"}),
    );
    let key = module["authentication"]["symmetricKey"]["primaryKey"].as_str().expect("keys");
    let principal = Principal::Module { device: "d".to_owned(), module: "m".to_owned() };
    let credential = Credential::new(principal, key).expect("keys are base64");
    all.push(Stolen { name: "module d/m".to_owned(), credential });
    all
}

/// Every route of the REST API and of devices, with a verb that it has.
const ROUTES: [(&str, &str); 45] = [
    ("GET", "/devices"),
    ("POST", "/devices"),
    ("POST", "/devices/keys/regenerate"),
    ("POST", "/devices/query"),
    ("GET", "/devices/d"),
    ("PUT", "/devices/d"),
    ("DELETE", "/devices/d"),
    ("DELETE", "/devices/d/commands"),
    ("GET", "/devices/d/modules"),
    ("GET", "/devices/d/modules/m"),
    ("PUT", "/devices/d/modules/m"),
    ("DELETE", "/devices/d/modules/m"),
    ("GET", "/statistics/devices"),
    ("GET", "/statistics/service"),
    ("POST", "/twins/d/methods"),
    ("POST", "/twins/d/modules/m/methods"),
    ("GET", "/twins/d"),
    ("PATCH", "/twins/d"),
    ("PUT", "/twins/d"),
    ("GET", "/twins/d/modules/m"),
    ("PATCH", "/twins/d/modules/m"),
    ("POST", "/devices/d/messages/devicebound"),
    ("POST", "/devices/d/modules/m/messages/devicebound"),
    ("GET", "/devices/d/messages/devicebound"),
    ("POST", "/devices/d/messages/events"),
    ("DELETE", "/devices/d/messages/devicebound/0123456789abcdef0123456789abcdef"),
    ("GET", "/jobs/v2/query"),
    ("GET", "/jobs/v2/j"),
    ("PUT", "/jobs/v2/j"),
    ("POST", "/jobs/v2/j/cancel"),
    ("GET", "/messages/servicebound/feedback"),
    ("POST", "/listkeys"),
    ("POST", "/iothubkeys/service/regenerate"),
    ("GET", "/certificates"),
    ("GET", "/certificates/c"),
    ("PUT", "/certificates/c"),
    ("POST", "/certificates/c/generateVerificationCode"),
    ("GET", "/eventHubEndpoints/events/ConsumerGroups"),
    ("PUT", "/eventHubEndpoints/events/ConsumerGroups/g"),
    ("DELETE", "/eventHubEndpoints/events/ConsumerGroups/g"),
    ("GET", "/configurations"),
    ("GET", "/configurations/c"),
    ("PUT", "/configurations/c"),
    ("POST", "/devices/d/applyConfigurationContent"),
    ("GET", "/metrics"),
];

/// Links of AMQP: where, and whether the client sends.
const LINKS: [(&str, bool); 9] = [
    ("ringhub/ConsumerGroups/$Default/Partitions/0", false),
    ("messages/events", false),
    ("messages/servicebound/feedback", false),
    ("messages/devicebound", true),
    ("devices/d/messages/events", true),
    ("devices/d/messages/devicebound", false),
    ("devices/d/twin", true),
    ("devices/d/methods/devicebound", false),
    ("devices/d/modules/m/messages/events", true),
];

/// What was tried, and what let somebody in.
#[derive(Default)]
struct Score {
    tried: usize,
    let_through: Vec<String>,
}

impl Score {
    fn note(&mut self, is_in: bool, what: impl FnOnce() -> String) {
        self.tried += 1;
        if is_in {
            self.let_through.push(what());
        }
    }
}

fn try_rest(tenants: &Tenants, at: &Target, stolen: &Stolen, of: &str, score: &mut Score) {
    for signed_for in [of, &at.host_name] {
        let stream = tenants.dial(tenants.address.https_port, &at.host_name, None);
        let token = stolen.credential.token(signed_for);
        let host = at.host_name.clone();
        let mut http = HttpConnection::over(stream.expect("it listens"), host, token);
        for (verb, path) in ROUTES {
            let kind = "Content-Type: application/json\r\n";
            let answer = http.exchange(verb, path, kind, "{}").expect("it answers");
            let status = answer.status;
            score.note(status != 401, || format!("{} {verb} {path}: {status}", stolen.name));
        }
    }
}

/// Logs in as the device and as the module, whoever the credential is.
fn try_mqtt(tenants: &Tenants, at: &Target, stolen: &Stolen, of: &str, score: &mut Score) {
    for signed_for in [of, &at.host_name] {
        for id in ["d", "d/m"] {
            let password = stolen.credential.token(signed_for);
            let code = connack(tenants, at, None, (id, password));
            score.note(code == 0, || format!("{} over MQTT as {id}", stolen.name));
        }
    }
}

fn try_amqp(tenants: &Tenants, at: &Target, stolen: &Stolen, of: &str, score: &mut Score) {
    for signed_for in [of, &at.host_name] {
        let token = stolen.credential.token(signed_for);
        if let Principal::Policy(policy) = &stolen.credential.principal {
            let user = sasl_user(policy, &at.host_name);
            let sasl = ClientSasl::Plain { user: &user, password: &token };
            let logged_in = tenants.amqp(&at.host_name, sasl, None);
            score.note(logged_in.is_ok(), || format!("{} by PLAIN", stolen.name));
        }
        // With a good token for its own hub, and with one for the other.
        let resource = match &stolen.credential.principal {
            Principal::Policy(_) => String::new(),
            Principal::Device(device) => format!("/devices/{device}"),
            Principal::Module { device, module } => format!("/devices/{device}/modules/{module}"),
        };
        let audience = format!("{signed_for}{resource}");
        let client = tenants.amqp(&at.host_name, ClientSasl::Skip, None).expect("it opens");
        let mut client = AmqpDevice::over(client).expect("$cbs is for everybody");
        let (status, text) = client.put_token(&audience, &token).expect("it answers");
        score.note(status == 200, || format!("{} put for {audience}: {text}", stolen.name));
        for (address, is_sender) in LINKS {
            let linked = if is_sender { client.sender(address) } else { client.receiver(address) };
            let is_in = linked.expect("it answers").is_ok();
            score.note(is_in, || format!("{} at {address}, put for {audience}", stolen.name));
        }
    }
}

/// Goal: the isolation of tenants. Method: every credential of each hub, signed for either, on
/// every route and link of the other one, where the same device is registered with other keys.
#[test]
fn no_credential_of_one_hub_opens_another() {
    let tenants = Tenants::start();
    let (one, two) = (tenants.configured(), tenants.create(TWO));
    let keys = [credentials(&tenants, &one), credentials(&tenants, &two)];
    let mut score = Score::default();
    for (of, at, stolen) in [(&one, &two, &keys[0]), (&two, &one, &keys[1])] {
        for stolen in stolen {
            try_rest(&tenants, at, stolen, &of.host_name, &mut score);
            try_mqtt(&tenants, at, stolen, &of.host_name, &mut score);
            try_amqp(&tenants, at, stolen, &of.host_name, &mut score);
        }
    }
    try_certificates(&tenants, &one, &two, &mut score);
    println!("tried {}, let through {}", score.tried, score.let_through.len());
    assert!(score.let_through.is_empty(), "{:#?}", score.let_through);
    assert!(score.tried > 1500, "{}", score.tried);
}

/// A certificate from an authority that the one hub knows, for a device that both hubs have.
fn try_certificates(tenants: &Tenants, one: &Target, two: &Target, score: &mut Score) {
    let authority = Made::authority("factory");
    let body = json!({"properties": {"certificate": authority.pem(), "isVerified": true}});
    put(&RestClient::new(one), "/certificates/factory", &body);
    for target in [one, two] {
        let by_authority = json!({"authentication": {"type": "certificateAuthority"}});
        put(&RestClient::new(target), "/devices/x", &by_authority);
    }
    let device = authority.device("x");
    let certificate: Certificate = device.with(&authority);
    let connack = |at| connack(tenants, at, Some(&certificate), ("x", String::new()));
    assert_eq!(connack(one), 0, "its own hub lets it in");
    let code = connack(two);
    score.note(code == 0, || "a certificate over MQTT".to_owned());
    let client = tenants.amqp(TWO, ClientSasl::Skip, Some(&certificate)).expect("it opens");
    let mut client = AmqpDevice::without_tokens(client);
    let linked = client.sender("devices/x/messages/events").expect("it answers");
    score.note(linked.is_ok(), || "a certificate over AMQP".to_owned());
}

/// What a device is told that logs in with a certificate or a password.
fn connack(
    tenants: &Tenants,
    at: &Target,
    certificate: Option<&Certificate>,
    (id, password): (&str, String),
) -> u8 {
    let stream = tenants.dial(MQTT_PORT, &at.host_name, certificate).expect("it listens");
    let mut device = MqttDevice::over(stream).expect("the handshake judges nobody");
    let login = Login {
        client_id: id.to_owned(),
        user_name: format!("{}/{id}/?api-version=2021-04-12", at.host_name),
        password,
        topic: String::new(),
    };
    device.send_connect(&login).expect("it listens");
    device.read_connack().expect("it answers")
}
