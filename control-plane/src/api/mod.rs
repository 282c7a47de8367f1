//! The REST API: requests as shards hand them over, and their answers.
//!
//! A handler parses, authorises, calls the registry and maps the outcome. Reads are answered on the
//! worker's thread; writes are answered from the writer's, once they are durable and the directory
//! knows them.

mod bulk;
mod commands;
mod devices;
mod error;
mod json;
mod methods;
mod modules;
mod request;
mod route;
mod statistics;
mod twins;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ringhub_core::method::{Invocation, Patience, Target};
use ringhub_core::twin::Mode;
use serde::Serialize;

use crate::directory::Directory;
use crate::method::Methods;
use crate::registry::{Change, Outcome};
use crate::store::{SqliteStore, Write, WriteQueue};

pub(crate) use error::ApiError;
pub(crate) use methods::{MethodError, method_answer};
use request::Context;
use route::{Resource, Routes};

/// Content type of every body.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");

/// One REST request, as it came from a connection.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query as received, still percent-encoded.
    pub path_and_query: String,
    /// Headers; `Host` selects the hub.
    pub headers: HeaderMap,
    /// Whole body.
    pub body: Bytes,
}

/// The answer to one REST request.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Headers besides `Content-Length` and `Date`, which the driver adds.
    pub headers: HeaderMap,
    /// Body; empty for 204.
    pub body: Bytes,
}

/// Takes the answer; called once, on a thread of the control plane, and must not block.
pub type Reply = Box<dyn FnOnce(Response) + Send>;

impl Response {
    fn empty(status: StatusCode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, request_id());
        Self { status, headers, body: Bytes::new() }
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let Ok(body) = serde_json::to_vec(body) else {
            // Only maps with keys that are no text cannot be written, and there are none.
            return Self::empty(StatusCode::INTERNAL_SERVER_ERROR);
        };
        Self::json_text(status, body)
    }

    fn json_text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut response = Self::empty(status);
        response.headers.insert(CONTENT_TYPE, JSON);
        response.body = body.into();
        response
    }

    /// Sets the header to a tag that is given without quotes.
    fn with_etag(mut self, etag: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(format!("\"{etag}\"")) {
            self.headers.insert(ETAG, value);
        }
        self
    }
}

/// A GUID in lower case.
fn request_id() -> HeaderValue {
    let id = error::random_hex();
    let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("0"))
}

/// Maps the outcome of a change to its answer.
type MapOutcome = Box<dyn FnOnce(Outcome) -> Result<Response, ApiError> + Send>;

/// What a handler decides.
enum Answer {
    /// The answer is there.
    Ready(Response),
    /// The answer follows when this change is durable.
    After(Change, MapOutcome),
    /// The answer follows when the device gives it.
    Invoke(Target, Invocation, Patience),
}

/// One worker's hold on everything that handlers use.
pub(crate) struct Api {
    directory: Arc<Directory>,
    store: SqliteStore,
    writes: WriteQueue,
    methods: Arc<Methods>,
    routes: Arc<Routes>,
}

impl Api {
    pub(crate) fn new(
        directory: Arc<Directory>,
        store: SqliteStore,
        writes: WriteQueue,
        methods: Arc<Methods>,
        routes: Arc<Routes>,
    ) -> Self {
        Self { directory, store, writes, methods, routes }
    }

    /// Answers one request, now, from the writer's thread or from the shard of a device.
    pub(crate) fn handle(&self, request: &Request, reply: Reply) {
        match self.dispatch(request) {
            Ok(Answer::Ready(response)) => reply(response),
            Ok(Answer::After(change, map)) => {
                let done = move |outcome: Result<Outcome, _>| {
                    let response = outcome.map_err(ApiError::from).and_then(map);
                    reply(response.unwrap_or_else(|error| error.response()));
                };
                self.writes.submit(Write { change, done: Box::new(done) });
            }
            Ok(Answer::Invoke(target, invocation, patience)) => {
                self.methods.invoke(target, invocation, patience, reply);
            }
            Err(error) => reply(error.response()),
        }
    }

    fn dispatch(&self, request: &Request) -> Result<Answer, ApiError> {
        let context = Context::parse(request, &self.directory, &self.routes)?;
        let resource = context.resource.clone();
        match (resource, request.method.as_str()) {
            (Resource::Devices, "GET") => self.list_devices(&context),
            (Resource::Devices, "POST") => self.bulk_devices(&context),
            (Resource::Device(id), "GET") => self.show_device(&context, &id),
            (Resource::Device(id), "PUT") => self.put_device(&context, id),
            (Resource::Device(id), "DELETE") => self.delete_device(&context, id),
            (Resource::Commands(id), "DELETE") => self.purge_commands(&context, id),
            (Resource::Modules(device), "GET") => self.list_modules(&context, &device),
            (Resource::Module(device, id), "GET") => self.show_module(&context, &device, &id),
            (Resource::Module(device, id), "PUT") => self.put_module(&context, device, id),
            (Resource::Module(device, id), "DELETE") => self.delete_module(&context, device, id),
            (Resource::DeviceStatistics, "GET") => self.device_statistics(&context),
            (Resource::Methods(identity), "POST") => Ok(self.invoke_method(&context, identity)),
            (Resource::ServiceStatistics, "GET") => self.service_statistics(&context),
            (Resource::Twin(identity), "GET") => self.show_twin(&context, &identity),
            (Resource::Twin(identity), "PATCH") => {
                self.change_twin(&context, identity, Mode::Merge)
            }
            (Resource::Twin(identity), "PUT") => {
                self.change_twin(&context, identity, Mode::Replace)
            }
            _ => Err(ApiError::MethodNotAllowed),
        }
    }
}

pub(crate) fn routes() -> Routes {
    Routes::new()
}

#[cfg(test)]
mod tests;
