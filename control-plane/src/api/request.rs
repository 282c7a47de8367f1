//! What every request says besides its path: version, host, credentials, preconditions.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use ringhub_core::auth::{CertificateChain, Permissions, SasToken};
use ringhub_core::id::HubId;
use ringhub_core::limits::REST_BODY_BYTES_MAX;

use super::json::{self, Members};
use super::route::{Resource, Routes};
use super::{ApiError, Request, Response};
use crate::clock;
use crate::directory::{AuthFailure, AuthScope, Credential, Directory, Hub, IdentityRef};
use crate::provider::ProviderError;
use crate::registry::{Existing, Missing, Precondition};

/// Oldest `api-version` of any client.
const API_VERSION_MIN: &str = "2015-08-15";

/// A request that is known to be well formed and allowed.
#[derive(Debug)]
pub(crate) struct Context {
    pub(super) hub: HubId,
    pub(super) resource: Resource,
    pub(super) request: Request,
    /// Where the resource provider has the hub; `None` if the hub itself was asked.
    provider_path: Option<String>,
}

impl Context {
    /// A request that came to the resource provider, which has let it in and has the hub at `path`.
    pub(crate) fn of_provider(
        hub: HubId,
        resource: Resource,
        request: Request,
        path: String,
    ) -> Self {
        Self { hub, resource, request, provider_path: Some(path) }
    }

    /// The hub that it is for.
    pub(crate) fn hub(&self) -> HubId {
        self.hub
    }

    /// How ids of what the hub has begin.
    pub(super) fn parent(&self) -> &str {
        self.provider_path.as_deref().unwrap_or_default()
    }

    /// How refusals are said to whoever asks.
    pub(super) fn refuse(&self) -> fn(ApiError) -> Response {
        match self.provider_path {
            None => |error| error.response(),
            Some(_) => |error| ProviderError::from(error).response(),
        }
    }

    /// Checks host, path, verb, version, authorization, content type and size, in this order.
    /// `certificate` is that of the handshake.
    pub(super) fn parse(
        request: Request,
        certificate: Option<&CertificateChain>,
        directory: &Directory,
        routes: &Routes,
    ) -> Result<Self, ApiError> {
        let hub = find_hub(&request.headers, directory)?;
        let resource = routes.resolve(&request.method, request.path())?;
        let needed = permissions(&resource, &request.method).ok_or(ApiError::MethodNotAllowed)?;
        let mut context = Self { hub: hub.id, resource, request, provider_path: None };
        if !context.puts_identity() {
            context.settle_ids(directory);
        }
        let is_versioned = !matches!(context.resource, Resource::Metrics | Resource::NotBuilt(..));
        if is_versioned {
            check_version(&context.request)?;
        }
        context.authorize(directory, &hub, certificate, needed)?;
        // Only who may use the hub hears what it is.
        if let Resource::NotBuilt(name, _) = context.resource {
            return Err(ApiError::NotBuilt(name));
        }
        context.check_content_type()?;
        if context.request.body.len() > REST_BODY_BYTES_MAX {
            return Err(ApiError::BodyTooLarge);
        }
        // It takes a look into the body, which is only for those who may do this.
        if context.puts_identity() && context.settle_ids(directory) {
            context.authorize(directory, &hub, certificate, needed)?;
        }
        Ok(context)
    }

    /// Ids that were encoded twice are decoded twice if that finds an identity and nothing else
    /// does: every id may hold a `%` of its own. True if the resource is another one now.
    fn settle_ids(&mut self, directory: &Directory) -> bool {
        let Some(other) = self.resource.decoded_again() else { return false };
        let is_there = |resource: &Resource| {
            resource.identity().is_some_and(|identity| {
                directory.presence(self.hub, IdentityRef::from(&identity)).is_some()
            })
        };
        let is_other = match self.id_in_body() {
            Some(id) => other.last_id() == Some(&*id),
            None => !is_there(&self.resource) && is_there(&other),
        };
        if is_other {
            self.resource = other;
        }
        is_other
    }

    /// The id that the body of a PUT gives to the identity.
    fn id_in_body(&self) -> Option<String> {
        if !self.puts_identity() {
            return None;
        }
        let body = json::parse(&self.request.body).ok()?;
        let is_module = matches!(self.resource, Resource::Module(..));
        let member = if is_module { "moduleId" } else { "deviceId" };
        Some(Members::of(&body).ok()?.filled(member).ok()??.to_owned())
    }

    fn puts_identity(&self) -> bool {
        let is_identity = matches!(self.resource, Resource::Device(_) | Resource::Module(..));
        is_identity && self.request.method == Method::PUT
    }

    /// A body is JSON, also where nothing says so; one that is said to be something else is not.
    /// What a device is sent may be anything.
    ///
    /// Source: control-plane reference, "Request headers".
    fn check_content_type(&self) -> Result<(), ApiError> {
        if matches!(self.resource, Resource::DeviceBound(_)) {
            return Ok(());
        }
        let Some(kind) = self.request.headers.get(CONTENT_TYPE) else { return Ok(()) };
        let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        let essence = essence.trim();
        let is_json = essence.is_empty() || essence.eq_ignore_ascii_case("application/json");
        if is_json || self.request.body.is_empty() { Ok(()) } else { Err(ApiError::ContentType) }
    }

    /// First value of a query parameter, decoded; its name compares without case.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.request.query(), name)
    }

    /// When a PUT may happen: without `If-Match` it creates and never overwrites.
    pub(super) fn put_precondition(&self) -> Precondition {
        match if_match(&self.request.headers) {
            None => Precondition { missing: Missing::Create, existing: Existing::Refuse },
            Some(existing) => Precondition { missing: Missing::Refuse, existing },
        }
    }

    /// When a DELETE or a change of a twin may happen: without `If-Match` always.
    pub(super) fn change_precondition(&self) -> Existing {
        if_match(&self.request.headers).unwrap_or(Existing::Overwrite)
    }

    /// Any one of the permissions is enough.
    fn authorize(
        &self,
        directory: &Directory,
        hub: &Hub,
        certificate: Option<&CertificateChain>,
        needed: &[Permissions],
    ) -> Result<(), ApiError> {
        let header = self.request.headers.get(AUTHORIZATION);
        let token = header.map(HeaderValue::to_str).transpose();
        let token = token.map_err(|_| unauthorized("Unauthorized"))?;
        let refusal = match token {
            None => "Authorization header missing".to_owned(),
            Some(token) => match self.authorize_token(directory, hub, token, needed) {
                Ok(()) => return Ok(()),
                Err(why) => self.refusal_text(why, token),
            },
        };
        if self.is_of_own_device(directory, Credential { token, certificate }) {
            return Ok(());
        }
        Err(unauthorized(&refusal))
    }

    fn authorize_token(
        &self,
        directory: &Directory,
        hub: &Hub,
        token: &str,
        needed: &[Permissions],
    ) -> Result<(), AuthFailure> {
        let segments = self.resource.segments();
        let mut refusal = AuthFailure::Permission;
        for permission in needed {
            let now = clock::now();
            match directory.authorize_service(hub.id, token, &segments, *permission, now) {
                Ok(_) => return Ok(()),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    /// A device may manage its own modules, with a token or a certificate of its own.
    fn is_of_own_device(&self, directory: &Directory, credential: Credential<'_>) -> bool {
        let Some(device) = self.resource.own_device() else { return false };
        let name = IdentityRef { device, module: None };
        let grant = directory.authenticate(self.hub, name, credential, clock::now());
        grant.is_ok_and(|grant| grant.scope != AuthScope::Hub)
    }

    /// Source: control-plane reference, "What an authorization failure looks like".
    fn refusal_text(&self, why: AuthFailure, token: &str) -> String {
        match why {
            AuthFailure::Permission => {
                let token = SasToken::parse(token);
                let policy = token.as_ref().ok().and_then(|token| token.policy());
                let path = self.request.path();
                let policy = policy.unwrap_or_default();
                format!("Authorization rule '{policy}' does not allow access for '{path}'")
            }
            AuthFailure::Scope
            | AuthFailure::Refused(ringhub_core::auth::TokenRefused::Signature) => {
                "Invalid token signature".to_owned()
            }
            AuthFailure::KeysOff => "disableLocalAuth of the hub is set".to_owned(),
            _ => "Unauthorized".to_owned(),
        }
    }
}

/// The hub that a request names.
pub(crate) fn find_hub(headers: &HeaderMap, directory: &Directory) -> Result<Arc<Hub>, ApiError> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| directory.hub_by_host(host)).ok_or(ApiError::HubNotFound)
}

/// First value of a query parameter, decoded; its name compares without case.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    percent_decode_str(value).decode_utf8().ok().map(Into::into)
}

pub(super) fn check_version(request: &Request) -> Result<(), ApiError> {
    let version = parameter(request.query(), "api-version");
    if version.is_some_and(|text| is_api_version(&text)) {
        Ok(())
    } else {
        Err(ApiError::ApiVersion)
    }
}

pub(super) fn unauthorized(text: &str) -> ApiError {
    ApiError::Unauthorized(text.to_owned())
}

/// The rights of which one is needed; `None` for a verb that the resource does not know.
///
/// Source: control-plane reference, "Permission per operation".
fn permissions(resource: &Resource, method: &Method) -> Option<&'static [Permissions]> {
    const READ: &[Permissions] = &[Permissions::REGISTRY_READ];
    const WRITE: &[Permissions] = &[Permissions::REGISTRY_WRITE];
    const SERVICE: &[Permissions] = &[Permissions::SERVICE_CONNECT];
    const OWNER: &[Permissions] = &[Permissions::ALL];
    const ANY: &[Permissions] = &[
        Permissions::SERVICE_CONNECT,
        Permissions::REGISTRY_READ,
        Permissions::REGISTRY_WRITE,
        Permissions::DEVICE_CONNECT,
    ];
    const READ_OR_SERVICE: &[Permissions] =
        &[Permissions::SERVICE_CONNECT, Permissions::REGISTRY_READ];
    const JOBS: &[Permissions] = &[Permissions::SERVICE_CONNECT, Permissions::REGISTRY_WRITE];
    match (resource, method.as_str()) {
        (Resource::NotBuilt(..), _) => Some(ANY),
        (Resource::Policies | Resource::PolicyKeys(_) | Resource::StorageKeys, "POST") => {
            Some(OWNER)
        }
        (Resource::ConsumerGroup(_), "PUT" | "DELETE") => Some(OWNER),
        (Resource::Certificates, "GET") => Some(OWNER),
        (Resource::Certificate(_), "GET" | "PUT" | "DELETE") => Some(OWNER),
        (Resource::VerificationCode(_) | Resource::Verification(_), "POST") => Some(OWNER),
        (Resource::Certificates | Resource::Certificate(_), _) => None,
        (Resource::VerificationCode(_) | Resource::Verification(_), _) => None,
        (Resource::ConsumerGroups | Resource::ConsumerGroup(_), "GET") => Some(SERVICE),
        (Resource::Policies | Resource::PolicyKeys(_) | Resource::StorageKeys, _) => None,
        (Resource::ConsumerGroups | Resource::ConsumerGroup(_), _) => None,
        (Resource::Methods(_), "POST") | (Resource::Metrics, "GET") => Some(SERVICE),
        (Resource::Methods(_) | Resource::Metrics, _) => None,
        (Resource::Jobs, "GET") | (Resource::JobCancel(_), "POST") => Some(JOBS),
        (Resource::Job(_), "GET" | "PUT") => Some(JOBS),
        (Resource::Jobs | Resource::Job(_) | Resource::JobCancel(_), _) => None,
        // An export shows keys, as lists of devices do.
        (Resource::RegistryJobs | Resource::RegistryJob(_), "GET") => Some(READ),
        (Resource::RegistryJobCreate, "POST") | (Resource::RegistryJob(_), "DELETE") => Some(WRITE),
        (Resource::RegistryJobs | Resource::RegistryJobCreate | Resource::RegistryJob(_), _) => {
            None
        }
        (Resource::Query, "POST") => Some(SERVICE),
        (Resource::DeviceBound(_) | Resource::NoticeAbandon(..), "POST") => Some(SERVICE),
        (Resource::Notices(_), "GET") | (Resource::NoticeLock(..), "DELETE") => Some(SERVICE),
        (Resource::DeviceBound(_) | Resource::Notices(_), _) => None,
        (Resource::NoticeLock(..) | Resource::NoticeAbandon(..), _) => None,
        (Resource::Twin(_), "GET" | "PATCH" | "PUT") => Some(SERVICE),
        (Resource::ServiceStatistics, "GET") => Some(READ_OR_SERVICE),
        (Resource::Configurations | Resource::Configuration(_), "GET")
        | (Resource::ConfigurationQueries, "POST") => Some(READ_OR_SERVICE),
        (Resource::Configuration(_), "PUT" | "DELETE")
        | (Resource::ConfigurationContent(_), "POST") => Some(WRITE),
        (Resource::ConfigurationQueries | Resource::ConfigurationContent(_), _) => None,
        (Resource::QueryIndexes | Resource::QueryIndex(_), "GET") => Some(READ_OR_SERVICE),
        (Resource::QueryIndex(_), "PUT" | "DELETE") => Some(WRITE),
        (Resource::QueryIndexes | Resource::QueryIndex(_), _) => None,
        (Resource::KeyRegeneration, "POST") => Some(WRITE),
        (Resource::KeyRegeneration, _) => None,
        (Resource::Commands(_), "DELETE") => Some(SERVICE),
        (Resource::Commands(_), _) => None,
        (_, "GET") => Some(READ),
        (Resource::Devices, "POST") => Some(WRITE),
        (Resource::Device(_) | Resource::Module(..), "PUT" | "DELETE") => Some(WRITE),
        _ => None,
    }
}

/// A date not before the oldest version, with `-preview` or without.
///
/// Source: control-plane reference, "Host, scheme, version".
fn is_api_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let shape = date.len() == 10
        && date.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    let within = |range: std::ops::RangeInclusive<&str>, at| range.contains(&at);
    shape
        && date >= API_VERSION_MIN
        && within("01"..="12", &date[5..7])
        && within("01"..="31", &date[8..10])
}

/// Reads `If-Match`; `None` when it is absent or, as with the original hub, not quoted.
///
/// Source: control-plane reference, "ETag rules".
fn if_match(headers: &HeaderMap) -> Option<Existing> {
    let text = headers.get(IF_MATCH)?.to_str().ok()?.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    if text == "*" {
        return Some(Existing::Overwrite);
    }
    match text.strip_prefix('"')?.strip_suffix('"')? {
        "*" => Some(Existing::Overwrite),
        etag => Some(Existing::Match(etag.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn if_match_has_five_meanings() {
        let tag = || Some(Existing::Match("MQ==".to_owned()));
        for (value, expected) in [
            (None, None),
            (Some("*"), Some(Existing::Overwrite)),
            (Some("\"*\""), Some(Existing::Overwrite)),
            (Some("\"MQ==\""), tag()),
            (Some("W/\"MQ==\""), tag()),
            (Some("MQ=="), None),
            (Some("\""), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(IF_MATCH, HeaderValue::from_static(value));
            }
            assert_eq!(if_match(&headers), expected, "{value:?}");
        }
    }

    #[test]
    fn api_versions_are_dates_of_clients() {
        for good in ["2015-08-15-preview", "2016-02-03", "2021-04-12", "2024-03-31", "2030-01-01"] {
            assert!(is_api_version(good), "{good}");
        }
        for bad in
            ["", "latest", "2015-08-14", "2021-4-12", "2021-13-01", "2021-04-32", "2021-04-12-beta"]
        {
            assert!(!is_api_version(bad), "{bad}");
        }
    }
}
