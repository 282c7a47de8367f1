//! The REST API: requests as shards hand them over, and their answers.
//!
//! The front parses and authorises on the shard's own thread, and method calls go no further. For
//! all else a handler calls the registry and maps the outcome: reads are answered on the worker's
//! thread, writes from the writer's, once they are durable and the directory knows them.

mod bulk;
mod bulk_item;
mod certificates;
mod commands;
mod configurations;
mod cost;
mod device_bound;
mod device_front;
mod device_list;
mod devices;
mod error;
mod front;
mod hub;
mod job_json;
mod jobs;
mod json;
mod keys;
mod methods;
mod modules;
mod not_built;
mod notices;
mod query;
mod query_indexes;
mod query_service;
mod registry_jobs;
mod request;
mod route;
mod statistics;
mod storage_keys;
mod twins;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ringhub_core::c2d::{DeviceMessage, LockToken, Verdict};
use ringhub_core::twin::Mode;
use serde::Serialize;

use crate::Shards;
use crate::blob::BlobService;
use crate::c2d::NoticeKind;
use crate::directory::Directory;
use crate::job::JobWaker;
use crate::registry::{Change, Outcome};
use crate::registry_job::RegistryJobWaker;
use crate::store::{SqliteStore, Write, WriteQueue};

pub(crate) use bulk_item::{BulkItem, ItemName};
pub(crate) use certificates::condition;
pub(crate) use configurations::{configuration_draft, configuration_json};
pub use device_front::{DeviceOperation, DeviceRefusal, DeviceRequest, delivery_response, done};
pub(crate) use devices::{authentication_json, connection_state, device_json};
pub(crate) use error::{ApiError, Code, code, random_guid, random_hex};
pub(crate) use front::{Front, Passed};
pub(crate) use hub::policy_json;
pub(crate) use json::{Members, parse as parse_body};
pub(crate) use methods::Call;
pub(crate) use modules::module_json;
pub(crate) use query_service::{QUERY_THREADS, QueryJob, QueryQueue, QueryService};
pub(crate) use registry_jobs::{
    blob_name, check_authentication, container, import_containers, status_message,
};
pub(crate) use request::{Context, find_hub, parameter};
pub(crate) use route::Resource;
pub(crate) use twins::{TwinJson, twin_time_text};

/// How headers begin that are properties of a message, in lower case.
///
/// Source: device-endpoints reference, "Telemetry".
pub const PROPERTY_PREFIX: &str = "iothub-app-";

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
    /// Those that [begin](PROPERTY_PREFIX) as a property of a message does, with their names as
    /// they were written.
    pub properties: Vec<(String, String)>,
    /// Whole body.
    pub body: Bytes,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }
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

/// Takes the answer; called once, on a thread of the control plane, on that of the shard that asks
/// or on that of a device's shard, and must not block.
pub type Reply = Box<dyn FnOnce(Response) + Send>;

impl Response {
    pub(crate) fn empty(status: StatusCode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, request_id());
        Self { status, headers, body: Bytes::new() }
    }

    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
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

fn request_id() -> HeaderValue {
    HeaderValue::try_from(random_guid()).unwrap_or(HeaderValue::from_static("0"))
}

/// Maps the outcome of a change to its answer.
type MapOutcome = Box<dyn FnOnce(Outcome) -> Result<Response, ApiError> + Send>;

/// What a handler decides.
enum Answer {
    /// The answer is there.
    Ready(Response),
    /// The answer follows when this change is durable.
    After(Change, MapOutcome),
    /// The answer is 204 when this message is durable.
    Send(DeviceMessage),
    /// The answer is 204 when this verdict on a notice is durable.
    Settle(NoticeKind, LockToken, Verdict),
}

/// One worker's hold on everything that handlers use.
pub(crate) struct Api {
    directory: Arc<Directory>,
    store: SqliteStore,
    writes: WriteQueue,
    shards: Arc<dyn Shards>,
    jobs: JobWaker,
    blobs: Arc<BlobService>,
    registry_jobs: RegistryJobWaker,
}

impl Api {
    pub(crate) fn new(
        directory: Arc<Directory>,
        store: SqliteStore,
        writes: WriteQueue,
        shards: Arc<dyn Shards>,
        (jobs, registry_jobs): (JobWaker, RegistryJobWaker),
        blobs: Arc<BlobService>,
    ) -> Self {
        Self { directory, store, writes, shards, jobs, blobs, registry_jobs }
    }

    /// Answers one request that has passed the [`Front`], now or from the writer's thread.
    pub(crate) fn handle(&self, context: &Context, reply: Reply) {
        let refuse = context.refuse();
        match self.dispatch(context) {
            Ok(Answer::Ready(response)) => reply(response),
            Ok(Answer::After(change, map)) => {
                let done = move |outcome: Result<Outcome, _>| {
                    let response = outcome.map_err(ApiError::from).and_then(map);
                    reply(response.unwrap_or_else(refuse));
                };
                self.writes.submit(Write { change, done: Box::new(done) });
            }
            Ok(Answer::Send(message)) => self.send_to_device(context.hub, message, reply),
            Ok(Answer::Settle(kind, token, verdict)) => {
                self.settle_notice((context.hub, kind), token, verdict, reply);
            }
            Err(error) => reply(refuse(error)),
        }
    }

    /// The identities, for the resource provider.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    fn dispatch(&self, context: &Context) -> Result<Answer, ApiError> {
        let resource = context.resource.clone();
        match (resource, context.request.method.as_str()) {
            (Resource::Devices, "GET") => self.list_devices(context),
            (Resource::Devices, "POST") => self.bulk_devices(context),
            (Resource::KeyRegeneration, "POST") => self.regenerate_keys(context),
            (Resource::Device(id), "GET") => self.show_device(context, &id),
            (Resource::Device(id), "PUT") => self.put_device(context, id),
            (Resource::Device(id), "DELETE") => self.delete_device(context, id),
            (Resource::Commands(id), "DELETE") => self.purge_commands(context, id),
            (Resource::Modules(device), "GET") => self.list_modules(context, &device),
            (Resource::Module(device, id), "GET") => self.show_module(context, &device, &id),
            (Resource::Module(device, id), "PUT") => self.put_module(context, device, id),
            (Resource::Module(device, id), "DELETE") => self.delete_module(context, device, id),
            (Resource::DeviceStatistics, "GET") => self.device_statistics(context),
            (Resource::ServiceStatistics, "GET") => self.service_statistics(context),
            (Resource::Twin(identity), "GET") => self.show_twin(context, &identity),
            (Resource::Twin(identity), "PATCH") => self.change_twin(context, identity, Mode::Merge),
            (Resource::Twin(identity), "PUT") => self.change_twin(context, identity, Mode::Replace),
            (Resource::DeviceBound(identity), "POST") => self.device_bound(context, &identity),
            (Resource::Jobs, "GET") => self.list_jobs(context),
            (Resource::Job(id), "GET") => self.show_job(context, &id),
            (Resource::Job(id), "PUT") => self.create_job(context, id),
            (Resource::JobCancel(id), "POST") => Ok(self.cancel_job(context, id)),
            (Resource::Notices(kind), "GET") => self.next_notice(context, kind),
            (Resource::NoticeLock(kind, lock), "DELETE") => {
                notices::verdict(kind, &lock, Verdict::Complete)
            }
            (Resource::NoticeAbandon(kind, lock), "POST") => {
                notices::verdict(kind, &lock, Verdict::Abandon)
            }
            (Resource::RegistryJobs, "GET") => self.list_registry_jobs(context),
            (Resource::RegistryJobCreate, "POST") => self.create_registry_job(context),
            (Resource::RegistryJob(id), "GET") => self.show_registry_job(context, &id),
            (Resource::RegistryJob(id), "DELETE") => Ok(self.cancel_registry_job(context, &id)),
            (Resource::Configuration(id), "PUT") => self.put_configuration(context, id),
            (Resource::Configuration(id), "DELETE") => Ok(self.delete_configuration(context, id)),
            (Resource::ConfigurationQueries, "POST") => self.test_queries(context),
            (Resource::ConfigurationContent(id), "POST") => self.apply_content(context, id),
            (Resource::QueryIndexes, "GET") => self.list_query_indexes(context),
            (Resource::QueryIndex(name), "GET") => self.show_query_index(context, &name),
            (Resource::QueryIndex(name), "PUT") => Self::put_query_index(context, name),
            (Resource::QueryIndex(name), "DELETE") => Ok(Self::delete_query_index(context, name)),
            (Resource::Policies, "POST") => self.list_policies(context),
            (Resource::StorageKeys, "POST") => self.storage_keys(context),
            (Resource::PolicyKeys(name), "POST") => self.regenerate_policy_keys(context, name),
            (Resource::Certificates, "GET") => self.list_certificates(context),
            (Resource::Certificate(name), "GET") => self.show_certificate(context, &name),
            (Resource::Certificate(name), "PUT") => Self::put_certificate(context, name),
            (Resource::Certificate(name), "DELETE") => Self::delete_certificate(context, name),
            (Resource::VerificationCode(name), _) => Self::make_verification_code(context, name),
            (Resource::Verification(name), _) => Self::verify_certificate(context, name),
            (Resource::ConsumerGroups, "GET") => self.list_consumer_groups(context),
            (Resource::ConsumerGroup(name), "GET") => self.show_consumer_group(context, &name),
            (Resource::ConsumerGroup(name), "PUT") => Self::put_consumer_group(context, &name),
            (Resource::ConsumerGroup(name), "DELETE") => self.delete_consumer_group(context, &name),
            _ => Err(ApiError::MethodNotAllowed),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
