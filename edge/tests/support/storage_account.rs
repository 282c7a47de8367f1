//! A storage account as its owner uses it: containers, signatures, blobs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::hub::Hub;
use super::rest;

const VERSION: &str = "2021-12-02";

/// Where it is, and what its owner knows.
#[derive(Clone, Debug)]
pub(crate) struct StorageAccount {
    /// `https` URI, up to the names of containers.
    pub(crate) endpoint: String,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) ca: PathBuf,
}

impl StorageAccount {
    /// The account that a hub has of its own.
    pub(crate) fn of(hub: &Hub) -> Self {
        let answer = rest::exchange(hub, "POST", "/storage/listkeys", "");
        let (status, keys) = answer.expect("the hub answers");
        assert_eq!(status, 200, "{keys}");
        let keys: Value = serde_json::from_str(&keys).expect("JSON");
        let text = |name: &str| keys[name].as_str().expect("a text").to_owned();
        let [endpoint, name, key] = ["blobEndpoint", "accountName", "accountKey"].map(text);
        Self { endpoint, name, key, ca: hub.ca_file() }
    }

    /// What storage clients start from.
    pub(crate) fn connection_string(&self) -> String {
        let Self { endpoint, name, key, .. } = self;
        format!(
            "DefaultEndpointsProtocol=https;AccountName={name};AccountKey={key};\
             BlobEndpoint={endpoint};"
        )
    }

    /// Makes a container and gives its URI, with all rights for an hour.
    pub(crate) fn container(&self, name: &str) -> String {
        let sas = self.account_sas();
        let uri = format!("{}/{name}?restype=container&{sas}", self.endpoint);
        let (status, body) = self.send(Method::PUT, &uri, &[], &[]);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        self.container_uri(name, "racwdl", Duration::from_secs(3600))
    }

    /// The URI of a container with these rights for this time from now on.
    ///
    /// Source: Azure Storage documentation, "Create a service SAS".
    pub(crate) fn container_uri(&self, name: &str, rights: &str, life: Duration) -> String {
        let end = time_text(OffsetDateTime::now_utc() + life);
        let resource = format!("/blob/{}/{name}", self.name);
        let fields = [
            rights, "", &end, &resource, "", "", "https", VERSION, "c", "", "", "", "", "", "", "",
        ];
        let signature = self.sign(&fields.join("\n"));
        let end = encode(&end);
        format!(
            "{}/{name}?sv={VERSION}&se={end}&sr=c&sp={rights}&spr=https&sig={signature}",
            self.endpoint
        )
    }

    /// Stores a blob in the container of this URI.
    pub(crate) fn put(&self, container: &str, name: &str, content: &[u8]) {
        let kind = [("x-ms-blob-type", "BlockBlob")];
        let (status, body) = self.send(Method::PUT, &blob(container, name), &kind, content);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    }

    /// What is in a blob, if it is there.
    pub(crate) fn get(&self, container: &str, name: &str) -> Option<Vec<u8>> {
        let (status, body) = self.send(Method::GET, &blob(container, name), &[], &[]);
        match status {
            200 => Some(body),
            404 => None,
            _ => panic!("{status}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Source: Azure Storage documentation, "Create an account SAS".
    fn account_sas(&self) -> String {
        let end = time_text(OffsetDateTime::now_utc() + Duration::from_secs(3600));
        let fields =
            [&self.name, "rwdlac", "b", "sco", "", &end, "", "https", VERSION, "", ""].join("\n");
        let signature = self.sign(&fields);
        let end = encode(&end);
        format!("sv={VERSION}&ss=b&srt=sco&sp=rwdlac&se={end}&spr=https&sig={signature}")
    }

    fn sign(&self, text: &str) -> String {
        let key = STANDARD.decode(&self.key).expect("keys are base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        encode(&STANDARD.encode(hmac::sign(&key, text.as_bytes())))
    }

    fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let ca = CertificateDer::from_pem_file(&self.ca).expect("the CA is there");
        let roots = RootCerts::new_with_certs(&[Certificate::from_der(&ca).to_owned()]);
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(provider::default_provider()))
            .build();
        let config =
            Agent::config_builder().tls_config(tls).http_status_as_error(false).proxy(None);
        let agent = Agent::from(config.build());
        let mut request = Request::builder().method(&method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("x-ms-version", VERSION);
        let mut answer = if method == Method::PUT {
            agent.run(request.body(body).expect("a good request"))
        } else {
            agent.run(request.body(()).expect("a good request"))
        }
        .expect("the account answers");
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec();
        (answer.status().as_u16(), body.expect("the answer is whole"))
    }
}

fn blob(container: &str, name: &str) -> String {
    let (place, query) = container.split_once('?').expect("a signature");
    format!("{place}/{name}?{query}")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn time_text(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time.format(format).expect("a time of this century")
}
