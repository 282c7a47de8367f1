//! The client: one request a call, connections kept for the next.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use ringhub_control_plane::registry_job::{BlobExchange, StorageError};
use ringhub_core::limits::BLOB_ERROR_BYTES_MAX;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, AsSendBody, Body};

use super::failure::of_exchange;
use crate::config::StorageAccounts;

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
    /// Makes a client that trusts `authorities`. Connects with the first request.
    pub(crate) fn new(config: &StorageAccounts, authorities: &[CertificateDer<'_>]) -> Self {
        let roots: Vec<_> =
            authorities.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
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
        Self { agent: config_of_agent.into(), timeout: config.request_timeout }
    }

    fn run(&self, request: Request<impl AsSendBody>) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request);
        self.agent.run(request.timeout_global(Some(self.timeout)).build())
    }
}

impl BlobExchange for StorageClient {
    fn exchange(
        &self,
        request: Request<&[u8]>,
        body_bytes_max: u64,
    ) -> Result<Response<Vec<u8>>, StorageError> {
        let (head, content) = request.into_parts();
        let sent = if head.method == Method::PUT {
            self.run(Request::from_parts(head, content))
        } else {
            self.run(Request::from_parts(head, ()))
        };
        let (head, mut body) = sent.map_err(|error| of_exchange(&error))?.into_parts();
        let is_success = head.status.is_success();
        let most = if is_success { body_bytes_max } else { BLOB_ERROR_BYTES_MAX };
        // Read to its end in any case, so that the connection can be used again; with one byte
        // more, which tells a longer answer from a whole one.
        let body = match body.with_config().limit(most + 1).read_to_vec() {
            Ok(body) => body,
            Err(error) if is_success => return Err(of_exchange(&error)),
            Err(_) => Vec::new(),
        };
        Ok(Response::from_parts(head, body))
    }
}
