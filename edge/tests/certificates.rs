//! Certificates in production: chosen by SNI, exchanged under load, refused with a reason.

mod support;

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::process::Signal;
use rustls::SignatureScheme;
use rustls::pki_types::ServerName;
use support::address::{Loopback, MQTT_PORT};
use support::authority::{Authority, Issued};
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};
use support::mqtt::MqttDevice;
use support::patience::eventually;
use support::rest::Device;
use support::stop::StopOnDrop;
use support::tls;

/// Threads that publish, and the devices of each.
const PUBLISHERS: usize = 5;
const DEVICES_EACH: usize = 50;

const NAME: &str = "server";

fn start(authority: &Authority, address: Loopback, certificates: &str) -> Hub {
    Hub::start_with(HubOptions {
        shards: 2,
        config: format!("{SMALL_SEGMENTS}{certificates}"),
        address: Some(address),
        ca: Some(authority.ca_file()),
        ..HubOptions::default()
    })
}

/// The certificate that a new handshake without SNI gets.
fn presented(hub: &Hub) -> Vec<u8> {
    presented_to(hub, ServerName::from(IpAddr::V4(hub.address.ip)))
}

fn presented_to(hub: &Hub, name: ServerName<'static>) -> Vec<u8> {
    let mut stream = tls::connect_to(hub, MQTT_PORT, name).expect("the hub accepts");
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).expect("the certificate is trusted");
    }
    let chain = stream.conn.peer_certificates().expect("the handshake is complete");
    chain[0].to_vec()
}

fn wait_until_presented(hub: &Hub, issued: &Issued) {
    eventually("the new certificate is presented", || presented(hub) == issued.der);
}

fn wait_until_logged(hub: &Hub, text: &str) {
    eventually(text, || hub.log().contains(text));
}

/// Publishes from connected devices, each message awaited, until `done`; counts them. A connection
/// that is lost is a panic.
fn publish_until(done: &AtomicBool, count: &AtomicU64, mut devices: Vec<MqttDevice>) {
    for id in (1..=u16::MAX).cycle() {
        for device in &mut devices {
            device.publish(id, b"under load", false).expect("the connection lives");
            device.flush().expect("the connection lives");
        }
        for device in &mut devices {
            assert_eq!(device.read_puback().expect("the connection lives"), id);
            count.fetch_add(1, Ordering::Relaxed);
        }
        if done.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Goal: a reload costs no connection, and what cannot be used changes nothing. Method: 250 devices
/// publish and await every PUBACK while the certificate is exchanged by SIGHUP and by a change of
/// its files, and while three bad ones are offered.
#[test]
fn certificates_are_exchanged_under_load_without_losing_a_connection() {
    let authority = Authority::new("reload");
    let address = Loopback::claim();
    let host = address.host();
    let [first, second, third] = [100, 101, 102].map(|days| authority.issue(&host, -1, days));
    authority.put(NAME, &first);
    let mut hub = start(&authority, address, &authority.section(NAME));
    assert_eq!(presented(&hub), first.der);
    // None is connected before all are registered: a slow disk would take longer for that than a
    // connection may be silent.
    let devices: Vec<Device> = (0..PUBLISHERS * DEVICES_EACH)
        .map(|number| Device::create(&hub, &format!("device-{number}")))
        .collect();
    let connect = |device| MqttDevice::connect(&hub, device).expect("the device may connect");
    let mut devices: Vec<MqttDevice> = devices.iter().map(connect).collect();
    let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let published_since = |before: u64| count.load(Ordering::Relaxed) - before;
    thread::scope(|scope| {
        for _ in 0..PUBLISHERS {
            let devices = devices.split_off(devices.len() - DEVICES_EACH);
            scope.spawn(|| publish_until(&done, &count, devices));
        }
        let stop = StopOnDrop(&done);
        eventually("messages flow", || published_since(0) > 0);

        authority.put(NAME, &second);
        hub.signal(Signal::HUP);
        wait_until_presented(&hub, &second);

        authority.put_key(NAME, &third);
        authority.put_chain(NAME, &third);
        wait_until_presented(&hub, &third);

        refuse_bad_ones(&authority, &hub);
        assert_eq!(presented(&hub), third.der);
        let before = count.load(Ordering::Relaxed);
        let all = (2 * PUBLISHERS * DEVICES_EACH) as u64;
        eventually("every connection goes on", || published_since(before) > all);
        drop(stop);
    });
    println!("{} messages over the reloads", count.load(Ordering::Relaxed));
    hub.assert_sound();
    assert!(!hub.data_dir().join("tls").exists(), "no development CA is made");
}

fn refuse_bad_ones(authority: &Authority, hub: &Hub) {
    let host = hub.address.host();
    authority.put_key(NAME, &authority.issue(&host, -1, 9));
    hub.signal(Signal::HUP);
    wait_until_logged(hub, "does not belong to the certificate in");
    authority.put(NAME, &authority.issue(&host, -9, -1));
    wait_until_logged(hub, "expired on");
    authority.put(NAME, &authority.issue("other.example", -1, 9));
    hub.signal(Signal::HUP);
    wait_until_logged(hub, "is for other.example, not for");
    let stays = hub.log().matches("the certificates stay as they were").count();
    assert!(stays >= 3, "each is said: {stays}");
}

#[test]
fn sni_chooses_and_its_absence_is_no_reason_to_refuse() {
    let authority = Authority::new("sni");
    let address = Loopback::claim();
    let own = authority.issue(&address.host(), -1, 9);
    let other = authority.issue("other.example", -1, 9);
    authority.put(NAME, &own);
    authority.put("other", &other);
    let section = format!(
        "{}{}host_name = \"other.example\"\n",
        authority.section(NAME),
        authority.section("other")
    );
    let hub = start(&authority, address, &section);
    assert_eq!(presented(&hub), own.der, "no SNI, as for an address");
    let named = |name: &str| ServerName::try_from(name.to_owned()).expect("a name");
    assert_eq!(presented_to(&hub, named("other.example")), other.der);
    assert_eq!(presented_to(&hub, named("OTHER.example")), other.der);
    let mut stream = tls::connect_to(&hub, MQTT_PORT, named("unknown.example")).expect("accepts");
    let refused = loop {
        if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
            break error.to_string();
        }
    };
    assert!(
        refused.contains("only valid for IpAddress"),
        "the client refuses, not the hub: {refused}"
    );
    let warned = hub.log().matches("the certificate expires on").count();
    assert_eq!(warned, 2, "both end within 30 days");
}

fn ringhub(arguments: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
    command.args(arguments).arg("--data-dir").arg(data).stdin(Stdio::null());
    command.env_remove("RINGHUB_CONNECTION_STRING").output().expect("the binary starts")
}

#[test]
fn commands_trust_the_ca_that_they_are_given() {
    let authority = Authority::new("commands");
    let address = Loopback::claim();
    authority.put(NAME, &authority.issue(&address.host(), -1, 90));
    let hub = start(&authority, address, &authority.section(NAME));
    let ca = authority.ca_file();
    let trusting = ["device-identity", "list", "--ca", ca.to_str().expect("UTF-8")];
    let listed = ringhub(&trusting, &hub.data_dir());
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    for (arguments, says) in [
        (["device-identity", "list"], "the CA that has signed it with --ca"),
        (["ca", "show"], "[[tls.certificate]]"),
    ] {
        let refused = ringhub(&arguments, &hub.data_dir());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(says), "{said}");
    }
}

/// Goal: a hub with a bad certificate does not start, and says why. Method: the real binary; each
/// case differs from the good one in one file.
#[test]
fn a_start_with_a_bad_certificate_is_refused_with_file_and_remedy() {
    let authority = Authority::new("refused");
    let good = authority.issue("localhost", -1, 9);
    let other = authority.issue("localhost", -1, 9);
    let data = authority.home.join("data");
    let config = authority.home.join("ringhub.toml");
    fs::write(&config, authority.section(NAME)).expect("the home is writable");
    let start = || {
        let config = config.to_str().expect("UTF-8");
        let ended = ringhub(&["serve", "--config", config], &data);
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8(ended.stderr).expect("UTF-8")
    };
    let [certificate, key] = authority.files(NAME).map(|path| path.display().to_string());
    let refused = |named: &str, says: &[&str]| {
        let said = start();
        assert!(said.contains(named) && says.iter().all(|part| said.contains(part)), "{said}");
    };
    refused(&certificate, &["cannot read", "is the path below `[[tls.certificate]]` right?"]);
    authority.put(NAME, &good);
    authority.put_key(NAME, &other);
    refused(&key, &["does not belong to", "replace both together"]);
    authority.put(NAME, &authority.issue("localhost", -9, -1));
    refused(&certificate, &["expired on", "put a renewed one there"]);
    authority.put(NAME, &authority.issue("localhost", 1, 9));
    refused(&certificate, &["is valid from", "is the clock right?"]);
    authority.put(NAME, &authority.issue("other.example", -1, 9));
    refused(&certificate, &["is for other.example, not for localhost", "host_name"]);
    fs::write(&certificate, "damaged").expect("the home is writable");
    refused(&certificate, &["no CERTIFICATE block", "PEM"]);
    assert!(!data.join("tls").exists(), "no development CA instead");

    // Relative names are taken from the folder of the file, not from where the process starts.
    let here = "[[tls.certificate]]\ncertificate_file = \"none.pem\"\nkey_file = \"none.key\"\n";
    fs::write(&config, here).expect("the home is writable");
    refused(&authority.home.join("none.pem").display().to_string(), &["cannot read"]);
}

/// What `openssl s_client` says of a handshake with the hub at the MQTT port.
///
/// `None` where openssl is missing; the test says then that it skips.
fn s_client(hub: &Hub, offer: &[&str]) -> Option<String> {
    let run = Command::new("openssl")
        .args(["s_client", "-connect", &format!("{}:{MQTT_PORT}", hub.address.ip)])
        .arg("-CAfile")
        .arg(hub.ca_file())
        .args(["-verify_return_error", "-brief"])
        .args(offer)
        .stdin(Stdio::null())
        .output();
    match run {
        Ok(output) => Some(format!(
            "{} {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => {
            println!("skipped: openssl cannot be started: {error}");
            None
        }
    }
}

/// Goal: a hub that was started without configuration takes clients that verify RSA alone, as many
/// devices in the field do, and costs the others nothing. Method: openssl with the offers of such
/// clients.
#[test]
fn the_offer_of_a_client_chooses_between_rsa_and_ecdsa() {
    let hub = Hub::start();
    for (offer, kind) in [
        (&[][..], "ECDSA"),
        (&["-tls1_2"], "ECDSA"),
        (&["-tls1_3"], "ECDSA"),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "RSA"),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"], "RSA"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], "ECDSA"),
        (&["-tls1_2", "-sigalgs", "RSA+SHA256"], "RSA"),
        (&["-tls1_2", "-sigalgs", "RSA-PSS+SHA384"], "RSA"),
        (&["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"], "RSA"),
        (&["-tls1_3", "-sigalgs", "ECDSA+SHA256"], "ECDSA"),
        (&["-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA256"], "ECDSA"),
    ] {
        let Some(said) = s_client(&hub, offer) else { return };
        // TLS 1.3 of openssl calls the type of the peer's signature by the scheme in part.
        let signed = said.lines().find(|line| line.starts_with("Signature type: "));
        let signed = signed.unwrap_or_else(|| panic!("{offer:?}: {said}")).to_lowercase();
        assert_eq!(signed.contains("ecdsa"), kind == "ECDSA", "{offer:?}: {said}");
        assert!(said.contains("Verification: OK"), "{offer:?}: {said}");
    }
    for offer in [
        ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA"],
        ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
    ] {
        let Some(said) = s_client(&hub, &offer) else { return };
        assert!(said.contains("handshake failure"), "{offer:?}: {said}");
    }
    wait_until_logged(&hub, "the TLS library of the hub has no suite with CBC or static RSA");
    wait_until_logged(&hub, "the TLS library of the hub has no static RSA");
}

#[test]
fn configured_files_may_be_of_both_kinds_for_one_host() {
    let authority = Authority::new("kinds");
    let address = Loopback::claim();
    let ecdsa = authority.issue(&address.host(), -1, 90);
    let rsa = authority.issue_rsa(&address.host(), -1, 90);
    authority.put("rsa", &rsa);
    authority.put(NAME, &ecdsa);
    let section = authority.section("rsa") + &authority.section(NAME);
    let file = authority.home.join("ringhub.toml");
    fs::write(&file, format!("hub.host_name = {:?}\n{section}", address.host()))
        .expect("the home is writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
    let checked = command.args(["config", "check"]).arg(&file).output().expect("it starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let hub = start(&authority, address, &section);
    let name = || ServerName::from(IpAddr::V4(hub.address.ip));
    let with = |schemes: &[SignatureScheme]| {
        let mut stream = tls::connect_verifying(&hub, MQTT_PORT, name(), schemes);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("the client verifies this kind");
        }
        stream.conn.peer_certificates().expect("the handshake is complete")[0].to_vec()
    };
    assert_eq!(presented(&hub), ecdsa.der);
    assert_eq!(with(&[SignatureScheme::RSA_PSS_SHA256]), rsa.der);
    assert_eq!(with(&[SignatureScheme::ECDSA_NISTP256_SHA256]), ecdsa.der);

    let renewed = authority.issue_rsa(&hub.address.host(), -1, 91);
    authority.put("rsa", &renewed);
    hub.signal(Signal::HUP);
    eventually("the new certificate is presented", || {
        with(&[SignatureScheme::RSA_PSS_SHA256]) == renewed.der
    });
    authority.put("rsa", &ecdsa);
    hub.signal(Signal::HUP);
    wait_until_logged(&hub, "with ECDSA keys: one of each kind is due");
    assert_eq!(with(&[SignatureScheme::RSA_PSS_SHA256]), renewed.der, "the old ones stay");
}
