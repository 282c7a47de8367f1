//! The client: one request a call, connections kept for the next.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, ETAG, HeaderName, IF_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_control_plane::registry_job::{BlobProperties, BlobStorage, BlobUri, StorageError};
use ringhub_core::limits::BLOB_ERROR_BYTES_MAX;
use rustls::crypto::aws_lc_rs;
use ureq::tls::TlsConfig;
use ureq::{Agent, AsSendBody, Body};

use super::block_list::block_list;
use super::failure::{of_answer, of_exchange};
use super::trust::{TrustError, roots};
use crate::config::StorageAccounts;

/// Version of the service that requests are written for.
const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");
const VERSION_NAME: HeaderName = HeaderName::from_static("x-ms-version");
const RANGE: HeaderName = HeaderName::from_static("x-ms-range");

/// Longest time for a connection, handshake included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// Connections that wait for the next request.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// Talks to storage accounts, each request with the signature of its URI.
#[derive(Debug)]
pub(crate) struct StorageClient {
    agent: Agent,
    timeout: Duration,
}

impl StorageClient {
    /// Makes a client that trusts as configured, and the development CA if that file is there.
    /// Connects with the first request.
    ///
    /// # Errors
    /// [`TrustError`] when the authorities cannot be read.
    pub(crate) fn new(config: &StorageAccounts, development_ca: &Path) -> Result<Self, TrustError> {
        let tls = TlsConfig::builder()
            .root_certs(roots(config.ca_file.as_deref(), development_ca)?)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build();
        let config_of_agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(IDLE_CONNECTIONS_MAX)
            .timeout_connect(Some(CONNECT_TIME_MAX.min(config.request_timeout)))
            .timeout_global(Some(config.request_timeout))
            .user_agent(concat!("ringhub/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config_of_agent.into(), timeout: config.request_timeout })
    }

    /// Sends a request, and gives an answer that is `wanted`.
    fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(HeaderName, String)],
        body: impl AsSendBody,
        wanted: &[StatusCode],
    ) -> Result<Response<Body>, StorageError> {
        let mut request = Request::builder().method(method).uri(uri).header(VERSION_NAME, VERSION);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|error| of_exchange(&error.into()))?;
        let request = self.agent.configure_request(request);
        let request = request.timeout_global(Some(self.timeout)).build();
        let mut answer = self.agent.run(request).map_err(|error| of_exchange(&error))?;
        if wanted.contains(&answer.status()) {
            return Ok(answer);
        }
        let error = of_answer(answer.status(), answer.headers());
        // Read to its end, so that the connection can be used again; what it says is not needed.
        let _ = answer.body_mut().with_config().limit(BLOB_ERROR_BYTES_MAX).read_to_vec();
        Err(error)
    }
}

impl BlobStorage for StorageClient {
    fn properties(&self, blob: &BlobUri) -> Result<BlobProperties, StorageError> {
        let answer = self.send(Method::HEAD, blob.as_str(), &[], (), &[StatusCode::OK])?;
        let text = |name| text_of(answer.headers(), name);
        let len = text(CONTENT_LENGTH).and_then(|len| len.parse().ok());
        match (len, text(ETAG)) {
            (Some(len), Some(etag)) => Ok(BlobProperties { len, etag: etag.to_owned() }),
            _ => Err(not_an_account()),
        }
    }

    fn read(&self, blob: &BlobUri, part: Range<u64>, etag: &str) -> Result<Vec<u8>, StorageError> {
        let last = part.end.saturating_sub(1);
        let range = format!("bytes={}-{last}", part.start);
        let headers = [(RANGE, range), (IF_MATCH, etag.to_owned())];
        let wanted = [StatusCode::OK, StatusCode::PARTIAL_CONTENT];
        let mut answer = self.send(Method::GET, blob.as_str(), &headers, (), &wanted)?;
        let len = part.end.saturating_sub(part.start);
        let read = answer.body_mut().with_config().limit(len + 1).read_to_vec();
        let read = read.map_err(|error| of_exchange(&error))?;
        if read.len() as u64 == len {
            return Ok(read);
        }
        let reason = "the answer ends before its end".to_owned();
        Err(StorageError { reason, is_passing: true })
    }

    fn put_block(&self, blob: &BlobUri, id: &str, content: &[u8]) -> Result<(), StorageError> {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let uri = blob.with_query(&format!("comp=block&blockid={id}"));
        self.send(Method::PUT, &uri, &[], content, &[StatusCode::CREATED]).map(drop)
    }

    fn put_block_list(&self, blob: &BlobUri, ids: &[String]) -> Result<(), StorageError> {
        let uri = blob.with_query("comp=blocklist");
        self.send(Method::PUT, &uri, &[], block_list(ids), &[StatusCode::CREATED]).map(drop)
    }
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn not_an_account() -> StorageError {
    let reason = "the storage account does not answer as one".to_owned();
    StorageError { reason, is_passing: false }
}
