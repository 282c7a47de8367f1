//! REST over HTTPS: one request at a time per call, connections kept for the next.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, Method, Request, Uri, request};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Timeout};

use super::refusal::Refusal;
use super::target::{Address, Target};
use super::wire::{PATIENCE, unreachable};
use super::{ClientError, Result};

/// The newest version of the API that is served.
const API_VERSION: &str = "2021-04-12";

/// The newest version of the resource provider that is served.
const PROVIDER_VERSION: &str = "2023-06-30";

/// Longest time for one request, unless the caller says otherwise.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// Largest answer: a list of a thousand devices takes about 1 MiB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Path of queries.
const QUERY: &str = "/devices/query";

const ERROR_CODE: &str = "iothub-errorcode";
const PAGE_SIZE: &str = "x-ms-max-item-count";
const CONTINUATION: &str = "x-ms-continuation";
const LOCK_TIME: &str = "iothub-messagelocktimeout";
const ITEM_TYPE: &str = "x-ms-item-type";

/// Status of an answer that has nothing to say.
const NO_CONTENT: u16 = 204;

/// Connections that wait for the next request.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// What must hold for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition<'a> {
    /// None is sent: a PUT creates, a PATCH happens always.
    Absent,
    /// The thing must exist.
    Exists,
    /// The thing must have this ETag.
    Matches(&'a str),
}

impl<'a> Precondition<'a> {
    /// An ETag that the user gave, or that the thing exists.
    #[must_use]
    pub fn of(etag: Option<&'a str>) -> Self {
        etag.map_or(Self::Exists, Self::Matches)
    }

    /// Value of `If-Match`; quoted, because others are passed over.
    fn header(self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Exists => Some("\"*\"".to_owned()),
            Self::Matches(etag) => Some(format!("\"{}\"", etag.trim_matches('"'))),
        }
    }
}

/// What the hub has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; JSON, a message, or nothing.
    pub body: Vec<u8>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// In order.
    pub items: Vec<Value>,
    /// Names the next one; `None` for the last.
    pub continuation: Option<String>,
    /// What the items are, where the hub says so.
    pub item_type: Option<String>,
}

/// A client of the REST API; cheap to clone, and clones share their connections.
#[derive(Clone, Debug)]
pub struct RestClient {
    agent: Agent,
    target: Arc<Target>,
    token: String,
    version: &'static str,
}

impl RestClient {
    /// Makes a client; connects with the first request.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        let config = https_agent_config(&target.trust.roots);
        let dial = Dial(target.https.clone());
        Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), dial),
            token: target.credential.token(&target.host_name),
            target: Arc::new(target.clone()),
            version: API_VERSION,
        }
    }

    /// Makes a client of the resource provider, with the token of administrators.
    #[must_use]
    pub fn for_administrators(target: &Target, token: &str) -> Self {
        let token = format!("Bearer {token}");
        Self { token, version: PROVIDER_VERSION, ..Self::new(target) }
    }

    /// Reads what is at `path`, which is percent-encoded and may have a query.
    ///
    /// # Errors
    /// [`ClientError`], as for [`send`](Self::send).
    pub fn read(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, Precondition::Absent, None)
    }

    /// Sends one request and gives the JSON of the answer, null when it has none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a status above 299; anything else when there was no answer.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        when: Precondition<'_>,
        body: Option<&Value>,
    ) -> Result<Value> {
        self.exchange(method, path, when, body, REQUEST_TIME_MAX)?.json()
    }

    /// As [`send`](Self::send), with another patience.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn post_patiently(&self, path: &str, body: &Value, patience: Duration) -> Result<Value> {
        self.exchange(Method::POST, path, Precondition::Absent, Some(body), patience)?.json()
    }

    /// Sends one request and gives the answer, whatever it is.
    ///
    /// # Errors
    /// [`ClientError`] when there was no answer.
    pub fn exchange(
        &self,
        method: Method,
        path: &str,
        when: Precondition<'_>,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer> {
        let mut request = self.request(method, path)?;
        if let Some(value) = when.header() {
            request = request.header(IF_MATCH, value);
        }
        match body {
            Some(body) => self.run(request.body(body.to_string()), patience),
            None => self.run(request.body(()), patience),
        }
    }

    /// Reads the page of a list that `continuation` names, with at most `size` items; the first
    /// one for `None`. Gives what names the next one.
    ///
    /// # Errors
    /// [`ClientError`], as for [`send`](Self::send).
    pub fn read_page(&self, path: &str, size: usize, continuation: Option<&str>) -> Result<Page> {
        let request = self.page_request(Method::GET, path, size, continuation)?;
        self.run(request.body(()), REQUEST_TIME_MAX)?.page()
    }

    /// Reads the page of a query that `continuation` names; `body` is that of the query.
    ///
    /// # Errors
    /// [`ClientError`], as for [`send`](Self::send).
    pub fn query_page(
        &self,
        body: &Value,
        size: usize,
        continuation: Option<&str>,
    ) -> Result<Page> {
        let request = self.page_request(Method::POST, QUERY, size, continuation)?;
        self.run(request.body(body.to_string()), REQUEST_TIME_MAX)?.page()
    }

    /// Takes the next message from the queue of a device at `path`, locked for this time; `None`
    /// when there is none.
    ///
    /// # Errors
    /// [`ClientError`], as for [`send`](Self::send).
    ///
    /// Source: device-endpoints reference, "HTTPS device API".
    pub fn receive_message(&self, path: &str, lock_secs: u16) -> Result<Option<Answer>> {
        let request = self.request(Method::GET, path)?.header(LOCK_TIME, lock_secs);
        let answer = self.run(request.body(()), REQUEST_TIME_MAX)?;
        match answer.status {
            NO_CONTENT => Ok(None),
            200..=299 => Ok(Some(answer)),
            _ => Err(answer.refusal().into()),
        }
    }

    /// How the hub answers a query.
    ///
    /// # Errors
    /// [`ClientError`], as for [`send`](Self::send).
    pub fn explain(&self, query: &str) -> Result<Value> {
        let body = json!({ "query": query, "explain": true });
        Ok(self.query_page(&body, 1, None)?.items.pop().unwrap_or_default())
    }

    fn page_request(
        &self,
        method: Method,
        path: &str,
        size: usize,
        continuation: Option<&str>,
    ) -> Result<request::Builder> {
        let request = self.request(method, path)?.header(PAGE_SIZE, size);
        Ok(match continuation {
            Some(token) => request.header(CONTINUATION, token),
            None => request,
        })
    }

    fn request(&self, method: Method, path: &str) -> Result<request::Builder> {
        Ok(Request::builder()
            .method(method)
            .uri(self.uri(path)?)
            .header(AUTHORIZATION, &self.token)
            .header(CONTENT_TYPE, "application/json; charset=utf-8"))
    }

    fn run(
        &self,
        request: http::Result<Request<impl AsSendBody>>,
        patience: Duration,
    ) -> Result<Answer> {
        let request = self.agent.configure_request(request.map_err(io::Error::other)?);
        let answer = self.agent.run(request.timeout_global(Some(patience)).build());
        let mut answer = answer.map_err(|error| self.failure(error, patience))?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer {
            status: answer.status().as_u16(),
            body: body.map_err(|error| self.failure(error, patience))?,
            headers: std::mem::take(answer.headers_mut()),
        })
    }

    fn uri(&self, path: &str) -> Result<Uri> {
        let name = &self.target.host_name;
        let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
        let joint = if path.contains('?') { '&' } else { '?' };
        let port = self.target.https.port;
        let text = format!("https://{name}:{port}{path}{joint}api-version={}", self.version);
        Ok(text.parse().map_err(io::Error::other)?)
    }

    fn failure(&self, error: ureq::Error, patience: Duration) -> ClientError {
        let target = &self.target;
        let untrusted = |error: &rustls::Error| {
            ClientError::from_tls(error, &target.host_name, &target.trust.name)
        };
        match error {
            ureq::Error::Rustls(error) => untrusted(&error),
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                unreachable(target, &target.https, "HTTPS", io::ErrorKind::TimedOut.into())
            }
            ureq::Error::Timeout(_) => ClientError::Silent(patience.as_secs()),
            ureq::Error::Io(error) => {
                match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    Some(of_tls) => untrusted(of_tls),
                    None => unreachable(target, &target.https, "HTTPS", error),
                }
            }
            ureq::Error::HostNotFound => {
                let source = io::Error::other("the host name has no address");
                unreachable(target, &target.https, "HTTPS", source)
            }
            ureq::Error::ConnectionFailed => {
                let source = io::ErrorKind::ConnectionRefused.into();
                unreachable(target, &target.https, "HTTPS", source)
            }
            error => ClientError::Protocol(error.to_string()),
        }
    }
}

impl Answer {
    /// The JSON of a good answer.
    fn json(&self) -> Result<Value> {
        if self.status > 299 {
            return Err(self.refusal().into());
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Protocol(error.to_string()))
    }

    fn page(self) -> Result<Page> {
        match self.json()? {
            Value::Array(items) => {
                let header = |name| self.header(name).map(ToOwned::to_owned);
                Ok(Page { items, continuation: header(CONTINUATION), item_type: header(ITEM_TYPE) })
            }
            _ => Err(ClientError::Protocol("what should be a list".to_owned())),
        }
    }

    /// What the hub says no with.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal::from_body(self.status, self.header(ERROR_CODE), &self.body)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A client of HTTPS that trusts `roots`, follows no redirects and takes no status for a failure.
pub(crate) fn https_agent_config(roots: &[CertificateDer<'_>]) -> Config {
    let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_idle_connections(IDLE_CONNECTIONS_MAX)
        .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
        .timeout_connect(Some(PATIENCE))
        .user_agent(concat!("ringhub/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Dials the address of the target whatever the URI says: that holds the name of the certificate.
#[derive(Debug)]
struct Dial(Address);

impl Resolver for Dial {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let found = (self.0.host.as_str(), self.0.port).to_socket_addrs();
        let mut addresses = self.empty();
        let room = 16;
        found.map_err(|_| ureq::Error::HostNotFound)?.take(room).for_each(|a| addresses.push(a));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}
