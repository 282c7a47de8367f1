//! Devices through the registry, in bulk, over one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::auth::sas_token;
use ringhub_core::limits::BULK_ITEMS_MAX;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use super::hub::Hub;

pub(crate) type Stream = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Registers `device-0` and so on, named as the load generator names them.
pub(crate) fn register(hub: &Hub, count: u32) {
    let mut stream = connect(hub);
    let token = token(hub);
    let numbers: Vec<u32> = (0..count).collect();
    for batch in numbers.chunks(BULK_ITEMS_MAX) {
        let items: Vec<_> = batch
            .iter()
            .map(|number| json!({"id": format!("device-{number}"), "importMode": "create"}))
            .collect();
        let status = post(&mut stream, hub, &token, &json!(items).to_string());
        assert_eq!(status, "HTTP/1.1 200 OK");
    }
}

pub(crate) fn connect(hub: &Hub) -> Stream {
    let (address, port) = hub.address();
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(hub.ca_file()).expect("the hub wrote its CA");
    roots.add(ca).expect("the CA is sound");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(IpAddr::V4(address));
    let session = ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect((address, port)).expect("the hub listens");
    BufReader::new(StreamOwned::new(session, socket))
}

pub(crate) fn token(hub: &Hub) -> String {
    let key = STANDARD.decode(hub.policy_key("iothubowner")).expect("keys are base64");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let host = hub.address().0.to_string();
    sas_token::sign(&host, &key, now.as_secs() + 3600, Some("iothubowner"))
}

/// Sends a request for many identities and gives the status line of its answer.
pub(crate) fn post(stream: &mut Stream, hub: &Hub, token: &str, body: &str) -> String {
    let request = format!(
        "POST /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        hub.address().0,
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes()).expect("the hub reads");
    stream.get_mut().flush().expect("the hub reads");
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).expect("the hub answers");
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("the hub answers");
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    stream.read_exact(&mut vec![0; length]).expect("the hub answers");
    status.trim_end().to_owned()
}
