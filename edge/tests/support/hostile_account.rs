//! Storage that is not what it should be: a TLS server that answers anything, or nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::address::Loopback;
use super::authority::Authority;
use super::storage_account::StorageAccount;

pub(crate) const PORT: u16 = 10_443;
pub(crate) const SECRET: &str = "c2VjcmV0c2lnbmF0dXJl";

/// What a server does with each request, by its number from zero.
pub(crate) type Answer = fn(usize, &str) -> Option<Vec<u8>>;

/// A TLS server that reads a request and sends what `answer` says; `None` says nothing and keeps
/// the connection.
pub(crate) struct Hostile {
    pub(crate) account: StorageAccount,
    requests: Arc<AtomicUsize>,
    _authority: Authority,
}

impl Hostile {
    pub(crate) fn start(name: &str, answer: Answer) -> Self {
        let address = Loopback::claim();
        let authority = Authority::new(name);
        authority.put("server", &authority.issue(&address.host(), -1, 30));
        let [certificate, key] = authority.files("server");
        let chain = CertificateDer::pem_file_iter(certificate).expect("PEM");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_file(key).expect("PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key fits");
        let config = Arc::new(config);
        let listener = TcpListener::bind((address.ip, PORT)).expect("the port is free");
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (config, count) = (Arc::clone(&config), Arc::clone(&count));
                thread::spawn(move || {
                    let Ok(session) = ServerConnection::new(config) else { return };
                    serve(StreamOwned::new(session, socket), &count, answer);
                });
            }
        });
        let account = StorageAccount {
            endpoint: format!("https://{}:{PORT}/account", address.host()),
            name: "account".to_owned(),
            key: STANDARD.encode(SECRET),
            ca: authority.ca_file(),
        };
        Self { account, requests, _authority: authority }
    }

    /// A container of it, with a signature that must never be shown.
    pub(crate) fn container(&self) -> String {
        format!("{}/c?sv=2021-12-02&sig={SECRET}&sp=rw", self.account.endpoint)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads heads and whatever follows them; sends answers.
fn serve(mut stream: impl Read + Write, count: &AtomicUsize, answer: Answer) {
    let mut received = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
        received.extend_from_slice(&buffer[..read]);
        let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if received.len() < end + 4 + length.unwrap_or(0usize) {
            continue;
        }
        received.clear();
        match answer(count.fetch_add(1, Ordering::SeqCst), &head) {
            None => thread::sleep(Duration::from_secs(600)),
            Some(bytes) => {
                let is_sent = stream.write_all(&bytes).and_then(|()| stream.flush());
                let is_cut = bytes.ends_with(b"CUT");
                if is_sent.is_err() || is_cut {
                    return;
                }
            }
        }
    }
}

/// An answer that is no success, whose body nobody may show.
pub(crate) fn status(line: &str, code: &str) -> Option<Vec<u8>> {
    let body = format!("<Error><Message>sig={SECRET}</Message></Error>");
    let head = format!(
        "HTTP/1.1 {line}\r\nx-ms-error-code: {code}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Some(head.into_bytes())
}
