use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::super::process_limits::catch_file_size_signal;
use super::super::test_directory::TestDirectory;
use super::*;

const HOST: &str = "hub.example";

fn today() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn server_pem(directory: &TestDirectory) -> [String; 2] {
    ["tls/server.pem", "tls/server-rsa.pem"]
        .map(|name| fs::read_to_string(directory.path().join(name)).unwrap())
}

/// Handshakes in memory as a client that trusts the CA of `directory` and dials `name`.
fn handshake(certificate: &ServerCertificate, name: &str) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    let ca = certificate.ca.as_ref().unwrap();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificate.chain.clone(), certificate.key.clone_key())
        .unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

#[test]
fn a_rustls_client_accepts_the_names_of_the_hub_and_no_other() {
    let directory = TestDirectory::new();
    for certificate in development_certificates(directory.path(), HOST, today()).unwrap() {
        for name in [HOST, "localhost", "127.0.0.1", "::1"] {
            assert_eq!(handshake(&certificate, name), Ok(()), "{name}");
        }
        assert!(handshake(&certificate, "other.example").is_err());
    }
}

/// Goal: a data directory of an earlier version gets what it lacks and keeps what clients trust.
/// Method: the files that were not there before are taken away.
#[test]
fn a_missing_rsa_certificate_is_made_beside_what_is_there() {
    let directory = TestDirectory::new();
    development_certificates(directory.path(), HOST, today()).unwrap();
    let read = |name: &str| fs::read(directory.path().join("tls").join(name)).unwrap();
    let before = ["ca.pem", "ca.key", "server.pem", "server.key"].map(read);
    for name in ["server-rsa.pem", "server-rsa.key"] {
        fs::remove_file(directory.path().join("tls").join(name)).unwrap();
    }
    let [_, rsa] = development_certificates(directory.path(), HOST, today()).unwrap();
    assert_eq!(handshake(&rsa, HOST), Ok(()));
    assert_eq!(["ca.pem", "ca.key", "server.pem", "server.key"].map(read), before);
    let made = read("server-rsa.pem");
    development_certificates(directory.path(), HOST, today()).unwrap();
    assert_eq!(read("server-rsa.pem"), made, "made once");
}

#[test]
fn keys_are_private_and_the_ca_is_not() {
    let directory = TestDirectory::new();
    development_certificates(directory.path(), HOST, today()).unwrap();
    let mode = |name: &str| {
        let path = directory.path().join("tls").join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    for name in DEVELOPMENT_FILES {
        let expected = if name.ends_with("key") { 0o600 } else { 0o644 };
        assert_eq!(mode(name), expected, "{name}");
    }
}

#[test]
fn the_certificate_is_kept_until_it_ends_or_the_name_changes_and_the_ca_stays() {
    let directory = TestDirectory::new();
    let load = |host: &str, days: i64| {
        let now = today() + Duration::days(days);
        let [ecdsa, _] = development_certificates(directory.path(), host, now).unwrap();
        ecdsa
    };
    let ca = fs::read(load(HOST, 0).ca.unwrap()).unwrap();
    let first = server_pem(&directory);
    load(HOST, 300);
    assert_eq!(server_pem(&directory), first, "kept");
    load("hub.test", 300);
    let second = server_pem(&directory);
    assert_ne!(second, first, "another name");
    let renewed = load("hub.test", 680);
    assert_ne!(server_pem(&directory), second, "near its end");
    assert_eq!(fs::read(renewed.ca.unwrap()).unwrap(), ca, "clients go on trusting the same CA");
    let replaced = load("hub.test", 3_400);
    assert_ne!(fs::read(replaced.ca.unwrap()).unwrap(), ca, "the CA would end before the leaf");
}

/// Goal: on a full disk the certificate that should be renewed serves until its end. Method: the
/// test starts itself again as a process that may not write files.
#[test]
fn on_a_full_disk_the_old_certificate_serves_until_its_end() {
    const VARIABLE: &str = "RINGHUB_TEST_FULL_DISK";
    let name = "startup::ca::tests::on_a_full_disk_the_old_certificate_serves_until_its_end";
    if let Some(directory) = std::env::var_os(VARIABLE) {
        catch_file_size_signal().unwrap();
        let limit = Rlimit { current: Some(0), maximum: None };
        setrlimit(Resource::Fsize, limit).unwrap();
        let after = |days| {
            development_certificates(Path::new(&directory), HOST, today() + Duration::days(days))
        };
        let [ecdsa, rsa] = after(380).unwrap();
        assert!(ecdsa.not_after < today() + SERVER_VALIDITY && rsa.ca.is_some());
        let refused = after(398).unwrap_err().to_string();
        println!("full disk: {refused}");
        return;
    }
    let directory = TestDirectory::new();
    development_certificates(directory.path(), HOST, today()).unwrap();
    let before = server_pem(&directory);
    let process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(process.stdout).unwrap();
    assert!(process.status.success(), "{said}{}", String::from_utf8_lossy(&process.stderr));
    let refused = said.lines().find(|line| line.contains("full disk: ")).unwrap();
    for part in ["cannot write", "tls/server.key: ", "make room"] {
        assert!(refused.contains(part), "{part} is missing in {refused}");
    }
    assert_eq!(server_pem(&directory), before);
    let left = fs::read_dir(directory.path().join("tls")).unwrap();
    assert_eq!(left.count(), DEVELOPMENT_FILES.len(), "nothing half is left");
}

#[test]
fn a_renewed_certificate_belongs_to_the_loaded_ca() {
    let directory = TestDirectory::new();
    development_certificates(directory.path(), "first.example", today()).unwrap();
    for second in development_certificates(directory.path(), HOST, today()).unwrap() {
        assert_eq!(handshake(&second, HOST), Ok(()));
    }
}

#[test]
fn damaged_files_are_named_and_not_replaced() {
    for (file, says) in [
        ("ca.pem", "no usable certificate"),
        ("ca.key", "no usable private key"),
        ("server.pem", "no usable certificate"),
        ("server.key", "no usable private key"),
        ("server-rsa.pem", "no usable certificate"),
        ("server-rsa.key", "no usable private key"),
    ] {
        let directory = TestDirectory::new();
        development_certificates(directory.path(), HOST, today()).unwrap();
        let path = directory.path().join("tls").join(file);
        fs::write(&path, "damaged").unwrap();
        let error =
            development_certificates(directory.path(), HOST, today()).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(says), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "damaged");
    }
}

#[test]
fn configured_files_are_refused_with_the_reason() {
    let (one, other) = (TestDirectory::new(), TestDirectory::new());
    development_certificates(one.path(), HOST, today()).unwrap();
    development_certificates(other.path(), HOST, today()).unwrap();
    let certificate = one.path().join("tls/server.pem");
    let key = one.path().join("tls/server.key");
    let load = |certificate: &Path, key: &Path, days: i64| {
        configured_certificate(certificate, key, HOST, today() + Duration::days(days))
    };
    assert_eq!(load(&certificate, &key, 0).unwrap().ca, None);
    let for_other = configured_certificate(&certificate, &key, "other.example", today());
    let cases = [
        (for_other, "is for hub.example, localhost, 127.0.0.1, ::1, not for other.example"),
        (load(Path::new("/nowhere.pem"), &key, 0), "cannot read /nowhere.pem"),
        (load(&key, &key, 0), "no CERTIFICATE block"),
        (load(&certificate, &certificate, 0), "no PRIVATE KEY block"),
        (load(&certificate, &other.path().join("tls/server.key"), 0), "does not belong to"),
        (load(&certificate, &key, 400), "expired on"),
        (load(&certificate, &key, -2), "is the clock right?"),
    ];
    for (result, says) in cases {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

/// Goal: strict verifiers other than our own accept the chain. Method: `openssl verify
/// -x509_strict`; skipped with a message where openssl is missing.
#[test]
fn openssl_accepts_the_chain_strictly() {
    let directory = TestDirectory::new();
    for certificate in development_certificates(directory.path(), HOST, today()).unwrap() {
        let run = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", HOST])
            .arg("-CAfile")
            .arg(certificate.ca.unwrap())
            .arg(certificate.certificate_file)
            .output();
        match run {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            Err(error) => println!("skipped: openssl cannot be started: {error}"),
        }
    }
}

const PYTHON_CLIENT: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(('127.0.0.1', int(sys.argv[2])), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[3]) as secure:
        assert secure.recv(5) == b'hello'
";

const NODE_CLIENT: &str = "
const [ca, port, servername] = process.argv.slice(1);
const options = { host: '127.0.0.1', port, servername, ca: require('fs').readFileSync(ca) };
const socket = require('tls').connect(options);
socket.on('data', (data) => process.exit(data.toString() === 'hello' ? 0 : 1));
socket.on('error', (error) => { console.error(error); process.exit(1); });
";

/// Waits for the connection of `client`, which must not end before it has connected.
fn accept(
    listener: &std::net::TcpListener,
    client: &mut std::process::Child,
) -> std::net::TcpStream {
    listener.set_nonblocking(true).unwrap();
    loop {
        if let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(false).unwrap();
            return socket;
        }
        assert_eq!(client.try_wait().unwrap(), None, "the client ended without connecting");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Goal: Python with strict verification and Node.js connect. Method: each dials a server in this
/// process; skipped with a message where it is missing.
#[test]
fn python_and_node_connect() {
    let directory = TestDirectory::new();
    let [certificate, _] = development_certificates(directory.path(), HOST, today()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)
        .unwrap();
    let config = Arc::new(config);
    let ca = certificate.ca.unwrap();
    for (program, flag, script) in [("python3", "-c", PYTHON_CLIENT), ("node", "-e", NODE_CLIENT)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let client =
            Command::new(program).args([flag, script]).arg(&ca).args([&port, HOST]).spawn();
        let mut client = match client {
            Ok(client) => client,
            Err(error) => {
                println!("skipped: {program} cannot be started: {error}");
                continue;
            }
        };
        let socket = accept(&listener, &mut client);
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let _ = stream.write_all(b"hello");
        let _ = stream.flush();
        let _ = stream.read(&mut [0; 1]);
        assert!(client.wait().unwrap().success(), "{program}");
    }
}
